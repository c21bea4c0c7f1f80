"""The demo: from a folder of photos to a signed bundle that a board would run; on drawn photos, with no download.

Everything it says was measured while it ran. A demo that was stopped goes on when it is started again.
"""

from pathlib import Path

from quintet import machine
from quintet.bundle import make_key, sign
from quintet.environments import installed
from quintet.errors import EnvironmentUnavailable
from quintet.export import complete_exports, export_bundle
from quintet.metrics import METRICS
from quintet.runtimes import chosen
from quintet.schedule import OnEvent
from quintet.study import make_study
from quintet.training import train_network
from quintet_systems.pets.board.classifier import Classifier
from quintet_systems.pets.drawn import LABELS, draw_folder
from quintet_systems.pets.system import SYSTEM

EACH = 300
SHOWN = 6


def run_demo(folder: Path, on_event: OnEvent) -> list[str]:
    """Run the demo in `folder`/pets; return the lines that say what came of it."""
    names = installed()
    if not names:
        raise EnvironmentUnavailable("received no installed library, expected at least one; see: quintet libraries")
    folder = folder / "pets"
    photos = folder / "photos"
    if not photos.exists():
        draw_folder(folder / "photos.making", EACH).rename(photos)
    prepared = SYSTEM.prepare(str(photos))
    study = make_study(
        {
            "name": "demo: drawn photos",
            "system": SYSTEM.name,
            "networks": ["nano"],
            "libraries": [names[0]],
            "seeds": 1,
            "epochs": 6,
            "data": prepared.name,
            "threads": len(machine.cores()),
            "parity": False,
            "repeats": 0,
            "save_weights": True,
        }
    )
    trained = train_network(study, folder / "model", on_event, prepared)
    accuracy = trained.scores.get("accuracy")
    if not trained.bundle or accuracy is None:
        return ["", f"Nothing came of it: {'; '.join(trained.failures)}"]
    x, y = prepared.arrays["test_x"], prepared.arrays["test_y"]
    exports = export_bundle(
        trained.bundle,
        ["litert", "onnx"],
        ["float32", "int8"],
        prepared.arrays["train_x"],
        x,
        y,
        0.05,
        on_event=on_event,
    )
    decided = complete_exports(trained.bundle, exports, prepared, 0.95, on_event)
    key = folder / "signing-key.pem"  # the demo's own: it leaves nothing outside its folder
    make_key(key)
    sign(trained.bundle, key)
    strangers = draw_folder(folder / "never-seen", SHOWN // 2, first_seed=100_000)
    classifier = Classifier(trained.bundle)
    runtime, precision, _ = chosen(trained.bundle)
    answers = [
        f"    {label}/{path.name}: {(verdict := classifier(path)).label} ({100 * verdict.probability:.0f} % {verdict.best})"
        for label in LABELS
        for path in sorted((strangers / label).iterdir())
    ]
    return [
        "",
        f"{2 * EACH} drawn photos of {' and '.join(LABELS)} (no real ones: those are yours to bring).",
        f"Trained with {names[0]}: {METRICS['accuracy'].show(accuracy.mean)} of {len(y)} test photos right.",
        *(
            f"{one.name}: {'kept' if one.kept else 'refused'}, {100 * one.accuracy:.1f} %, {one.size_bytes / 1e3:.0f} kB"
            for one in exports
        ),
        *(
            f"{name} answers {100 * f['coverage']:.0f} % and is unsure of the rest."
            for name, f in list(decided.items())[:1]
        ),
        f"Signed. Photos that it has never seen, with {runtime}, {precision}:",
        *answers,
        "",
        f"Bundle: {trained.bundle}   (its card: card.md)",
        "",
        "Next, with photos of your own, one folder a label:",
        "    quintet pets look PHOTOS",
        "    quintet train pets --data PHOTOS --library auto",
        f"    quintet pets watch --source {strangers / LABELS[0]} --bundle {trained.bundle} --once",
    ]
