"""Where each library lives: its Python and its state on this machine. The current libraries share Quintet's own.

Finding out never imports a library: only its distribution's metadata is read.
"""

import importlib.metadata
import sys
from dataclasses import dataclass

from quintet.errors import EnvironmentUnavailable, StudyError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A library as the user names it, the distributions it stands on, and how to get it."""

    name: str
    distributions: tuple[tuple[str, ...], ...]
    install: str

    @property
    def how_to_install(self) -> str:
        """The command, to be typed in the folder of Quintet's checkout; its name on PyPI is nobody's yet."""
        return f'python -m pip install -e "{self.install}"'

    @property
    def version(self) -> str | None:
        """The installed version of the first distribution, or None where one is missing."""
        found = [next((v for name in names if (v := _version(name))), None) for names in self.distributions]
        return found[0] if all(found) else None


_TENSORFLOW = ("tensorflow-cpu", "tensorflow")

LIBRARIES = {
    library.name: library
    for library in (
        Library(name="reference", distributions=(("numpy",),), install="."),
        Library(name="torch", distributions=(("torch",),), install=".[torch]"),
        Library(name="jax", distributions=(("jax",), ("jaxlib",)), install=".[jax]"),
        Library(name="tensorflow", distributions=(_TENSORFLOW,), install=".[tensorflow]"),
        Library(name="keras-tensorflow", distributions=(("keras",), _TENSORFLOW), install=".[keras,tensorflow]"),
        Library(name="keras-jax", distributions=(("keras",), ("jax",)), install=".[keras,jax]"),
        Library(name="keras-torch", distributions=(("keras",), ("torch",)), install=".[keras,torch]"),
    )
}


def library(name: str) -> Library:
    """Return the library called `name`.

    Raises:
        StudyError: there is none; the message gives the nearest name.
    """
    if name not in LIBRARIES:
        raise StudyError(f'received library "{name}", {nearest(name, LIBRARIES)}')
    return LIBRARIES[name]


def require(name: str) -> Library:
    """Return the library called `name`, which is installed.

    Raises:
        StudyError: no such library.
        EnvironmentUnavailable: it is not installed; the message says what to type.
    """
    found = library(name)
    if found.version is None:
        raise EnvironmentUnavailable(
            f'received library "{name}", which is not installed here; expected an installed one;'
            f" type, in Quintet's folder: {found.how_to_install}"
        )
    return found


def installed() -> list[str]:
    """Return the names of the libraries that are installed, the reference left out."""
    return [name for name, found in LIBRARIES.items() if name != "reference" and found.version]


def interpreter(name: str) -> tuple[str, dict[str, str]]:
    """Return the Python that runs `name`, and what its process's environment needs besides."""
    library(name)
    return sys.executable, {}


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
