"""Runs the contract of one library in a fresh process, once per session: Keras can have only one engine per process."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("contract.py")


@functools.cache
def run_contract(library: str) -> dict[str, str | None]:
    """Return `{check: what failed, or None}`; a lone "missing" says why the library cannot be imported."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), library],
        capture_output=True,
        text=True,
        timeout=900,
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
def contract_results():
    """Return the function from a library's name to its results."""
    return run_contract
