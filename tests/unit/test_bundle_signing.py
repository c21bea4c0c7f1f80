"""Signing and verifying: each way in which a bundle can differ from what was signed is found and named."""

import json
import os
import resource
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signed_bundle import FILES, NET, VERSION, make_keys, make_signed

from quintet.bundle import (
    PublicKey,
    copy_verified,
    read_bundle,
    read_private_key,
    sign,
    signing,
    verify,
)
from quintet.bundle.manifest import Manifest, ManifestEntry, make_manifest, parse
from quintet.errors import BundleError, NotVerified, StoreError


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


def refused(folder: Path, trusted, at_least: int = 0, copy_to: Path | None = None) -> NotVerified:
    """Return the error with which `verify` and `copy_verified` refuse the bundle, which is one line and leaves nothing."""
    with pytest.raises(NotVerified) as error:
        verify(folder, [trusted], at_least)
    assert "\n" not in str(error.value)
    target = copy_to or folder.parent / "copied"
    with pytest.raises(NotVerified) as again:
        copy_verified(folder, target, [trusted], at_least)
    assert (again.value.reason, again.value.file) == (error.value.reason, error.value.file)
    assert not target.exists()
    assert not list(target.parent.glob(".*.partial"))
    return error.value


def test_what_was_signed_is_verified(signed, public):
    manifest = verify(signed, [public])
    assert [entry.path for entry in manifest.files] == FILES
    assert (manifest.name, manifest.model_version) == ("n", VERSION)
    assert manifest.size_bytes == sum((signed / name).stat().st_size for name in FILES)
    assert verify(signed, [public.raw]) == verify(signed, [public.pem()]) == manifest
    assert signing.signer(signed) == public.fingerprint


def test_one_of_many_trusted_keys_is_enough(signed, public, keys):
    assert verify(signed, [read_private_key(keys[1]).public, public]).model_version == VERSION


def test_a_link_to_the_bundle_is_followed_but_none_in_it(folder, public, tmp_path):
    (tmp_path / "current").symlink_to(folder, target_is_directory=True)
    assert verify(tmp_path / "current", [public]).model_version == VERSION
    outside = tmp_path / "outside"
    outside.write_bytes((folder / "network.json").read_bytes())
    (folder / "network.json").unlink()
    (folder / "network.json").symlink_to(outside)
    found = refused(folder, public)
    assert (found.reason, found.file) == ("unsafe", "network.json")


def test_a_linked_folder_with_the_same_files_is_refused(folder, public, tmp_path):
    (folder / "exports").rename(tmp_path / "moved")
    (folder / "exports").symlink_to(tmp_path / "moved", target_is_directory=True)
    assert (refused(folder, public).reason, refused(folder, public).file) == ("unsafe", "exports")


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sig"])
def test_a_linked_manifest_or_signature_is_refused(folder, public, tmp_path, name):
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    assert (refused(folder, public).reason, refused(folder, public).file) == ("unsafe", name)


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(folder, public):
    (folder / "card.md").unlink()
    os.mkfifo(folder / "card.md")
    assert refused(folder, public).reason == "unsafe"
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    assert refused(folder, public).file == "manifest.json"


def test_unsigned(folder, public):
    (folder / "manifest.sig").unlink()
    found = refused(folder, public)
    assert found.reason == "unsigned"
    assert "quintet bundle sign" in str(found)
    assert signing.signer(folder) is None


def test_signed_by_an_unknown_key(signed, keys, public, tmp_path):
    stranger = read_private_key(keys[1]).public
    found = refused(signed, stranger, copy_to=tmp_path / "copied")
    assert found.reason == "unknown_key"
    assert f"signed by an unknown key {public.fingerprint}" in str(found)
    assert stranger.fingerprint in str(found)


def test_a_strangers_signature_under_a_trusted_fingerprint(folder, keys, public):
    sign(folder, keys[1])
    text = (folder / "manifest.sig").read_text()
    (folder / "manifest.sig").write_text(text.replace(read_private_key(keys[1]).public.fingerprint, public.fingerprint))
    found = refused(folder, public)
    assert (found.reason, found.file) == ("tampered", "manifest.json")


def test_downgraded(signed, public, tmp_path):
    assert verify(signed, [public], at_least=VERSION).model_version == VERSION
    found = refused(signed, public, at_least=VERSION + 1, copy_to=tmp_path / "copied")
    assert found.reason == "downgraded"
    assert f"version {VERSION} < {VERSION + 1}" in str(found)


def test_a_greater_version_cannot_be_written_into_the_manifest(folder, public):
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace(str(VERSION), str(VERSION + 1)))
    assert refused(folder, public).reason == "tampered"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(folder, public, name):
    (folder / name).unlink()
    found = refused(folder, public)
    assert (found.reason, found.file) == ("missing", name)
    assert f"missing {name}" in str(found)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file(folder, public, name):
    size = (folder / name).stat().st_size
    os.truncate(folder / name, size - 3)
    found = refused(folder, public)
    assert (found.reason, found.file) == ("truncated", name)
    assert f"truncated {name} ({size - 3} of {size} bytes)" in str(found)


@pytest.mark.parametrize("name", [*FILES, "manifest.json", "manifest.sig"])
def test_a_file_of_a_tebibyte_is_refused_without_being_read(folder, public, name):
    os.truncate(folder / name, 1 << 40)  # no disk could give it within the test's time
    assert (refused(folder, public).reason, refused(folder, public).file) == ("tampered", name)


@pytest.mark.parametrize("name", ["extra.json", "exports/more.onnx", ".hidden", "a\nb", "manifest.json.1.2.tmp"])
def test_a_file_too_many(folder, public, name):
    (folder / name).write_bytes(b"")
    found = refused(folder, public)
    assert (found.reason, found.file) == ("unlisted", name)
    assert "not listed" in str(found)


def test_an_empty_folder_too_many(folder, public):
    (folder / "empty").mkdir()
    assert (refused(folder, public).reason, refused(folder, public).file) == ("unlisted", "empty/")


def test_thousands_of_files_too_many_end_early(folder, public):
    for number in range(1200):
        (folder / f"{number}.json").touch()
    assert "too many files" in str(refused(folder, public))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_any_file_is_found(folder, public, data):
    name = data.draw(st.sampled_from([*FILES, "manifest.json", "manifest.sig"]))
    whole = (folder / name).read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(1, 255))
    (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ other]) + whole[place + 1 :])
    try:
        found = refused(folder, public)
    finally:
        (folder / name).write_bytes(whole)
    # A changed fingerprint in manifest.sig is that of a key that nobody knows.
    assert found.reason == "tampered" or (name, found.reason) == ("manifest.sig", "unknown_key")
    assert found.file == name or name == "manifest.sig"
    assert verify(folder, [public])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    old=st.sampled_from(FILES), new=st.from_regex(r"[a-z]{1,8}\.(json|md|onnx)", fullmatch=True), inside=st.booleans()
)
def test_any_renamed_file_is_found(folder, public, old, new, inside):
    target = folder / "exports" / new if inside else folder / new
    if target.relative_to(folder).as_posix() in FILES:
        return
    (folder / old).rename(target)
    try:
        assert refused(folder, public).reason == "unlisted"
    finally:
        target.rename(folder / old)
    assert verify(folder, [public])


@settings(max_examples=60, deadline=None)
@given(
    paths=st.lists(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}(/[a-z]{1,3}){0,3}", fullmatch=True), unique_by=str.casefold
    ),
    version=st.integers(0, 2**60),
    name=st.text(max_size=20),
)
def test_a_manifest_comes_back_as_it_was(paths, version, name):
    paths = [path for path in paths if not path.startswith("manifest.")]
    entries = tuple(ManifestEntry(path=path, size=len(path), sha256="0" * 64) for path in paths)
    manifest = Manifest(name=name, model_version=version, files=entries)
    assert parse(manifest.to_bytes()) == manifest


@pytest.mark.parametrize(
    "path",
    ["../evil.json", "/etc/evil.json", "a/../../evil.json", "a//b", "", ".", "a/", "C:evil", "a\\b", "a\nb", "é.json",
     "a/b/c/d/e.json", "manifest.json", "BUNDLE.json"],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused_even_when_a_trusted_key_signed_it(folder, keys, public, path, tmp_path):
    content = (folder / "bundle.json").read_bytes()
    made = make_manifest(folder, "n", 1)
    entry = ManifestEntry(path=path, size=len(content), sha256=made.files[0].sha256)
    crafted = Manifest(name="n", model_version=1, files=(*made.files, entry)).to_bytes()
    key = read_private_key(keys[0])
    (folder / "manifest.json").write_bytes(crafted)
    (folder / "manifest.sig").write_bytes(signing._signature(key.public.fingerprint, key.sign(crafted)))
    before = sorted(p.name for p in tmp_path.iterdir())
    for attempt in (lambda: verify(folder, [public]), lambda: copy_verified(folder, tmp_path / "copied", [public])):
        with pytest.raises(BundleError, match="received a bundle with") as error:
            attempt()
        assert "\n" not in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version 2, expected quintet-manifest, version 1"),
        ({"format": "other"}, "format 'other'"),
        ({"files": None}, "cannot be read"),
        ({"files": [{"path": "a.json", "size": -1, "sha256": "0" * 64}]}, "-1 is no count"),
        ({"files": [{"path": "a.json", "size": 1, "sha256": "0" * 63}]}, "cannot be read"),
        ({"model_version": True}, "True is no count"),
    ],
)
def test_a_manifest_that_is_none(change, words):
    record = {"format": "quintet-manifest", "version": 1, "name": "n", "model_version": 1, "files": []}
    with pytest.raises(BundleError) as error:
        parse(json.dumps(record | change).encode())
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b"\xff\xfe", b"{}"])
def test_a_signature_file_that_is_none(folder, public, content):
    (folder / "manifest.sig").write_bytes(content)
    found = refused(folder, public)
    assert (found.reason, found.file) == ("tampered", "manifest.sig")


def test_nothing_is_verified_without_a_key_to_trust(signed):
    with pytest.raises(BundleError, match="no key to trust"):
        verify(signed, [])


def test_no_folder(tmp_path, public):
    with pytest.raises(BundleError, match="expected a bundle's folder"):
        verify(tmp_path / "nowhere", [public])


# Signing


def test_signing_again_changes_nothing(folder, keys):
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    sign(folder, keys[0])
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


def test_signing_takes_in_what_is_new_and_words_the_card_anew(folder, keys, public):
    (folder / "decision.json").write_text('{"threshold": 0.75}')
    assert refused(folder, public).reason == "unlisted"
    (folder / "card.md").write_text("edited by hand")
    sign(folder, keys[0])
    assert "decision.json" in [entry.path for entry in verify(folder, [public]).files]
    assert "threshold 0.75" in (folder / "card.md").read_text()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("model.pkl", b"\x80\x04", "model.pkl, expected only .json"),
        ("run.py", b"", "run.py"),
        ("exports/lib.so", b"", "exports/lib.so"),
        ("weights.safetensors.12.34.tmp", b"", "half-written"),
        ("reader notes.json", b"{}", "rename it"),
        ("CARD.md", b"", "twice"),
        ("key.json", b"-----BEGIN PRIVATE KEY-----", "private key in key.json"),
    ],
)
def test_what_a_bundle_may_not_hold_is_not_signed(folder, keys, name, content, words):
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError) as error:
        sign(folder, keys[0])
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_private_key_is_never_in_the_bundle(folder, keys):
    shutil.copy2(keys[0], folder / "exports" / "key.pem")
    with pytest.raises(BundleError, match="inside of the bundle"):
        sign(folder, folder / "exports" / "key.pem")


def test_a_damaged_bundle_is_not_signed(folder, keys):
    os.truncate(folder / "weights.safetensors", 100)
    with pytest.raises(BundleError, match="whole bundle files"):
        sign(folder, keys[0])


# Copying


def test_a_verified_copy_is_the_bundle(folder, public, tmp_path):
    (folder / "network.json").chmod(0o755)
    manifest = copy_verified(folder, tmp_path / "new" / "current", [public], at_least=VERSION)
    assert verify(tmp_path / "new" / "current", [public]) == manifest
    assert read_bundle(tmp_path / "new" / "current").net == NET
    files = [p for p in (tmp_path / "new" / "current").rglob("*") if p.is_file()]
    assert not [p for p in files if p.stat().st_mode & 0o111]
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["current"]


def test_a_copy_never_replaces_what_is_there(folder, public, tmp_path):
    (tmp_path / "there").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="expected a new folder"):
        copy_verified(folder, tmp_path / "there", [public])


@pytest.mark.parametrize("change", ["content", "link", "gone"])
def test_a_source_that_changes_between_the_check_and_the_copy_gives_no_copy(
    folder, public, tmp_path, monkeypatch, change
):
    real = signing.check_listing
    victim = folder / "weights.safetensors"

    def then_change(source, manifest):
        real(source, manifest)
        whole = victim.read_bytes()
        victim.unlink()
        if change == "content":
            victim.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        elif change == "link":
            (tmp_path / "same").write_bytes(whole)
            victim.symlink_to(tmp_path / "same")

    monkeypatch.setattr(signing, "check_listing", then_change)
    with pytest.raises(NotVerified) as error:
        copy_verified(folder, tmp_path / "copied", [public])
    assert error.value.reason == {"content": "tampered", "link": "unsafe", "gone": "missing"}[change]
    assert error.value.file == "weights.safetensors"
    assert not (tmp_path / "copied").exists()
    assert not (tmp_path / ".copied.partial").exists()


def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(folder, public, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))  # the weights have 12,000 bytes
    try:
        with pytest.raises(StoreError, match="while copying a bundle") as error:
            copy_verified(folder, tmp_path / "copied", [public])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "copied").exists()
    assert not (tmp_path / ".copied.partial").exists()
