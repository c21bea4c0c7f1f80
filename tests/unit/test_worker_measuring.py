"""Time, memory and energy inside the worker: read from the system, made up by nobody."""

import subprocess
import sys
from pathlib import Path

import pytest

from quintet_worker import clock
from quintet_worker.energy import EnergyMeter


def zone(root: Path, name: str, energy: int | None, top: int | None = None) -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    if energy is not None:
        (folder / "energy_uj").write_text(f"{energy}\n")
    if top is not None:
        (folder / "max_energy_range_uj").write_text(f"{top}\n")
    return folder


def test_energy_adds_up_the_packages_and_not_their_parts(tmp_path):
    zone(tmp_path, "intel-rapl:0", 1_000_000)
    zone(tmp_path, "intel-rapl:1", 5_000_000)
    zone(tmp_path, "intel-rapl:0:0", 0)
    meter = EnergyMeter(root=str(tmp_path))
    meter.start()
    zone(tmp_path, "intel-rapl:0", 3_000_000)
    zone(tmp_path, "intel-rapl:1", 5_500_000)
    zone(tmp_path, "intel-rapl:0:0", 900_000)
    assert meter.stop() == (2.5, "measured:rapl")


def test_a_counter_that_wrapped_is_put_right(tmp_path):
    zone(tmp_path, "intel-rapl:0", 9_000_000, top=10_000_000)
    meter = EnergyMeter(root=str(tmp_path))
    meter.start()
    zone(tmp_path, "intel-rapl:0", 500_000)
    assert meter.stop() == (1.5, "measured:rapl")


@pytest.mark.parametrize("name", ["intel-rapl:0:0", "dtpm", "intel-rapl"])
def test_without_a_package_counter_energy_is_unavailable_and_not_zero(tmp_path, name):
    zone(tmp_path, name, 5)
    meter = EnergyMeter(root=str(tmp_path))
    meter.start()
    assert meter.stop() == (None, "unavailable")


def test_a_counter_that_cannot_be_read_is_no_counter(tmp_path):
    zone(tmp_path, "intel-rapl:0", None)
    meter = EnergyMeter(root=str(tmp_path))
    meter.start()
    assert meter.stop() == (None, "unavailable")


def test_a_counter_that_goes_away_makes_the_figure_unavailable(tmp_path):
    folder = zone(tmp_path, "intel-rapl:0", 5)
    meter = EnergyMeter(root=str(tmp_path))
    meter.start()
    (folder / "energy_uj").unlink()
    assert meter.stop() == (None, "unavailable")


def test_a_stopwatch_adds_up_its_laps(monkeypatch):
    times = iter([10.0, 11.5, 20.0, 20.25])
    monkeypatch.setattr(clock, "now", lambda: next(times))
    watch = clock.Stopwatch()
    for _ in range(2):
        watch.start()
        watch.stop()
    assert watch.seconds == 1.75


def test_each_call_is_timed_in_milliseconds(monkeypatch):
    times = iter([0.0, 0.002, 1.0, 1.004])
    monkeypatch.setattr(clock, "now", lambda: next(times))
    calls = []
    assert clock.each_ms(lambda: calls.append(1), 2).tolist() == pytest.approx([2.0, 4.0])
    assert len(calls) == 2


def test_peak_memory_grows_with_what_is_held():
    # A process of its own: this one's peak may long have passed what is held here.
    code = """
from quintet_worker.memory import peak_mib
before = peak_mib()
held = bytearray(64 * 2**20)
held[::4096] = b"x" * len(held[::4096])
print(before, peak_mib())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert 5 < before < before + 50 < after < before + 500
