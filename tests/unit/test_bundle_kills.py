"""A process that ends at any change of the disk, while it signs or copies a bundle, leaves the old state or the new one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from signed_bundle import FILES, make_keys, make_signed

from quintet.bundle import PublicKey, read_private_key, sign, verify
from quintet.errors import NotVerified


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> tuple[Path, Path]:
    """Return two private keys: the signer's, and a stranger's."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def public(keys) -> PublicKey:
    return read_private_key(keys[0]).public


@pytest.fixture(scope="module")
def signed(keys, tmp_path_factory) -> Path:
    """Return a signed bundle, which nobody changes."""
    return make_signed(tmp_path_factory.mktemp("signed") / "bundle", keys[0])


@pytest.fixture
def folder(signed, tmp_path) -> Path:
    """Return a copy of the signed bundle, to be damaged."""
    return Path(shutil.copytree(signed, tmp_path / "bundle"))


DIES = """
import os, sys
from pathlib import Path
from quintet.bundle import PublicKey, copy_verified, sign

left = int(sys.argv[1])

def deadly(real):
    def call(*arguments, **named):
        global left
        if left == 0:
            os._exit(9)  # as by a power cut: nothing is cleaned up
        left -= 1
        return real(*arguments, **named)
    return call

os.fsync = deadly(os.fsync)
for name in ("replace", "rename", "mkdir", "unlink"):
    setattr(Path, name, deadly(getattr(Path, name)))
"""


def die_after(steps: int, code: str, *arguments: str) -> bool:
    """Run `code` in a process that ends at once after `steps` changes of the disk; tell whether it did."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", DIES + code, str(steps), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode in (0, 9), done.stderr
    return done.returncode == 9


def test_a_kill_while_another_signs_leaves_the_old_signature_or_the_new_one(folder, keys, public):
    other = read_private_key(keys[1]).public
    steps = 0
    while die_after(steps, "sign(Path(sys.argv[2]), Path(sys.argv[3]))", str(folder), str(keys[1])):
        assert verify(folder, [public, other])
        steps += 1
        assert steps < 50
    assert steps >= 2
    assert verify(folder, [other])


def outcome(folder: Path, public: PublicKey) -> str:
    try:
        verify(folder, [public])
    except NotVerified as found:
        return f"{found.reason} {found.file}".strip()
    return "verified"


def test_a_kill_while_a_changed_bundle_is_signed_leaves_no_false_signature(signed, keys, public, tmp_path):
    steps, outcomes = 0, []
    while True:
        folder = Path(shutil.copytree(signed, tmp_path / str(steps) / "bundle"))
        (folder / "exports" / "exports.json").write_text('{"exports": {}, "n": 20}')
        if not die_after(steps, "sign(Path(sys.argv[2]), Path(sys.argv[3]))", str(folder), str(keys[0])):
            break
        outcomes.append(outcome(folder, public))
        sign(folder, keys[0])  # whatever was left, signing again makes it whole
        assert verify(folder, [public])
        steps += 1
    assert list(dict.fromkeys(outcomes)) == ["tampered exports/exports.json", "unsigned", "verified"]  # old, none, new
    assert verify(folder, [public])


def test_a_kill_while_copying_leaves_a_whole_bundle_or_none(folder, public, tmp_path):
    target = tmp_path / "board" / "new"
    code = "copy_verified(Path(sys.argv[2]), Path(sys.argv[3]), [PublicKey(bytes.fromhex(sys.argv[4]))])"
    steps = 0
    while die_after(steps, code, str(folder), str(target), public.raw.hex()):
        if target.exists():
            assert verify(target, [public])
            shutil.rmtree(target)
        steps += 1
    assert steps >= len(FILES) + 2
    assert verify(target, [public])
    assert [p.name for p in target.parent.iterdir()] == ["new"]  # what earlier kills left is gone
