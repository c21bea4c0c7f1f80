"""Who vouches for a bundle: Ed25519 over manifest.json's bytes, which name every file with its hash.

Rules
* The signature is checked before anything else is read; what it covers is parsed after that.
* The signer's fingerprint in manifest.sig is a hint as to which trusted key to try, never a reason to trust.
* A kill while signing leaves the old signature, none, or the new one; a signature is never beside files it is not of
  through our doing. Temporary files lie beside the folder, not in it, as a bundle has no file that is not listed.
* To use what was verified, copy it (`copy_verified`): a folder that others can write may change after the check.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from quintet.bundle.keys import PublicKey, public_keys, read_private_key
from quintet.bundle.manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    SIGNATURE,
    Manifest,
    check_listing,
    make_manifest,
    opened,
    parse,
    read_checked,
    read_piece,
    refusal,
    shown,
)
from quintet.errors import BundleError, NotVerified, StoreError

VERSION = 1
MAX_SIGNATURE_BYTES = 4096


def sign(folder: Path, private_key_path: Path) -> Manifest:
    """Write card.md, manifest.json and manifest.sig for what is in `folder` now, and return the manifest.

    Signing again what has not changed changes nothing.

    Raises:
        BundleError: it is no whole bundle, holds what a bundle may not, or the key cannot be used or lies in it.
        StoreError: the folder cannot be written.
    """
    from quintet.bundle.folder import read_bundle
    from quintet.bundle.model_card import render_card

    key = read_private_key(private_key_path)
    if private_key_path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(
            f"received the private key {private_key_path} inside of the bundle, expected it elsewhere; move it out, and"
            " make another if the bundle was handed on"
        )
    card = read_bundle(folder).card
    _put(folder, "card.md", render_card(folder), retract=True)
    manifest = make_manifest(folder, str(card.get("name")), card["model_version"])
    content = manifest.to_bytes()
    _put(folder, MANIFEST, content, retract=True)
    _put(folder, SIGNATURE, _signature(key.public.fingerprint, key.sign(content)))
    return verify(folder, [key.public])


def verify(folder: Path, trusted: Sequence[PublicKey | bytes], at_least: int = 0) -> Manifest:
    """Return the manifest of a bundle that is, to the byte, what the owner of a trusted key signed.

    Args:
        trusted: public keys: PublicKey, their 32 bytes, or their PEM form.
        at_least: the least `model_version` that is accepted.

    Raises:
        NotVerified: unsigned, signed by another key, downgraded, or not as it was signed; it names the file.
        BundleError: there is no folder, or no key to trust.
    """
    manifest, _, _ = _signed(folder, trusted, at_least)
    check_listing(folder, manifest)
    for entry in manifest.files:
        read_checked(folder, entry)
    return manifest


def copy_verified(source: Path, target: Path, trusted: Sequence[PublicKey | bytes], at_least: int = 0) -> Manifest:
    """Copy the bundle `source` to the new folder `target`, hashing the very bytes that are written there.

    What is in `target` at the end was signed, whatever happened to `source` meanwhile. Files and folders are flushed to the
    disk before `target` appears, so a power cut leaves it whole or absent; what it leaves else (`.NAME.partial` beside it)
    the next copy to the same target removes. One copy to a target at a time.

    Raises:
        NotVerified, BundleError: as `verify`; or `target` exists already.
        StoreError: the disk is full or the folder cannot be written.
    """
    if os.path.lexists(target):
        raise BundleError(f"received {target}, which exists, expected a new folder; choose another name")
    manifest, content, signature = _signed(source, trusted, at_least)
    check_listing(source, manifest)
    partial = target.with_name(f".{target.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            for entry in manifest.files:
                path = partial / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                with _flushed(path) as sink:
                    read_checked(source, entry, sink)
            for name, whole in ((MANIFEST, content), (SIGNATURE, signature)):
                with _flushed(partial / name) as sink:
                    sink(whole)
            for place in (*(p for p in partial.rglob("*") if p.is_dir()), partial):
                flush_folder(place)
            partial.rename(target)
            flush_folder(target.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise StoreError(
            f"received {error.strerror or error} while copying a bundle to {target}, expected a folder with room that this"
            " user may write; free some space or choose another folder"
        ) from error
    return manifest


def signer(folder: Path) -> str | None:
    """Return the fingerprint that manifest.sig names, unchecked; None where the bundle is unsigned."""
    try:
        return _read_signature(folder)[0]
    except NotVerified:
        return None


def flush_folder(folder: Path) -> None:
    """Make names made or changed in `folder` outlast a power cut."""
    if os.name == "posix":  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _signed(folder: Path, trusted: Sequence[PublicKey | bytes], at_least: int) -> tuple[Manifest, bytes, bytes]:
    """Return the manifest whose signature is a trusted key's, with the bytes of manifest.json and manifest.sig."""
    keys = public_keys(trusted)
    if not folder.is_dir():
        raise BundleError(f"received {folder}, expected a bundle's folder; check the path")
    fingerprint, signature, raw = _read_signature(folder)
    content = _bounded(folder, MANIFEST, MAX_MANIFEST_BYTES)
    key = next((key for key in keys if key.fingerprint == fingerprint), None)
    if key is None:
        known = ", ".join(key.fingerprint for key in keys)
        raise NotVerified(
            f"received {folder} signed by an unknown key {fingerprint}, expected one of {known};"
            " trust it only if you know whose it is: --trust FILE.pub",
            reason="unknown_key",
        )
    if not key.fits(signature, content):
        what = (
            f"its signature is not that of key {fingerprint}, expected the file as it was signed; copy the bundle again"
        )
        raise refusal(folder, "tampered", MANIFEST, "tampered file {file}", what, joint=": ")
    manifest = parse(content)
    if manifest.model_version < at_least:
        raise NotVerified(
            f"received {folder} downgraded (version {manifest.model_version} < {at_least}), expected version {at_least} or"
            " newer; take a newer bundle",
            reason="downgraded",
        )
    return manifest, content, raw


def _read_signature(folder: Path) -> tuple[str, bytes, bytes]:
    """Return the fingerprint and the signature in manifest.sig, and the file's bytes."""
    if not os.path.lexists(folder / SIGNATURE):
        raise NotVerified(
            f"received {folder}, which is unsigned (no {SIGNATURE}), expected a signed bundle;"
            f" its maker signs it with: quintet bundle sign {folder}",
            reason="unsigned",
        )
    raw = _bounded(folder, SIGNATURE, MAX_SIGNATURE_BYTES)
    try:
        record = json.loads(raw)
        form = (record["format"], record["version"], record["algorithm"])
        fingerprint, signature = record["key"], bytes.fromhex(record["signature"])
        # One way to write it, so that a file that differs in a byte is another file.
        whole = form == ("quintet-signature", VERSION, "ed25519") and raw == _signature(fingerprint, signature)
    except (ValueError, KeyError, TypeError, RecursionError):
        whole, fingerprint, signature = False, "", b""
    if not whole:
        what = f"not a signature of version {VERSION}, expected one by Quintet; copy the bundle again"
        raise refusal(folder, "tampered", SIGNATURE, "tampered file {file}", what, joint=": ")
    return shown(fingerprint), signature, raw


def _signature(fingerprint: str, signature: bytes) -> bytes:
    """Return manifest.sig's content."""
    head = {"format": "quintet-signature", "version": VERSION, "algorithm": "ed25519"}
    return json.dumps({**head, "key": fingerprint, "signature": signature.hex()}, indent=1).encode()


def _bounded(folder: Path, name: str, most: int) -> bytes:
    with opened(folder, name) as file:
        content = read_piece(folder, name, file, most + 1)
    if len(content) > most:
        what = f"tampered file {{file}} (more than {most} bytes)"
        raise refusal(folder, "tampered", name, what, "at most that many; copy the bundle again")
    return content


def _put(folder: Path, name: str, content: bytes, retract: bool = False) -> None:
    """Make `name` hold `content`, whole or as before; `retract` takes the signature away before a change."""
    path = folder / name
    with contextlib.suppress(OSError):
        if path.read_bytes() == content and not path.is_symlink():
            return
    temporary = folder.resolve().with_name(f".{folder.resolve().name}.{name}.{os.getpid()}.tmp")
    try:
        if retract:
            (folder / SIGNATURE).unlink(missing_ok=True)
        try:
            with _flushed(temporary) as sink:
                sink(content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(folder)
    except OSError as error:
        raise StoreError(
            f"received {error.strerror or error} while writing {path}, expected a bundle that this user may write, in a folder"
            " with room that this user may write too; free some space or copy the bundle elsewhere"
        ) from error


@contextlib.contextmanager
def _flushed(path: Path) -> Iterator[Callable[[bytes], int]]:
    """Give the `write` of a new file that is on the disk at the end."""
    with path.open("wb") as file:
        yield file.write
        file.flush()
        os.fsync(file.fileno())
