"""`exports/exports.json`: each export with the figures by which it was kept or refused.

Format history
    1   2026-11: {"format": "quintet-exports", "version": 1, "weights_sha256", "exports": {"litert-int8": {…Export}}}
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quintet.errors import BundleError
from quintet.job import write_whole
from quintet.statistics import Interval

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """One export as it was judged.

    Args:
        files: what it consists of, in `exports/`; empty where it was refused.
        accuracy: of the export, with its own runtime, on the `n` samples; `reference_accuracy`: of the network itself
            in float32 on the same samples.
        difference: `accuracy - reference_accuracy`, with its paired `interval` (Bonett and Price 2012).
        agreement: the share of samples on which both give the same answer.
        margin: how much worse it might be; `shown`: whether the interval rules out that it is worse than that.
    """

    target: str
    runtime: str
    precision: str
    kept: bool
    files: tuple[str, ...]
    size_bytes: int
    n: int
    accuracy: float
    reference_accuracy: float
    difference: float
    interval: Interval
    agreement: float
    margin: float
    shown: bool

    @property
    def name(self) -> str:
        """How the export is called: "litert-int8"."""
        return f"{self.target}-{self.precision}"


def read_exports(folder: Path) -> dict[str, Any]:
    """Return the exports of the bundle in `folder` by name, as plain records; empty where there are none.

    Exports of other weights than those in the bundle are not returned.

    Raises:
        BundleError: the file is damaged or of another version.
    """
    path = folder / "exports" / "exports.json"
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text())
        exports = dict(record["exports"])
        known = record["format"] == "quintet-exports" and record["version"] == VERSION
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"received {path}, expected a whole record of exports ({error!r}); export again") from None
    if not known:
        raise BundleError(
            f"received {path} of version {record['version']}, expected version {VERSION}; remove it and export again"
        )
    return exports if record.get("weights_sha256") == weights_hash(folder) else {}


def write_exports(folder: Path, exports: Sequence[Export]) -> None:
    """Add `exports` to the record of the bundle in `folder`; those of the same name are replaced."""
    merged = read_exports(folder) | {export.name: asdict(export) for export in exports}
    record = {
        "format": "quintet-exports",
        "version": VERSION,
        "weights_sha256": weights_hash(folder),
        "exports": dict(sorted(merged.items())),
    }
    write_whole(folder / "exports" / "exports.json", json.dumps(record, indent=1).encode())


def weights_hash(folder: Path) -> str:
    """Return the SHA-256 of the bundle's weights: what an export was made of."""
    return hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
