"""An environment of a library's own: found, made, removed. For libraries that can share none with anything current.

Rules
* A folder beside this file holds what it is made from: the Pythons it may be made with, and pinned requirements.
* It lives in the user's cache. It is made aside, tried, and then renamed into place: a kill leaves the old one or none.
* Its record holds the digest of its pins, so that it is known when they have changed.
Not here: what the libraries are called and which are there (the package itself).
"""

import contextlib
import ctypes
import errno
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from quintet.errors import EnvironmentUnavailable
from quintet.job import write_whole
from quintet.machine import cache_folder

PINS = Path(__file__).parent
RECORD = "quintet.json"  # written last: a folder without it is no environment
INSTALL_TIMEOUT_S = 1800
TRY_TIMEOUT_S = 300
FULL_BYTES = 16 << 20
# Makes the adapter, as a worker would, and prints what it stands on.
TRIAL = (
    "import json, sys; from quintet_worker.adapters import create; print(json.dumps(create(sys.argv[1]).versions()))"
)

State = Literal["ready", "not installed", "outdated", "broken", "cannot"]
OnLine = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What an environment is made from.

    Args:
        python: the versions that it may be made with, best first.
        requirements: the text of its requirements.txt, every package pinned.
        variables: what the library's process needs in its environment; "{folder}" stands for the environment's folder.
        pip: the version that installs; None: the one that this Python brings.
        cannot: why it cannot be made anywhere, or None.
    """

    name: str
    python: tuple[str, ...]
    requirements: str
    variables: dict[str, str]
    pip: str | None
    cannot: str | None

    @property
    def digest(self) -> str:
        """What changes when a pin does."""
        content = json.dumps([self.python, self.requirements, self.pip])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """Where the environment is, or would be."""
        return folder() / self.name

    def version(self, package: str) -> str | None:
        """Return the version that the requirements pin."""
        lines = (line.split("#")[0].strip() for line in self.requirements.splitlines())
        pinned = dict(line.lower().split("==") for line in lines if "==" in line)
        return pinned.get(package.lower())


def folder() -> Path:
    """Return the folder of all environments; it need not exist yet."""
    return cache_folder() / "environments"


@functools.cache
def pins(name: str) -> Pins:
    """Return what library `name`'s environment is made from."""
    record = tomllib.loads((PINS / name / "environment.toml").read_text())
    return Pins(
        name=name,
        python=tuple(record["python"]),
        requirements=(PINS / name / "requirements.txt").read_text(),
        variables=record.get("variables", {}),
        pip=record.get("pip"),
        cannot=record.get("cannot"),
    )


def record(wanted: Pins) -> dict[str, Any] | None:
    """Return what was written down when the environment was made, or None where there is none."""
    try:
        return json.loads((wanted.folder / RECORD).read_text())
    except (OSError, ValueError):
        return None


def state(wanted: Pins) -> State:
    """Return how the environment stands, without starting its Python."""
    if wanted.cannot:
        return "cannot"
    made = record(wanted)
    if made is None:
        return "not installed"
    if not python_in(wanted.folder).exists():  # a link to a Python that is gone
        return "broken"
    return "ready" if made["digest"] == wanted.digest else "outdated"


def python_in(environment: Path) -> Path:
    """Return the interpreter of an environment."""
    return environment / "bin" / "python"


def variables(wanted: Pins, environment: Path) -> dict[str, str]:
    """Return what a process needs so that it finds the worker and, of all packages, its environment's alone."""
    own = {name: value.format(folder=environment) for name, value in wanted.variables.items()}
    return {**own, "PYTHONPATH": str(worker_path()), "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def worker_path() -> Path:
    """Return a folder that holds the worker's package and nothing else, as a link: Quintet's own packages stay outside."""
    import quintet_worker

    source = Path(next(iter(quintet_worker.__path__))).resolve()
    place = folder() / "worker" / hashlib.sha256(str(source).encode()).hexdigest()[:12]
    link = place / "quintet_worker"
    if not link.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process made it at this very moment
            link.symlink_to(source, target_is_directory=True)
    return place


def find_python(versions: tuple[str, ...]) -> Path | None:
    """Return an interpreter of the first of `versions` that is found: this one, on PATH, under pyenv, by uv."""
    return next((path for version in versions for path in _candidates(version) if _is(path, version)), None)


def _candidates(version: str) -> Iterator[Path]:
    yield Path(getattr(sys, "_base_executable", sys.executable))
    if found := shutil.which(f"python{version}"):
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)
    if uv := shutil.which("uv"):
        done = subprocess.run([uv, "python", "find", version], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            yield Path(done.stdout.strip())


def _is(python: Path, version: str) -> bool:
    """Tell whether `python` starts and is of that version; pyenv's shims stand on PATH for versions not chosen, too."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == version


def how_to_get_python(version: str) -> str:
    """Return the command that brings a Python; uv has none older than 3.8."""
    if tuple(map(int, version.split("."))) >= (3, 8):
        return f"uv python install {version}, or pyenv install {version}"
    return f"pyenv install {version}"


def make(wanted: Pins, on_line: OnLine) -> dict[str, Any]:
    """Make the environment anew, try it, and put it in its place; return its record.

    Raises:
        EnvironmentUnavailable: it cannot be made, or another process is making it; one line says why and what to do.
    """
    if wanted.cannot:
        raise EnvironmentUnavailable(f"received {wanted.name}, which cannot run here: {wanted.cannot}")
    python = find_python(wanted.python)
    if python is None:
        raise EnvironmentUnavailable(
            f"received {wanted.name}, expected Python {' or '.join(wanted.python)} on PATH, under pyenv or by uv, and found"
            f" none; type: {how_to_get_python(wanted.python[0])}"
        )
    begun, aside = time.time(), folder() / f"{wanted.name}.making"
    try:
        with _locked(wanted):
            shutil.rmtree(aside, ignore_errors=True)
            _install(wanted, python, aside, on_line)
            on_line(f"{wanted.name}: trying it")
            versions = _try(wanted, aside)
            made = {
                "digest": wanted.digest,
                "python": _python_version(aside),
                "versions": versions,
                "made": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": round(time.time() - begun, 1),
            }
            write_whole(aside / RECORD, json.dumps(made, indent=1).encode())
            _swap(aside, wanted.folder)
            return made
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise EnvironmentUnavailable(
            f"received {error.strerror or error} while making {wanted.folder}, expected a folder with room that this user"
            " may write; free some space, or name another folder in QUINTET_CACHE"
        ) from error


def remove(wanted: Pins) -> bool:
    """Remove the environment and what a kill left of one; tell whether there was any.

    Raises:
        EnvironmentUnavailable: another process is making it.
    """
    places = [wanted.folder, *(folder() / f"{wanted.name}.{rest}" for rest in ("making", "old", "log"))]
    there = any(place.exists() for place in places)
    if there:
        with _locked(wanted):
            (wanted.folder / RECORD).unlink(missing_ok=True)  # first: from here on it is no environment
            for place in places:
                shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    return there


def _install(wanted: Pins, python: Path, aside: Path, on_line: OnLine) -> None:
    aside.parent.mkdir(parents=True, exist_ok=True)
    requirements = PINS / wanted.name / "requirements.txt"
    pip = [str(python_in(aside)), "-m", "pip", "install", "--disable-pip-version-check", "--no-warn-script-location"]
    steps = [[str(python), "-m", "venv", str(aside)]]
    if wanted.pip:
        steps.append([*pip, f"pip=={wanted.pip}"])
    steps.append([*pip, "--no-deps", "-r", str(requirements)])  # all pinned: nothing is left to resolve
    log = folder() / f"{wanted.name}.log"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    if environment.pop("PIP_NO_CACHE_DIR", None):  # Python 3.6's pip misreads it: github.com/pypa/pip/issues/5385
        pip.append("--no-cache-dir")
    with log.open("w") as file:
        for step in steps:
            with subprocess.Popen(
                step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace",
                env=environment, preexec_fn=_die_with_parent,
            ) as process:  # fmt: skip
                _follow(process, lambda line: (file.write(line + "\n"), on_line(f"{wanted.name}: {line}")))
            if process.returncode:
                if shutil.disk_usage(aside.parent).free < FULL_BYTES:  # venv does not say so
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                shutil.rmtree(aside, ignore_errors=True)
                file.flush()
                raise EnvironmentUnavailable(
                    f"received {reason(log.read_text())}, expected {wanted.name} to be installed from a package index with"
                    f" room on the disk; the whole output is in {log}; mend that and type: quintet libraries add {wanted.name}"
                )


def _die_with_parent() -> None:
    """Ask Linux to end an installer with the process that started it: it must not write on into the next one's folder."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _follow(process: "subprocess.Popen[str]", on_line: Callable[[str], object]) -> None:
    """Hand on a process's lines until it ends, of itself, after INSTALL_TIMEOUT_S, or because this was interrupted."""
    limit = threading.Timer(INSTALL_TIMEOUT_S, process.kill)
    limit.start()
    try:
        for line in process.stdout or ():
            on_line(line.rstrip())
    except BaseException:
        process.kill()
        raise
    finally:
        limit.cancel()


def reason(log: str) -> str:
    r"""Return the line of an installer's output that says what went wrong.

    >>> reason("Collecting a\nERROR: No matching distribution found for a\n")
    'ERROR: No matching distribution found for a'
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for word in ("No space left", "ERROR", "Error", "error"):
        if found := next((line for line in reversed(lines) if word in line), None):
            return found[:300]
    return lines[-1][:300] if lines else "no output"


def _try(wanted: Pins, environment: Path) -> dict[str, str]:
    """Make the library's adapter in the environment; return what it stands on."""
    done = subprocess.run(
        [python_in(environment), "-c", TRIAL, wanted.name],
        capture_output=True, text=True, timeout=TRY_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, **variables(wanted, environment)},
    )  # fmt: skip
    if done.returncode:
        raise EnvironmentUnavailable(
            f"received {reason(done.stderr)}, expected {wanted.name} to be importable in the environment made for it; type:"
            f" quintet libraries doctor {wanted.name}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def _python_version(environment: Path) -> str:
    code = "import platform; print(platform.python_version())"
    done = subprocess.run([python_in(environment), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _swap(aside: Path, place: Path) -> None:
    old = place.with_name(place.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    aside.rename(place)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _locked(wanted: Pins) -> Iterator[None]:
    """Hold the environment's lock; the system frees it with the process, however that ends."""
    import fcntl

    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / f"{wanted.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EnvironmentUnavailable(
                f"received {wanted.name}, whose environment another process is making or removing, expected it to be free;"
                " wait for that one and type the command again"
            ) from None
        yield
