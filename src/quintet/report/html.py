"""The report as one HTML file: nothing is fetched, no script runs, and equal results give equal bytes."""

import os
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Any

from quintet.errors import StoreError
from quintet.metrics import METRICS
from quintet.report import records, tables, words
from quintet.report.plots import plots
from quintet.results import NetworkResult, StudyResult


def write_report(result: StudyResult, path: Path) -> Path:
    """Write the report of `result` to `path`, whole or not at all, and return `path`.

    Raises:
        StoreError: the file cannot be written.
    """
    text = render(result)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        raise StoreError(
            f"received {path}, where the report cannot be written ({error.strerror or error}), expected a place with room"
            " that this user may write; free some space or choose another"
        ) from error
    return path


def render(result: StudyResult) -> str:
    """Return the report's page as text."""
    import jinja2
    from markupsafe import Markup

    package = files("quintet.report")
    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(lambda name: package.joinpath(name).read_text(encoding="utf-8")),
    )
    environment.filters["safe_svg"] = Markup
    page = environment.get_template("report.html").render(
        css=Markup(package.joinpath("report.css").read_text(encoding="utf-8")),
        result=result,
        begun=records.begun(result),
        progress=tables.progress(result),
        networks=[_network(result, network, number) for number, network in enumerate(result.networks, 1)],
        machine=records.machine(result),
        settings=records.settings(result),
        data=records.data(result),
    )
    return page + "\n"


def _network(result: StudyResult, network: NetworkResult, number: int) -> dict[str, Any]:
    trials = records.trials(result, network.network)
    return {
        "key": f"network-{number}",
        "name": network.network,
        "headline": network.headline,
        "recommendation": network.recommendation,
        "no_recommendation": network.no_recommendation,
        "overview": tables.overview(network),
        "words": words.word_tables(network, tables.test_images(result)),
        "verdicts": tables.verdict_groups(network),
        "plots": plots(result, network),
        "ladder": tables.ladder_table(network, result.parity),
        "sweep": tables.sweep_table(network, result.sweep),
        "threads": sorted({row.threads for row in network.rows}),
        "trials": trials,
        "failures": records.failures(result, network.network),
        "trial_columns": [(METRICS[name].label, tables.unit(METRICS[name])) for name in records.TRIAL_METRICS],
    }
