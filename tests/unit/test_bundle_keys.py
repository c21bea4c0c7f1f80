"""Keys: made once, for their owner only, and never shown. The arithmetic is held to RFC 8032's own vectors."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from quintet import machine
from quintet.bundle import PrivateKey, PublicKey, default_key, make_key, read_private_key, read_public_key
from quintet.bundle.keys import public_key, public_path
from quintet.errors import BundleError, StoreError

# RFC 8032, 7.1, TEST 2: secret, public, message, signature
SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
PUBLIC = PublicKey(bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def test_the_signature_is_that_of_rfc_8032():
    key = PrivateKey(Ed25519PrivateKey.from_private_bytes(SECRET))
    assert key.public == PUBLIC
    assert key.sign(b"\x72") == SIGNATURE
    assert PUBLIC.fits(SIGNATURE, b"\x72")


@pytest.mark.parametrize(
    ("signature", "message"),
    [(SIGNATURE, b"\x73"), (SIGNATURE[:-1] + b"\x01", b"\x72"), (SIGNATURE[:-1], b"\x72"), (b"", b"\x72")],
)
def test_another_signature_does_not_fit(signature, message):
    assert not PUBLIC.fits(signature, message)


def test_a_key_is_made_for_its_owner_only_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        made = make_key(tmp_path / "config" / "my.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "config" / "my.pem").stat().st_mode) == 0o600
    assert sorted(p.name for p in (tmp_path / "config").iterdir()) == ["my.pem", "my.pub"]
    assert read_public_key(tmp_path / "config" / "my.pub") == made.public
    assert read_private_key(tmp_path / "config" / "my.pem").public == made.public


def test_a_key_is_made_once_and_its_public_half_again_when_it_is_lost(tmp_path):
    made = make_key(tmp_path / "my.pem")
    content = (tmp_path / "my.pem").read_bytes()
    (tmp_path / "my.pub").unlink()
    assert make_key(tmp_path / "my.pem").public == made.public
    assert (tmp_path / "my.pem").read_bytes() == content
    assert read_public_key(tmp_path / "my.pub") == made.public


def test_two_keys_differ(tmp_path):
    assert make_key(tmp_path / "a.pem").public != make_key(tmp_path / "b.pem").public


def test_who_comes_second_takes_the_key_of_the_first(tmp_path, monkeypatch):
    first = make_key(tmp_path / "first.pem")
    real = os.link

    def late(source, target):
        Path(target).write_bytes((tmp_path / "first.pem").read_bytes())
        Path(target).chmod(0o600)
        real(source, target)

    monkeypatch.setattr(os, "link", late)
    assert make_key(tmp_path / "my.pem").public == first.public
    assert not list(tmp_path.glob(".*"))


def test_processes_that_make_the_key_at_once_agree(tmp_path):
    code = "import sys; from pathlib import Path; from quintet.bundle import make_key;" \
           " print(make_key(Path(sys.argv[1])).public.fingerprint)"  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "my.pem")], stdout=subprocess.PIPE, env=environment
        )
        for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in started}) == 1
    assert {process.returncode for process in started} == {0}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_private_key_that_others_may_read_is_refused(tmp_path, mode):
    make_key(tmp_path / "my.pem")
    (tmp_path / "my.pem").chmod(mode)
    with pytest.raises(BundleError, match=f"others may read \\(mode {mode:o}\\).*chmod 600"):
        read_private_key(tmp_path / "my.pem")


def test_what_is_no_private_key_is_refused_and_nothing_of_it_is_told(tmp_path):
    key = Ed25519PrivateKey.from_private_bytes(SECRET)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    rsa = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", pem[:-40], locked, rsa, PUBLIC.pem(), b"\x00" * 10_000):
        path = tmp_path / "odd.pem"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(BundleError, match="Ed25519 private key") as error:
            make_key(path)  # never made over what is there
        assert path.read_bytes() == content
        assert "\n" not in str(error.value)
        assert not any(line in str(error.value) for line in content.decode("latin-1").split("\n") if line)


def test_a_private_key_does_not_show_itself(tmp_path):
    key = PrivateKey(Ed25519PrivateKey.from_private_bytes(SECRET))
    assert repr(key) == f"PrivateKey(fingerprint={PUBLIC.fingerprint})"
    assert SECRET.hex() not in repr(key)


@pytest.mark.parametrize("content", [b"", b"ssh-ed25519 AAAA", b"\x00" * 31, b"\x00" * 33])
def test_what_is_no_public_key_is_refused(tmp_path, content):
    (tmp_path / "who.pub").write_bytes(content)
    with pytest.raises(BundleError, match=r"who\.pub, expected an Ed25519 public key"):
        read_public_key(tmp_path / "who.pub")


def test_a_missing_key_says_what_to_type(tmp_path):
    for read in (read_private_key, read_public_key):
        with pytest.raises(BundleError, match="quintet bundle key"):
            read(tmp_path / "none")


def test_a_public_key_in_each_form(tmp_path):
    assert public_key(PUBLIC.raw) == public_key(PUBLIC.pem()) == public_key(PUBLIC) == PUBLIC
    assert PUBLIC.pem().startswith(b"-----BEGIN PUBLIC KEY-----")
    assert len(PUBLIC.fingerprint) == 64


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="while writing the key") as error:
        make_key(tmp_path / "file" / "my.pem")
    assert "\n" not in str(error.value)


def test_where_the_users_key_is(monkeypatch, tmp_path):
    monkeypatch.setenv("QUINTET_CONFIG", str(tmp_path))
    assert default_key() == tmp_path / "signing-key.pem"
    assert public_path(default_key()) == tmp_path / "signing-key.pub"
    monkeypatch.delenv("QUINTET_CONFIG")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
        assert machine.config_folder() == tmp_path / "xdg" / "quintet"
        monkeypatch.delenv("XDG_CONFIG_HOME")
        assert machine.config_folder() == Path.home() / ".config" / "quintet"
