"""What `import quintet` offers."""

import subprocess
import sys

import pytest

import quintet

NAMES = [
    "SGD", "Activation", "Adam", "AdamW", "Adversarial", "AveragePool", "BatchNorm", "BinaryCrossEntropy", "Bundle",
    "BundleError", "Claim", "Conv", "CosineMargin", "DataError", "Dense", "Dropout", "EnvironmentUnavailable", "Flatten",
    "GlobalAveragePool", "MaxPool", "MeanSquaredError", "Net", "NetworkError", "Normalise", "Prepared", "QuintetError",
    "Recipe", "RecommendationError", "Rescale", "Residual", "SoftmaxCrossEntropy", "Store", "StoreError", "Study",
    "StudyError", "StudyResult", "System", "analyse", "make_study", "read_bundle", "read_study", "run_study",
    "write_bundle",
]  # fmt: skip


def test_the_exported_names_are_these():
    assert quintet.__all__ == NAMES
    assert set(NAMES) <= set(dir(quintet))


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_there_and_called_so(name):
    assert getattr(quintet, name).__name__ == name


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'Nett'"):
        quintet.Nett  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_modules_are_still_reached_by_their_names():
    code = "import quintet; from quintet import Study; import quintet.study; assert quintet.study.Study is Study"
    subprocess.run([sys.executable, "-c", code], check=True)
