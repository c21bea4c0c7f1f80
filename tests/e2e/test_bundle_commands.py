"""`quintet bundle …` and `quintet judge` on a model that the program itself has trained."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    done = subprocess.run(
        [
            sys.executable, "-c", "from quintet.cli import main; main()", "train", "digits", "--library", "reference",
            "--seeds", "1", "--epochs", "2", "--threads", "1", "--data", "digits8x8", "--out", str(folder),
        ],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "bundle"


@pytest.fixture
def model(trained, tmp_path) -> Path:
    shutil.copytree(trained, tmp_path / "model")
    return Path("model")


def test_from_an_unsigned_bundle_to_one_that_a_device_trusts(quintet, model, tmp_path):
    shown = json.loads(quintet("bundle", "show", "model", "--json").out)
    assert shown["signature"]["signed_by"] is None
    assert shown["signature"]["message"].startswith("unsigned")
    signed = json.loads(quintet("bundle", "sign", "model", "--json").out)
    assert signed["files"] == 6
    made = json.loads(quintet("bundle", "key", "--json").out)
    assert (made["fingerprint"], made["made"]) == (signed["key"], False)
    assert Path(made["private"]).stat().st_mode & 0o777 == 0o600
    assert Path(made["private"]).is_relative_to(tmp_path / "config")
    said = quintet("bundle", "verify", "model")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("verified: digits-survey, version ")
    shutil.copy(made["public"], "device.pub")
    verified = quintet(
        "bundle", "verify", "model", "--trust", "device.pub", "--at-least", str(signed["model_version"]), "--json"
    )
    assert verified.code == 0
    assert json.loads(verified.out)["bytes"] == signed["bytes"]
    shown = json.loads(quintet("bundle", "show", "model", "--json").out)
    assert shown["signature"] == {
        "signed_by": signed["key"], "verified": True, "reason": None, "message": f"verified, signed by {signed['key']}",
    }  # fmt: skip
    text = quintet("bundle", "show", "model").out
    for one in shown["files"]:
        assert one["sha256"] in text
    assert "accuracy, this model" in text
    assert "500 test samples" in text


@pytest.mark.parametrize(
    ("damage", "reason", "words"),
    [
        (lambda m: (m / "manifest.sig").unlink(), "unsigned", "unsigned"),
        (lambda m: (m / "reader.json").write_text("{}"), "truncated", "truncated reader.json (2 of "),
        (lambda m: (m / "reader.json").unlink(), "missing", "missing reader.json"),
        (lambda m: (m / "more.json").touch(), "unlisted", "not listed more.json"),
    ],
)
def test_what_is_wrong_is_named_with_exit_code_1(quintet, model, damage, reason, words):
    assert quintet("bundle", "sign", "model").code == 0
    damage(model)
    said = quintet("bundle", "verify", "model")
    assert said.code == 1
    assert said.out.startswith("NOT verified: ")
    assert words in said.out
    assert said.err == ""
    assert json.loads(quintet("bundle", "verify", "model", "--json").out)["reason"] == reason


def test_an_older_model_and_anothers_key(quintet, model):
    key = json.loads(quintet("bundle", "key", "factory.pem", "--json").out)
    assert key["made"]
    version = json.loads(quintet("bundle", "sign", "model", "--key", "factory.pem", "--json").out)["model_version"]
    assert quintet("bundle", "verify", "model", "--trust", "factory.pub").code == 0
    older = quintet("bundle", "verify", "model", "--trust", "factory.pub", "--at-least", str(version + 1))
    assert older.code == 1
    assert f"downgraded (version {version} < {version + 1})" in older.out
    quintet("bundle", "key")
    strange = quintet("bundle", "verify", "model")
    assert strange.code == 1
    assert f"unknown key {key['fingerprint']}" in strange.out
    assert quintet("bundle", "verify", "model", "--trust", "config/signing-key.pub", "--trust", "factory.pub").code == 0


def test_a_key_that_is_named_is_not_made_by_signing(quintet, model):
    said = quintet("bundle", "sign", "model", "--key", "none.pem")
    assert said.code == 2
    assert "quintet bundle key" in said.err
    assert not Path("none.pem").exists()


def test_a_bundle_judged_again_keeps_its_word_or_is_found_out(quintet, model):
    said = quintet("judge", "model")
    assert said.code == 0, said.err
    assert "500 test samples of digits8x8" in said.out
    found = json.loads(quintet("judge", "model", "--json").out)
    assert (found["holds"], found["same_data"], found["n"]) == (True, True, 500)
    card = json.loads((model / "bundle.json").read_text())
    (model / "bundle.json").write_text(json.dumps(card | {"own_test_accuracy": 0.999}))
    said = quintet("judge", "model")
    assert said.code == 1
    assert "NOT what the bundle says, 99.90 %" in said.out
    assert quintet("judge", "model", "--tolerance", "1").code == 0


def test_a_bundle_of_version_1_is_refused_with_what_to_do(quintet, model):
    card = json.loads((model / "bundle.json").read_text())
    (model / "bundle.json").write_text(json.dumps(card | {"version": 1}))
    for command in (("judge", "model"), ("bundle", "sign", "model"), ("bundle", "show", "model")):
        said = quintet(*command)
        assert said.code == 2
        assert "of version 1, expected a bundle of version 2; train it again" in said.err
        assert len(said.err.splitlines()) == 1
