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


def test_the_bundle_package_offers_these():
    import quintet.bundle

    assert quintet.bundle.__all__ == [
        "VERSION", "Bundle", "Manifest", "ManifestEntry", "PrivateKey", "PublicKey", "copy_verified", "default_key",
        "make_key", "read_bundle", "read_private_key", "read_public_key", "sign", "verify", "write_bundle", "write_card",
    ]  # fmt: skip
    for name in quintet.bundle.__all__:
        assert getattr(quintet.bundle, name) is not None
    with pytest.raises(AttributeError, match="'verifi'"):
        quintet.bundle.verifi  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]
