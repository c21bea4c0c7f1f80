"""Pets: from a folder of labelled photos to a supervised small board; the survey's system C, cats and dogs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quintet_systems.pets.system import SYSTEM

__all__ = ["SYSTEM"]


def __getattr__(name: str) -> Any:
    """Load the system when it is asked for: a board runs `quintet_systems.pets.board` without it."""
    if name != "SYSTEM":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from quintet_systems.pets.system import SYSTEM

    return SYSTEM
