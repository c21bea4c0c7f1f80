"""The files of a small arm64 Debian with Python and the runtimes, which qemu runs programs from; nothing is booted.

Rules
* Packages come from where this machine's apt and pip are told to look; both check what they fetch (signatures, hashes).
* The wheels are of the very versions that are installed here: what differs afterwards is the processor alone.
* A root is built beside its place and renamed when it has run `import` of each runtime; a kill leaves the downloads,
  from which the next try goes on. It is named by the hash of its recipe, so another recipe makes another root.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quintet import machine
from quintet.emulation.boards import EMULATED
from quintet.errors import EnvironmentUnavailable
from quintet.job import write_whole
from quintet.schedule import Event, OnEvent, silent

VERSION = 1
DEBIAN = ("python3", "libstdc++6", "libgomp1")
PACKAGES = {"onnxruntime": "onnxruntime", "litert": "ai-edge-litert", "openvino": "openvino"}
ALWAYS = ("numpy", "safetensors", "pillow")
PLATFORMS = (*(f"manylinux_2_{minor}_aarch64" for minor in range(36, 16, -1)), "manylinux2014_aarch64")
QEMU = ("qemu-aarch64-static", "qemu-aarch64")
TIMEOUT_S = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A root that is whole: its folder, its qemu, its Python and the packages in it."""

    folder: Path
    qemu: str
    python: Path
    packages: Mapping[str, str]

    def command(self, board: str, arguments: Sequence[str]) -> list[str]:
        """Return the command that runs this root's Python with `arguments` on the emulated board "pi3", "pi4" or "pi5"."""
        return [
            self.qemu, "-cpu", EMULATED[board].cpu, "-L", str(self.folder / "boards" / board), str(self.python), "-s", "-B",
            *arguments,
        ]  # fmt: skip

    def environment(self, source: Path) -> dict[str, str]:
        """Return the whole environment of such a program; modules are looked for in `source`, then in the root."""
        one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        return {
            "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent",
            "PYTHONPATH": f"{source}:{self.folder / 'wheels'}", **one,
        }  # fmt: skip


def arm64_root(on_event: OnEvent = silent) -> Root:
    """Return the root with the runtimes that are installed here, built in the user's cache where it is not there yet.

    Raises:
        EnvironmentUnavailable: qemu, apt or pip is missing or fails; the message says what to type.
    """
    qemu = next((found for name in QEMU if (found := shutil.which(name))), None)
    if not qemu:
        raise EnvironmentUnavailable(
            "received no qemu-aarch64-static, expected it to emulate a board; type: apt-get install qemu-user-static"
        )
    wheels = {name: found for name in (*ALWAYS, *PACKAGES.values()) if (found := installed(name))}
    recipe = {"version": VERSION, "debian": DEBIAN, "suite": _suite(), "wheels": wheels}
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]
    folder = machine.cache_folder() / "emulated" / f"arm64-{digest}"
    with _alone(folder.with_suffix(".lock")):
        if not (folder / "root.json").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder, qemu, recipe, on_event)
    record = json.loads((folder / "root.json").read_text())
    return Root(folder=folder, qemu=qemu, python=folder / record["python"], packages=record["packages"])


def installed(package: str) -> str | None:
    """Return the version of `package` on this machine."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _build(folder: Path, qemu: str, recipe: Mapping, on_event: OnEvent) -> None:
    partial = folder.with_suffix(".partial")
    for part in ("usr", "lib", "etc", "wheels", "boards"):
        shutil.rmtree(partial / part, ignore_errors=True)
    steps = ("Debian packages", "wheels", "unpacking", "trying it")

    def tell(done: int) -> None:
        on_event(Event(phase="building the arm64 root", done=done, total=len(steps), text=steps[done]))

    tell(0)
    debs = _debian(partial / "apt")
    tell(1)
    python = _python_version(debs)
    wheels = _wheels(partial / "downloads", python, recipe["wheels"])
    tell(2)
    for deb in debs:
        _run(["dpkg-deb", "-x", str(deb), str(partial)], "unpack Debian packages", "apt-get install dpkg")
    (partial / "wheels").mkdir()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(partial / "wheels")
    _boards(partial)
    tell(3)
    root = Root(folder=partial, qemu=qemu, python=partial / "usr" / "bin" / f"python{python}", packages={})
    modules = [name for name in ("numpy", "onnxruntime", "ai_edge_litert.interpreter", "openvino")
               if any(name.split(".")[0] == wheel.name.split("-")[0] for wheel in wheels)]  # fmt: skip
    code = f"import platform, {', '.join(modules)}; print(platform.machine())"
    said = _run(root.command("pi4", ["-c", code]), "start the emulated Python", "", root.environment(partial))
    if said.strip() != "aarch64":
        raise EnvironmentUnavailable(f"received {said.strip()!r} from the emulated Python, expected aarch64")
    shutil.rmtree(partial / "apt")
    shutil.rmtree(partial / "downloads")
    record = {
        **recipe,
        "python": f"usr/bin/python{python}",
        "packages": {path.name: digest for path, digest in (*debs.items(), *wheels.items())},
    }
    write_whole(partial / "root.json", json.dumps(record, indent=1).encode())
    partial.replace(folder)
    on_event(Event(phase="building the arm64 root", done=len(steps), total=len(steps), text="ready"))


def _debian(folder: Path) -> dict[Path, str]:
    """Fetch the Debian packages with all that they need; return them with their SHA-256.

    An own state folder makes apt think of an empty arm64 machine; neither root's rights nor debootstrap are needed.
    """
    for part in ("state/lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "state" / "status").touch()
    settings = (
        'APT::Architecture "arm64";\nAPT::Architectures { "arm64"; };\n'
        f'Dir::State "{folder}/state";\nDir::State::status "{folder}/state/status";\nDir::Cache "{folder}/cache";\n'
        'Acquire::Languages "none";\nAPT::Sandbox::User "";\n'
    )
    write_whole(folder / "apt.conf", settings.encode())
    environment = {**os.environ, "APT_CONFIG": str(folder / "apt.conf"), "LC_ALL": "C"}
    hint = "look at /etc/apt/sources.list.d, and try: apt-get update"
    # A list that cannot be had may be one that is not needed: whether the packages can be had tells.
    subprocess.run(["apt-get", "update", "-qq"], env=environment, capture_output=True, timeout=TIMEOUT_S, check=False)
    # An earlier try may have left packages that have been followed by newer ones.
    subprocess.run(
        ["apt-get", "autoclean", "-qq"], env=environment, capture_output=True, timeout=TIMEOUT_S, check=False
    )
    fetch = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "--download-only", *DEBIAN]
    _run(fetch, "fetch Debian packages for arm64", hint, environment)
    return _hashed(sorted((folder / "cache" / "archives").glob("*.deb")))


def _wheels(folder: Path, python: str, wanted: Mapping[str, str]) -> dict[Path, str]:
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in folder.glob("*.whl"):
        if not zipfile.is_zipfile(wheel):  # cut off by a kill; pip would take it for whole
            wheel.unlink()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--only-binary=:all:",
               "--implementation", "cp", "--python-version", python, "--dest", str(folder)]  # fmt: skip
    for platform in PLATFORMS:
        command += ["--platform", platform]
    names = [f"{name}=={version}" for name, version in wanted.items()]
    _run([*command, *names], "fetch wheels for aarch64", "see what pip says: pip download " + " ".join(names))
    return _hashed(sorted(folder.glob("*.whl")))


def _hashed(files: Sequence[Path]) -> dict[Path, str]:
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _python_version(debs: Mapping[Path, str]) -> str:
    for deb in debs:
        name = deb.name.split("_")[0]
        if name.startswith("python3.") and name.endswith("-minimal"):
            return name.removeprefix("python").removesuffix("-minimal")
    raise EnvironmentUnavailable("received Debian packages without a python3.*-minimal, expected one; report it")


def _boards(root: Path) -> None:
    """Make a view of the root for each board, with its own /proc/cpuinfo."""
    for name, board in EMULATED.items():
        view = root / "boards" / name
        (view / "proc").mkdir(parents=True)
        (view / "proc" / "cpuinfo").write_text(board.cpuinfo())
        for part in ("usr", "lib", "etc"):
            if (root / part).exists():
                (view / part).symlink_to(Path("..") / ".." / part)


def _suite() -> str:
    try:
        words = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    except OSError:
        return ""
    return words.get("VERSION_CODENAME", "").strip('"')


def _run(command: Sequence[str], what: str, hint: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a tool; return what it printed.

    Raises:
        EnvironmentUnavailable: it is missing, fails or hangs; the message has its last line.
    """
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise EnvironmentUnavailable(f"received no {command[0]}, expected it to {what}; {hint}") from None
    except subprocess.TimeoutExpired:
        raise EnvironmentUnavailable(f"received no end of {command[0]}, expected it to {what}; {hint}") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise EnvironmentUnavailable(
            f"received exit code {done.returncode} from {Path(command[0]).name} ({last[:200]}), expected it to {what}"
            + (f"; {hint}" if hint else "")
        )
    return done.stdout


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process builds; the lock goes with its process, however that ends."""
    import fcntl

    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
