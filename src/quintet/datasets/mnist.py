"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28 grey, white on black."""

from collections.abc import Mapping
from pathlib import Path

from quintet.datasets.idx import read_idx
from quintet.datasets.record import Dataset, Provenance, Source, SourceFile

_REMEDY = "delete it and do `quintet data get mnist`"


def _read(paths: Mapping[str, Path]) -> Dataset:
    def images(name: str, count: int):
        return _array(paths[name], name, (count, 28, 28))[..., None]

    def labels(name: str, count: int):
        return _array(paths[name], name, (count,)).astype("int64")

    return Dataset(
        name="mnist",
        train_x=images("train-images-idx3-ubyte.gz", 60_000),
        train_y=labels("train-labels-idx1-ubyte.gz", 60_000),
        test_x=images("t10k-images-idx3-ubyte.gz", 10_000),
        test_y=labels("t10k-labels-idx1-ubyte.gz", 10_000),
        labels=tuple("0123456789"),
        provenance=Provenance(
            source=SOURCE.home,
            licence=SOURCE.licence,
            citation=SOURCE.citation,
            sha256={file.name: file.sha256 for file in SOURCE.files},
            found={name: str(path) for name, path in paths.items()},
        ),
    )


def _array(path: Path, name: str, shape: tuple[int, ...]):
    sha256 = next(file.sha256 for file in SOURCE.files if file.name == name)
    return read_idx(path, shape=shape, sha256=sha256, remedy=_REMEDY)


SOURCE = Source(
    name="mnist",
    title="MNIST handwritten digits, 60,000 + 10,000, 28x28 grey",
    home="http://yann.lecun.com/exdb/mnist/",
    licence="usually stated as CC BY-SA 3.0; the original page states none",
    citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. "
    "Proc. IEEE 86(11), 2278-2324, 1998",
    files=(
        SourceFile(
            name="train-images-idx3-ubyte.gz",
            sha256="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            size_bytes=9_912_422,
        ),
        SourceFile(
            name="train-labels-idx1-ubyte.gz",
            sha256="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            size_bytes=28_881,
        ),
        SourceFile(
            name="t10k-images-idx3-ubyte.gz",
            sha256="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            size_bytes=1_648_877,
        ),
        SourceFile(
            name="t10k-labels-idx1-ubyte.gz",
            sha256="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            size_bytes=4_542,
        ),
    ),
    folders=("mnist", "", "MNIST/raw"),  # the second for a folder of just these files, the third is torchvision's
    urls=("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
    read=_read,
)
