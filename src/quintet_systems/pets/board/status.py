"""What is going on, as one record: for the status page, for a file, for systemd's one line."""

import json
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from quintet_systems.pets.board.disk import replace_file
from quintet_systems.pets.board.loop import Loop
from quintet_systems.pets.board.uplink import Uplink

VERSION = 1


def status(loop: Loop, uplink: Uplink | None, began: float) -> dict[str, Any]:
    """Return the status record; `began` is the monotonic time of the start."""
    counts, classifier, last = loop.counts, loop.classifier, loop.last
    p50, p99 = counts.latency_ms(0.5), counts.latency_ms(0.99)
    reading = loop.thermometer.reading
    slots = loop.supervisor.slots
    return {
        "version": VERSION,
        "wall_s": round(time.time(), 1),
        "up_s": round(time.monotonic() - began),
        "state": _state(loop),
        "last": last
        and {
            "name": last.frame.name,
            "label": last.verdict.label if last.verdict else None,
            "best": last.verdict.best if last.verdict else None,
            "probability": last.verdict.probability if last.verdict else None,
            "why": last.why,
            "age_s": round(time.monotonic() - last.frame.grabbed_s, 1),
        },
        "pictures": {
            "classified": counts.frames,
            "unsure": counts.unsure,
            "set_aside": counts.broken,
            "failed": counts.errors,
            "labels": dict(counts.labels.most_common(50)),
        },
        "latency_ms": {"p50": _rounded(p50), "p99": _rounded(p99), "n": len(counts.latencies_ms)},
        "aside": [asdict(broken) for broken in counts.aside],
        "heat": {
            "celsius": reading.celsius,
            "throttled": reading.throttled,
            "step": loop.thermometer.heat.step,
        },
        "source": asdict(loop.source.state()),
        "queue": asdict(loop.queue.state()),
        "uplink": {"trouble": uplink.trouble, "delivered": uplink.delivered} if uplink else None,
        "model": classifier
        and {
            "version": classifier.model_version,
            "runtime": classifier.runtime,
            "precision": classifier.precision,
            "threshold": classifier.decision.threshold,
            "on_probation": loop.supervisor.on_probation,
        },
        "refused": [dict(refusal) for refusal in slots.refusals()][-5:],
        "events": list(loop.supervisor.events),
    }


def _state(loop: Loop) -> str:
    if loop.classifier is None:
        return f"safe mode: {loop.safe_mode}"
    if loop.thermometer.heat.step == 3:
        return "paused: too hot"
    source = loop.source.state()
    return "running" if source.connected else f"waiting for pictures: {source.trouble}"


def line(record: dict[str, Any]) -> str:
    """Return the record's one line for `systemctl status`."""
    last = record["last"] or {}
    return (
        f"{record['state']}; last {last.get('label') or '-'}; {record['pictures']['classified']} classified,"
        f" {record['queue']['waiting']} waiting"
    )


class StatusFile:
    """Writes the record now and then; not flushed, as it is worth nothing after a power cut."""

    def __init__(self, path: Path, every_s: float) -> None:
        self._path, self._every_s = path, every_s
        self._at: float | None = None

    def write(self, record: dict[str, Any], *, now: float, due: bool = False) -> None:
        if due or self._at is None or now - self._at >= self._every_s:
            self._at = now
            with suppress(OSError):  # a full disk is told on the page
                replace_file(self._path, json.dumps(record, indent=1).encode(), durable=False)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
