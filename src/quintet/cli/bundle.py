"""`quintet bundle key|sign|verify|show`: a trained model's folder, and whose word stands for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quintet.cli.show import AsJson, print_json

if TYPE_CHECKING:
    from quintet.bundle import PublicKey

bundle = typer.Typer(help="A trained model's folder: sign it, verify it, see what is in it.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="A trained model's folder.")]
Trust = Annotated[
    list[Path] | None, typer.Option(help="A public key to trust (FILE.pub); may be repeated; default: your own.")
]


def mount(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(bundle, name="bundle")


@bundle.command()
def key(
    file: Annotated[
        Path | None, typer.Argument(help="The private key's file; default: signing-key.pem in your config folder.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Show the signing key in FILE, made now where there is none; its public half is written beside it, for devices."""
    from quintet.bundle import default_key, make_key
    from quintet.bundle.keys import public_path

    path = file or default_key()
    made = not path.exists()
    public = make_key(path).public
    record = {"fingerprint": public.fingerprint, "public": str(public_path(path)), "private": str(path), "made": made}
    if json:
        print_json(record)
        return
    print(f"fingerprint  {public.fingerprint}")
    print(f"public key   {public_path(path)}  (for those who are to trust you)")
    print(f"private key  {path}  ({'made now; ' if made else ''}keep it to yourself)")


@bundle.command()
def sign(
    folder: Folder,
    key: Annotated[
        Path | None, typer.Option(help="The private key's file; default: your own, made now where there is none.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Write the model card anew, list every file of FOLDER with its hash, and sign the list."""
    from quintet import bundle as bundles
    from quintet.bundle.keys import public_path

    bundles.read_bundle(folder)  # no key is made for a folder that is no bundle
    path = key or bundles.default_key()
    signing = bundles.read_private_key(path) if key else bundles.make_key(path)
    manifest = bundles.sign(folder, path)
    record = {
        "folder": str(folder), "name": manifest.name, "model_version": manifest.model_version,
        "files": len(manifest.files), "bytes": manifest.size_bytes, "key": signing.public.fingerprint,
        "public": str(public_path(path)),
    }  # fmt: skip
    if json:
        print_json(record)
        return
    print(f"signed {folder}: {manifest.name}, version {manifest.model_version}, {len(manifest.files)} files")
    print(f"key {record['key']}; who is to trust it needs {record['public']}")


@bundle.command()
def verify(
    folder: Folder,
    trust: Trust = None,
    at_least: Annotated[int, typer.Option(help="The least model version that is accepted.")] = 0,
    json: AsJson = False,
) -> None:
    """Tell whether FOLDER is, to the byte, what the owner of a trusted key signed; exit code 1 when it is not."""
    from quintet import bundle as bundles
    from quintet.errors import NotVerified

    try:
        manifest = bundles.verify(folder, trusted(trust), at_least)
    except NotVerified as refused:
        if json:
            print_json(
                {"verified": False, "reason": refused.reason, "file": refused.file or None, "message": str(refused)}
            )
        else:
            print(f"NOT verified: {refused}")
        raise typer.Exit(1) from None
    if json:
        print_json({"verified": True, "name": manifest.name, "model_version": manifest.model_version,
                    "files": len(manifest.files), "bytes": manifest.size_bytes})  # fmt: skip
    else:
        print(
            f"verified: {manifest.name}, version {manifest.model_version}, {len(manifest.files)} files as they were signed"
        )


@bundle.command()
def show(folder: Folder, trust: Trust = None, json: AsJson = False) -> None:
    """Show a bundle's figures, files with sizes and hashes, and whether its signature holds."""
    record = described(folder, trust)
    if json:
        print_json(record)
        return
    from rich.console import Console
    from rich.table import Table

    from quintet.bundle.manifest import shown as printable
    from quintet.metrics import METRICS

    console = Console(markup=False, highlight=False, soft_wrap=True)
    labels = ", ".join(printable(label) for label in record["labels"])
    console.print(f"{printable(record['name'])}, version {record['model_version']}: {labels}")
    console.print(f"signature: {record['signature']['message']}")
    figures = Table("figure", "value", "95 % interval", "n")
    for name, label, value, span, n in _figures(record):
        show, bounds = METRICS[name].show, span or {}
        known = bounds.get("low") is not None and bounds.get("high") is not None
        figures.add_row(label, show(value), f"{show(bounds['low'])} to {show(bounds['high'])}" if known else "none", n)
    console.print(figures)
    for one in record["files"]:  # not a table: a hash that is cut off is none
        print(f"{one['sha256']}  {one['size']:>13,} bytes  {one['path']}")
    print(f"{len(record['files'])} files, {record['bytes']:,} bytes together")


def described(folder: Path, trust: list[Path] | None) -> dict[str, Any]:
    """Return what `show` shows. The hashes are those of the files as they are now."""
    from dataclasses import asdict

    from quintet import bundle as bundles
    from quintet.bundle.manifest import make_manifest
    from quintet.bundle.signing import signer
    from quintet.errors import BundleError, NotVerified

    card = bundles.read_bundle(folder).card
    found = make_manifest(folder, str(card["name"]), card["model_version"])
    who = signer(folder)
    signature: dict[str, Any] = {"signed_by": who, "verified": False, "reason": None}
    try:
        bundles.verify(folder, trusted(trust))
        signature |= {"verified": True, "message": f"verified, signed by {who}"}
    except NotVerified as refused:
        signature |= {"reason": refused.reason, "message": str(refused)}
    except BundleError as error:  # no key to trust here
        signature |= {
            "reason": "no_key",
            "message": f"{f'signed by {who}, not checked' if who else 'unsigned'}: {error}",
        }
    wanted = (
        "labels",
        "figures",
        "own_test_accuracy",
        "own_test_n",
        "own_test_interval",
        "data",
        "library",
        "versions",
    )
    return {
        "folder": str(folder),
        "name": found.name,
        "model_version": found.model_version,
        "signature": signature,
        **{key: card.get(key) for key in wanted},
        "files": [asdict(entry) for entry in found.files],
        "bytes": found.size_bytes,
    }


def trusted(files: list[Path] | None) -> "list[PublicKey]":
    """Return the public keys in `files`, or this user's own."""
    from quintet.bundle import default_key, read_public_key
    from quintet.bundle.keys import public_path

    return [read_public_key(path) for path in files or [public_path(default_key())]]


def _figures(record: dict[str, Any]) -> list[tuple[str, str, Any, Any, str]]:
    from quintet.metrics import METRICS

    own, span, n = (record[key] for key in ("own_test_accuracy", "own_test_interval", "own_test_n"))
    over_seeds = [
        (name, METRICS[name].label, summary.get("mean"), summary.get("interval"), f"{summary.get('n')} seeds")
        for name, summary in (record["figures"] or {}).items()
        if name in METRICS
    ]
    return [("accuracy", "accuracy, this model", own, span, f"{n} test samples"), *over_seeds]
