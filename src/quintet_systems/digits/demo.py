"""The demo: compare, decide, train, read; on the 8x8 digits that scikit-learn carries, with no download.

Everything it says was measured while it ran. A demo that was stopped goes on when it is started again.
"""

import shutil
from pathlib import Path

import numpy as np

from quintet import datasets, machine
from quintet.environments import LIBRARIES, installed
from quintet.errors import EnvironmentUnavailable
from quintet.metrics import METRICS
from quintet.report import print_summary, write_report
from quintet.results import analyse
from quintet.schedule import Event, OnEvent, run_study
from quintet.store import Store
from quintet.study import make_study
from quintet.training import train_network
from quintet_systems.digits.drawing import draw_reading
from quintet_systems.digits.page import save_page
from quintet_systems.digits.paper import PaperSettings, make_page
from quintet_systems.digits.reader import load_reader, sample
from quintet_systems.digits.reading import read_page
from quintet_systems.digits.system import SYSTEM

DATA = "digits8x8"
SEEDS = 5
SHOWN = 16


def run_demo(folder: Path, on_event: OnEvent) -> list[str]:
    """Run the demo in `folder`; return the lines that say what came of it."""
    libraries = installed()
    if not libraries:
        wanted = ", ".join(LIBRARIES[name].how_to_install for name in ("torch", "jax"))
        raise EnvironmentUnavailable(
            f"received no installed library, expected at least one; type, in Quintet's folder, one of: {wanted}"
        )
    cores = len(machine.cores())
    study = make_study(
        {
            "name": "demo: handwritten digits",
            "system": "digits",
            "libraries": libraries,
            "seeds": SEEDS,
            "data": DATA,
            "threads": 1,
            "at_once": cores,
            "repeats": 1,
        }
    )
    run_study(study, folder / "study", on_event=on_event)
    with Store(folder / "study") as store:
        result = analyse(store)
    report = write_report(result, folder / "report.html")
    from quintet.cli.show import talk

    print_summary(result, talk())
    choice = result.networks[0].recommendation
    library = choice.library if choice else result.networks[0].rows[0].library
    trained = train_network(
        make_study(
            {
                "name": "demo: the recommended library",
                "system": "digits",
                "libraries": [library],
                "seeds": 1,
                "data": DATA,
                "threads": cores,
                "parity": False,
                "repeats": 0,
                "save_weights": True,
            }
        ),
        folder / "model",
        on_event=on_event,
    )
    on_event(Event(phase="reading", done=1, total=1))
    lines = ["", f"Recommended here: {library}" + ("." if choice else ", the fastest; nothing more could be said.")]
    accuracy = trained.scores.get("accuracy")
    if trained.bundle and accuracy:
        lines.append(f"Trained with it: {METRICS['accuracy'].show(accuracy.mean)} of the test digits right.")
        lines += _read_a_page(trained.bundle, folder)
    return lines + _next(folder, report)


def _read_a_page(bundle: Path, folder: Path) -> list[str]:
    """Make a page of test digits, read it, and say what was right."""
    rng = np.random.default_rng(7)
    images, truth = sample(SYSTEM.prepare(DATA), SHOWN, rng)
    settings = PaperSettings(turn_degrees=3.0, rules=True)
    paper = make_page(list(images), rng, settings)
    save_page(folder / "page.png", paper.image)
    predict, reader = load_reader(bundle)
    reading = read_page(paper.image, predict, reader)
    save_page(folder / "page-read.png", draw_reading(paper.image, reading))
    rows = [truth[i : i + settings.columns] for i in range(0, SHOWN, settings.columns)]
    written = " ".join("".join(str(digit) for digit in row) for row in rows)
    return [
        f"A page of {SHOWN} test digits, askew on ruled paper: {folder / 'page.png'}",
        f"    written: {written}",
        f"    read:    {' '.join(reading.lines)}      (? was refused)",
    ]


def _next(folder: Path, report: Path) -> list[str]:
    """Say where everything is and what to try."""
    lines = [
        "",
        f"Report:  {report}   (open it in a browser)",
        f"Numbers: {folder / 'study' / 'study.db'}   (any SQLite tool)",
        f"Model:   {folder / 'model' / 'bundle'}",
        f"Page:    {folder / 'page-read.png'}   (what was read, drawn in)",
        "",
        "Next:",
    ]
    if shutil.which("quintet") is None:
        lines.append("    . .venv/bin/activate                            so that `quintet` is found")
    if datasets.available("mnist"):
        lines.append("    quintet compare digits --seeds 5                the real thing: MNIST is at hand")
    else:
        lines.append("    quintet data get mnist                          then: quintet compare digits --seeds 5")
    return [
        *lines,
        "    quintet train digits --network best             the most accurate network",
        f"    quintet digits read {folder / 'page.png'}       or a photo of your own",
        "    quintet digits activations                      is ReLU really the best?",
    ]
