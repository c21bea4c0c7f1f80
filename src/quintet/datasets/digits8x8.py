"""digits8x8: the 1,797 real 8x8 digits that scikit-learn carries, so that a first run needs no download.

They are the test part of UCI's "Optical Recognition of Handwritten Digits" (13 of its 43 writers): 32x32 bitmaps
counted in 4x4 blocks, values 0 to 16, here rescaled to uint8 by 255/16. The split into 1,297 training and 500 test
images is ours, stratified and fixed; writers are not known, so both parts share them: easier than UCI's own split.
"""

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from quintet.datasets.record import Dataset, Provenance, Source
from quintet.datasets.split import stratified
from quintet.errors import DataError, EnvironmentUnavailable

_TEST_IMAGES = 500
_SPLIT_SEED = 1797
# Of the values as uint8, then the labels as uint8.
_CONTENT_SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"


def _place() -> Path | None:
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        return None
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    return path if path.is_file() else None


def _read(paths: Mapping[str, Path]) -> Dataset:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise EnvironmentUnavailable(
            f"digits8x8 is carried by scikit-learn, which cannot be imported ({error}); do `pip install scikit-learn`"
        ) from None
    values, labels = load_digits(return_X_y=True)
    sixteenths, labels = values.astype(np.uint8).reshape(-1, 8, 8, 1), labels.astype(np.int64)
    received = hashlib.sha256(sixteenths.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    if received != _CONTENT_SHA256:
        raise DataError(
            f"digits8x8: scikit-learn's digits have SHA-256 {received}, expected {_CONTENT_SHA256}; "
            "do `pip install --force-reinstall scikit-learn`"
        )
    images = np.rint(sixteenths * (255 / 16)).astype(np.uint8)
    train, test = stratified(labels, _TEST_IMAGES, np.random.default_rng(_SPLIT_SEED))
    return Dataset(
        name="digits8x8",
        train_x=images[train],
        train_y=labels[train],
        test_x=images[test],
        test_y=labels[test],
        labels=tuple("0123456789"),
        provenance=Provenance(
            source=SOURCE.home,
            licence=SOURCE.licence,
            citation=SOURCE.citation,
            sha256={"values and labels": received},
            found={name: str(path) for name, path in paths.items()},
        ),
    )


SOURCE = Source(
    name="digits8x8",
    title="UCI handwritten digits as carried by scikit-learn, 1,297 + 500, 8x8 grey",
    home="https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
    licence="CC BY 4.0",
    citation="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, "
    "1998, doi:10.24432/C50P49",
    embedded=_place,
    read=_read,
)
