"""Installing a bundle: verified while it is copied, tested on this board, then swapped in by one rename.

The loop that runs sees the change within a second, opens the new bundle on probation, and returns to the old one by itself
when the first minutes go badly. A power cut at any moment leaves the old bundle or the new one, each whole.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quintet.errors import BundleError, StoreError
from quintet_systems.pets.board.lock import only_one
from quintet_systems.pets.board.self_test import SelfTest, run_self_test
from quintet_systems.pets.board.slots import Slots, manifest_hash, version


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What an update did. `on_probation` is False for the first bundle: there is nothing to return to."""

    slot: str
    model_version: int
    test: SelfTest
    on_probation: bool


def update(
    bundle: Path,
    state: Path,
    trust: Sequence[Path],
    *,
    runtime: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    again: bool = False,
) -> Installed:
    """Install `bundle` in the slots of `state`.

    Args:
        trust: PEM files of the public keys that may have signed it.
        again: take it also where this very bundle was refused here before.

    Raises:
        BundleError: it is tampered with, truncated, signed by another key, older than what has proved itself, refused
            here before, or it fails the self-test. What runs goes on running.
        StoreError: the disk is full, or another update runs.
    """
    from quintet.bundle import copy_verified, read_public_key

    keys = [read_public_key(path) for path in trust]
    with only_one(state, "update.lock", "where another update runs; wait for its end"):
        slots = Slots(state)
        _check_refused(bundle, slots, again)
        slot = slots.free()
        target = slots.path(slot)
        current = slots.current
        at_least = max(slots.floor, version(slots.path(current)) if current else 0)
        manifest = copy_verified(bundle, target, keys, at_least)
        try:
            test = run_self_test(target, runtime, precision, threads)
        except BundleError:
            shutil.rmtree(target, ignore_errors=True)
            raise
        try:
            slots.run(slot)
        except OSError as error:
            raise StoreError(
                f"received {error.strerror or error} while changing to the new bundle, expected room in {state}; free some space"
            ) from None
        return Installed(slot=slot, model_version=manifest.model_version, test=test, on_probation=slots.on_probation)


def rollback(state: Path, why: str = "rolled back by hand") -> str:
    """Return to the last good bundle, or, where that runs, to the one before it; return the slot that runs now.

    Raises:
        BundleError: there is no other.
    """
    with only_one(state, "update.lock", "where another update runs; wait for its end"):
        slots = Slots(state)
        slot = slots.refuse(why) if slots.on_probation else slots.fall_back(why)
        if slot is None:
            raise BundleError(
                f"received --state {state} without another bundle to return to; install one: quintet pets update"
            )
        return slot


def _check_refused(bundle: Path, slots: Slots, again: bool) -> None:
    mine = manifest_hash(bundle)
    for refusal in reversed(slots.refusals()):
        if mine and refusal.get("manifest") == mine and not again:
            raise BundleError(
                f"received {bundle}, which was refused here before ({refusal.get('why')}), expected another; take a newer one,"
                " or add --again"
            )
