"""Where each library lives: its Python and its state on this machine.

The current libraries share Quintet's own environment; each retired one has one of its own (own.py), made by
`quintet libraries add`. Finding out never imports a library: only metadata is read.
"""

import importlib.metadata
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from quintet.environments import own
from quintet.errors import EnvironmentUnavailable, StudyError, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A library as the user names it, the distributions that it stands on, and how to get it.

    Args:
        distributions: each a tuple of names of which one must be installed; the first holds the library's version.
        extra: what pip installs into Quintet's own environment; None: it has an environment of its own.
        engine: what computes underneath where that is not the library itself: two with one engine are no two witnesses.
    """

    name: str
    distributions: tuple[tuple[str, ...], ...]
    extra: str | None = None
    engine: str | None = None

    @property
    def retired(self) -> bool:
        """Whether it has an environment of its own."""
        return self.extra is None

    @property
    def how_to_install(self) -> str:
        """The command; pip's is to be typed in the folder of Quintet's checkout: its name on PyPI is nobody's yet."""
        if self.retired:
            return f"quintet libraries add {self.name}"
        return f'python -m pip install -e "{self.extra}"'

    @property
    def state(self) -> own.State:
        """How its environment stands."""
        if self.retired:
            return own.state(own.pins(self.name))
        return "ready" if self.version else "not installed"

    @property
    def version(self) -> str | None:
        """The installed version of the first distribution, or None where one is missing or its environment is not ready."""
        if self.retired:
            pins = own.pins(self.name)
            return pins.version(self.distributions[0][0]) if own.state(pins) == "ready" else None
        found = [next((v for name in names if (v := _version(name))), None) for names in self.distributions]
        return found[0] if all(found) else None

    @property
    def unavailable(self) -> str | None:
        """Why it cannot run here and what to do, in one line; None where it can."""
        match self.state:
            case "ready":
                return None
            case "cannot":
                return f'received library "{self.name}", which cannot run here: {own.pins(self.name).cannot}'
            case "outdated":
                why = "whose environment was made from other pins than today's"
            case "broken":
                why = "whose environment has lost its Python"
            case "not installed":
                why = "which is not installed here"
        where = "" if self.retired else ", in Quintet's folder"
        return f'received library "{self.name}", {why}; expected an installed one; type{where}: {self.how_to_install}'


_TENSORFLOW = ("tensorflow-cpu", "tensorflow")

LIBRARIES = {
    library.name: library
    for library in (
        Library(name="reference", distributions=(("numpy",),), extra="."),
        Library(name="torch", distributions=(("torch",),), extra=".[torch]"),
        Library(name="jax", distributions=(("jax",), ("jaxlib",)), extra=".[jax]"),
        Library(name="tensorflow", distributions=(_TENSORFLOW,), extra=".[tensorflow]"),
        Library(
            name="keras-tensorflow",
            distributions=(("keras",), _TENSORFLOW),
            extra=".[keras,tensorflow]",
            engine="tensorflow",
        ),
        Library(name="keras-jax", distributions=(("keras",), ("jax",)), extra=".[keras,jax]", engine="jax"),
        Library(name="keras-torch", distributions=(("keras",), ("torch",)), extra=".[keras,torch]", engine="torch"),
        Library(name="mxnet", distributions=(("mxnet",),)),
        Library(name="theano", distributions=(("theano-pymc",),)),
        Library(name="theano-original", distributions=(("theano",),), engine="theano"),
        Library(name="lasagne", distributions=(("lasagne",),), engine="theano"),
        Library(name="tflearn", distributions=(("tflearn",),), engine="tensorflow"),
        Library(name="pylearn2", distributions=(("pylearn2",),), engine="theano"),
    )
}


def library(name: str) -> Library:
    """Return the library called `name`.

    Raises:
        StudyError: there is none; the message gives the nearest name.
    """
    if name.lower() not in LIBRARIES:
        raise StudyError(f'received library "{name}", expected one that Quintet knows; {nearest(name, LIBRARIES)}')
    return LIBRARIES[name.lower()]


def require(name: str) -> Library:
    """Return the library called `name`, which is installed.

    Raises:
        StudyError: no such library.
        EnvironmentUnavailable: it is not installed; the message says what to type.
    """
    found = library(name)
    if why := found.unavailable:
        raise EnvironmentUnavailable(why)
    return found


def installed() -> list[str]:
    """Return the names of the libraries that are installed, the reference left out."""
    return [name for name, found in LIBRARIES.items() if name != "reference" and found.version]


def chosen(words: Iterable[str]) -> list[str]:
    """Return the libraries that `words` name: names, "installed", or "all": one that cannot run here keeps its row.

    Raises:
        StudyError: no such library.
        EnvironmentUnavailable: none of them can run here, nor is outdated and may be made anew.
    """
    groups: dict[str, Callable[[], list[str]]] = {
        "installed": installed,
        "all": lambda: [name for name in LIBRARIES if name != "reference"],
    }
    names = [name for word in words for name in (groups[word]() if word in groups else [library(word).name])]
    reasons = [library(name).unavailable for name in names if library(name).state != "outdated"]
    if None not in reasons and len(reasons) == len(names):
        nothing = "received no library, expected at least one that is installed; quintet libraries shows what to type"
        raise EnvironmentUnavailable(next(filter(None, reasons), nothing))
    return list(dict.fromkeys(names))


def refresh(names: Iterable[str], on_line: own.OnLine) -> dict[str, str]:
    """Make the environments anew whose pins have changed since they were made; return those that cannot be, and why.

    Such a one stays as it was, outdated: its library's rows say "environment", the others' are run.
    """
    failed = {}
    for name in names:
        if library(name).state == "outdated":
            try:
                own.make(own.pins(name), on_line)
            except EnvironmentUnavailable as error:
                failed[name] = str(error)
    return failed


def interpreter(name: str) -> tuple[str, dict[str, str]]:
    """Return the Python that runs `name`, and what its process's environment needs besides.

    Raises:
        EnvironmentUnavailable: its environment is not there.
    """
    if not library(name).retired:
        return sys.executable, {}
    require(name)
    pins = own.pins(name)
    return str(own.python_in(pins.folder)), own.variables(pins, pins.folder)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
