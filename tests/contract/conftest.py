"""Runs the contract of one library in a fresh process, once per session: Keras can have only one engine per process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("contract.py")


def run_contract(library: str) -> dict[str, str | None]:
    """Return `{check: what failed, or None}`; a lone "missing" says why the library cannot run here."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), library],
        capture_output=True,
        text=True,
        timeout=1800,  # a Theano compiles some 300 small C programs at its first contract
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    found: dict[str, str | None] = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            record = json.loads(line)
            if "missing" in record:
                return {"missing": record["missing"]}
            found[record["check"]] = record["failure"]
    found["the end"] = f"the process ended with {done.returncode}: {done.stderr[-2000:]}"
    return found


@pytest.fixture(scope="session")
def contract_results(request) -> Iterator:
    """Return the function from a library's name to its results; those of this session run side by side from the start."""
    names = dict.fromkeys(
        item.callspec.params["library"]
        for item in request.session.items
        if hasattr(item, "callspec") and "library" in item.callspec.params and item.name.startswith("test_contract")
    )
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running: dict[str, Future] = {name: pool.submit(run_contract, name) for name in names}
        yield lambda name: running[name].result()
