"""A trained bundle as a page reader: its temperature and its sense of the familiar, fitted once and kept beside it."""

import json
from pathlib import Path

import numpy as np

from quintet.bundle import read_bundle
from quintet.decision import fit_temperature
from quintet.errors import BundleError
from quintet.job import write_whole
from quintet.runtimes import NumpyPredictor, Predictor
from quintet.system import Prepared
from quintet_systems.digits.familiarity import learn, load_familiarity, save_familiarity
from quintet_systems.digits.reading import ReaderSettings


def fit_reader(bundle: Path, prepared: Prepared) -> None:
    """Write reader.json (temperature, from the validation split) and familiarity.npz (from the training images)."""
    predict = NumpyPredictor(read_bundle(bundle))
    x, y = prepared.arrays["validation_x"], prepared.arrays["validation_y"]
    temperature = fit_temperature(predict(x), y)
    save_familiarity(bundle / "familiarity.npz", learn(prepared.arrays["train_x"], prepared.arrays["train_y"]))
    record = {"version": 1, "size": int(x.shape[1]), "temperature": temperature}
    write_whole(bundle / "reader.json", json.dumps(record, indent=1).encode())


def load_reader(bundle: Path) -> tuple[Predictor, ReaderSettings]:
    """Return the predictor and the settings with which `read_page` reads.

    Raises:
        BundleError: the folder is no bundle of this system, or its reader files are missing or damaged.
    """
    loaded = read_bundle(bundle)
    try:
        record = json.loads((bundle / "reader.json").read_text())
        size, temperature = int(record["size"]), float(record["temperature"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"received {bundle}, expected a reader.json in it ({error}); train it again: quintet train digits"
        ) from None
    settings = ReaderSettings(
        size=size, temperature=temperature, familiarity=load_familiarity(bundle / "familiarity.npz")
    )
    return NumpyPredictor(loaded), settings


def newest_bundle(folders: list[Path]) -> Path:
    """Return the newest digits bundle below `folders`.

    Raises:
        BundleError: there is none.
    """
    found = [path.parent for folder in folders for path in folder.glob("**/bundle/reader.json")]
    if not found:
        raise BundleError(
            "received no model and found none below quintet-models or quintet-demo, expected one;"
            " type: quintet train digits --network best (or name a bundle with --model)"
        )
    return max(found, key=lambda path: (path / "reader.json").stat().st_mtime)


def newest_data(folders: list[Path]) -> str | None:
    """Return the name of the data set that the newest digits bundle learnt from, or None where there is no bundle."""
    try:
        return read_bundle(newest_bundle(folders)).card["data"]["name"]
    except (BundleError, KeyError, TypeError):
        return None


def sample(prepared: Prepared, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` random test images `(count, size, size, 1)` and their labels."""
    index = rng.choice(len(prepared.arrays["test_y"]), count, replace=False)
    return prepared.arrays["test_x"][index], prepared.arrays["test_y"][index]
