"""Every adapter keeps the same contract: contract.py's checks, one test each, one process per library."""

import os

import pytest
from contract import CHECKS

from quintet_worker.adapters import ADAPTERS


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("library", ADAPTERS)
def test_contract(library, check, contract_results):
    results = contract_results(library)
    if "missing" in results:
        if os.environ.get("CI") == "true":
            pytest.fail(results["missing"])
        pytest.skip(results["missing"])
    assert check in results, f"{check} did not run: {results['the end']}"
    assert results[check] is None, results[check]
