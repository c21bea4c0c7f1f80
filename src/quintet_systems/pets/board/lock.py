"""One process at a time in the state folder; the system frees a lock with its process, however that ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from quintet.errors import StoreError


@contextlib.contextmanager
def only_one(state: Path, file: str | None, held: str) -> Iterator[None]:
    """Hold the lock of `file` in the folder `state`, which is made; None: that of the folder itself, which a full disk allows.

    Raises:
        StoreError: another process holds it, which `held` says in words, or the folder cannot be made or written.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT if file else os.O_RDONLY | os.O_DIRECTORY
        handle = os.open(state / file if file else state, flags, 0o644)
    except OSError as error:
        raise StoreError(
            f"received --state {state} ({error.strerror or error}), expected a folder that this user may write;"
            " choose another"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StoreError(f"received --state {state}, {held}") from None
    finally:
        os.close(handle)
