"""docs/statistics.md names every public function of the statistics: code and page cannot drift apart."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from quintet import comparison, recommend, statistics, verdict

PAGE = Path(__file__).parents[2] / "docs" / "statistics.md"
FUNCTIONS = [
    f"{module.__name__}.{name}"
    for module in (statistics, comparison)
    for name, item in vars(module).items()
    if inspect.isfunction(item) and not name.startswith("_") and item.__module__ == module.__name__
]


def test_there_are_functions():
    assert len(FUNCTIONS) > 15


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_public_function_is_on_the_page(function):
    name = function.rsplit(".", 1)[1]
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
    module = comparison if function.startswith(comparison.__name__) else statistics
    assert (inspect.getdoc(getattr(module, name)) or "").strip()


def test_verdicts_and_recommendation_are_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    for item in (verdict.compare_metric, verdict.claim_verdict, verdict.headline, recommend.recommend):
        assert f"`{item.__name__}`" in page


def test_importing_the_statistics_loads_no_scipy():
    code = "import sys, quintet.verdict, quintet.recommend; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
