"""The loop in a process of its own, fed with broken pictures: none ends it, and its memory stays bounded."""

import json
import os
import subprocess
import sys
from pathlib import Path

from board_bundles import make_bundle

PEAK_MIB = 340  # of the whole process: Python, numpy, LiteRT, and the largest picture that is let in; see docs/board.md

RUN = """
import json, resource, sys, time
from pathlib import Path
from board_mutations import bombs, mutated, originals
originals(); bombs()
from quintet_systems.pets.board.classifier import Classifier
from quintet_systems.pets.board.frames import Frame, SourceState
from quintet_systems.pets.board.loop import Loop
from quintet_systems.pets.board.queue import Queue
from quintet_systems.pets.board.supervisor import Supervisor

class Mutations:
    lists, ended, stuck = True, False, False
    def __init__(self, n, seed):
        self.files, self.count = mutated(n, seed), 0
    def next(self, timeout_s):
        content = next(self.files, None)
        self.count += 1
        return None if content is None else Frame(picture=content, name=str(self.count), grabbed_s=0.0)
    def state(self):
        return SourceState(connected=True)
    def close(self):
        pass

state, bundle, n, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
loop = Loop(Mutations(n, seed), Supervisor(state, bundle, Classifier), Queue(state / "queue"))
assert loop.open()
Path("/proc/self/clear_refs").write_text("5")  # what making the pictures took does not count
slowest = 0.0
while True:
    began = time.perf_counter()
    if loop.step(0.0) is None:
        break
    slowest = max(slowest, time.perf_counter() - began)
loop.queue.close()
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({"frames": loop.counts.frames, "broken": loop.counts.broken, "errors": loop.counts.errors,
                  "peak_mib": int(peak.split()[1]) / 1024, "slowest_s": slowest}))
"""


def feed(tmp_path: Path, n: int, seed: int) -> dict:
    bundle = make_bundle(tmp_path / "bundle", tmp_path / "key.pem")
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path / "state"), str(bundle), str(n), str(seed)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), tests])},
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def test_no_broken_picture_ends_the_loop_or_takes_its_memory(tmp_path):
    n = 10_000
    seen = feed(tmp_path, n, seed=2)
    assert seen["frames"] + seen["broken"] == n
    assert seen["errors"] == 0
    assert seen["broken"] > n / 5  # they were broken indeed
    assert seen["frames"] > n / 10  # and not all beyond reading
    assert seen["peak_mib"] < PEAK_MIB
