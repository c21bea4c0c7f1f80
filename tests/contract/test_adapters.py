"""Every adapter keeps the same contract: contract.py's checks, one test each, one process per library."""

import os

import pytest
from contract import CHECKS

from quintet.environments import LIBRARIES, own
from quintet_worker.adapters import ADAPTERS

ALWAYS = ("mxnet", "theano")  # whose Python is Quintet's own; the other retired ones need a retired Python


def could_be_here(library):
    """Tell whether CI must have this library: its interpreter is there."""
    return not LIBRARIES[library].retired or library in ALWAYS or bool(own.find_python(own.pins(library).python))


@pytest.mark.timeout(1800)  # the first of a library's tests waits for all of its checks
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("library", ADAPTERS)
def test_contract(library, check, contract_results):
    results = contract_results(library)
    if "missing" in results:
        if os.environ.get("CI") == "true" and could_be_here(library):
            pytest.fail(results["missing"])
        pytest.skip(results["missing"])
    assert check in results, f"{check} did not run: {results['the end']}"
    assert results[check] is None, results[check]
