"""A study: what is to be compared, fixed and hashed before the first trial. From study.toml or from the command line."""

import hashlib
import json
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quintet.environments import LIBRARIES, library
from quintet.errors import StudyError, nearest
from quintet.job import PRECISIONS


class Study(BaseModel):
    """A study's settings; each is a key of study.toml.

    Args:
        system: which system, "digits".
        networks: names of the system's networks; empty: its default.
        libraries: names as `quintet libraries` shows them.
        seeds: how many paired seeds, each with its own initial weights and batch order.
        first_seed: the first seed's number.
        data: the data set; None: the best at hand.
        epochs: passes over the training data; None: what the network's recipe says.
        precision: "float32", "float64" or "bfloat16".
        threads: processor threads per trial, or "sweep": each library gets the count that trains fastest here.
        at_once: how many trials run side by side, each on cores of its own.
        device: "cpu" or "cuda".
        repeats: how many trials of each library run once more, to see whether their bits repeat.
        margin: differences in accuracy up to this count as equal; fixed before the run.
        speed_margin: relative differences in time up to this count as equal.
        evaluations: how often the validation split is looked at during training.
        timeout_s: seconds that one trial may take.
        parity: climb the ladder before the trials; without it there is no verdict.
        save_weights: keep each trial's final weights in its folder.
        max_load: wait while others use more of the processor than this share; the load is recorded either way.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)  # one form, whoever wrote it

    name: str = "study"
    system: str
    networks: tuple[str, ...] = ()
    libraries: tuple[str, ...] = Field(min_length=1)
    seeds: int = Field(default=5, ge=1, le=1000)
    first_seed: int = Field(default=0, ge=0)
    data: str | None = None
    epochs: float | None = Field(default=None, gt=0)
    precision: str = "float32"
    threads: int | Literal["sweep"] = "sweep"
    at_once: int = Field(default=1, ge=1)
    device: Literal["cpu", "cuda"] = "cpu"
    repeats: int = Field(default=1, ge=0)
    margin: float = Field(default=0.002, gt=0, lt=1)
    speed_margin: float = Field(default=0.05, gt=0, lt=1)
    evaluations: int = Field(default=8, ge=0)
    timeout_s: float = Field(default=3600, gt=0)
    parity: bool = True
    save_weights: bool = False
    max_load: float = Field(default=0.15, gt=0, le=1)

    def digest(self) -> str:
        """Return the hash of the settings that decide what is run; a study's folder keeps to one."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run to be made: a network under a library from a seed."""

    network: str
    library: str
    seed: int
    repeat: int = 0

    @property
    def id(self) -> str:
        """The trial's name in the store and its folder's name."""
        again = f".repeat{self.repeat}" if self.repeat else ""
        return f"{self.network}.{self.library}.seed{self.seed}{again}"


def plan(study: Study) -> Iterator[Trial]:
    """Yield all trials in the order in which they run.

    Libraries are interleaved: each seed is a block in which every library runs once, in an order shuffled by the seed,
    so that a slow spell of the machine falls on all of them. Repeats come last.
    """
    for seed in range(study.first_seed, study.first_seed + study.seeds):
        for network in study.networks:
            libraries = list(study.libraries)
            random.Random(f"{seed} {network}").shuffle(libraries)
            for name in libraries:
                yield Trial(network=network, library=name, seed=seed)
    for seed in range(study.first_seed, study.first_seed + min(study.repeats, study.seeds)):
        for network in study.networks:
            for name in study.libraries:
                yield Trial(network=network, library=name, seed=seed, repeat=1)


def read_study(path: Path) -> Study:
    """Return the study that a TOML file describes.

    Raises:
        StudyError: no such file, no TOML, an unknown key (with the nearest name) or a value that cannot be.
    """
    try:
        record = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"received {path}, expected a readable study file ({error}); see docs/studies.md") from None
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"received {path}, expected TOML: {error}; see docs/studies.md") from None
    return make_study(record)


def make_study(record: dict[str, Any]) -> Study:
    """Return the study with the settings of `record`, all checked.

    Raises:
        StudyError: an unknown key, library, or a value that cannot be; one line, with the nearest name.
    """
    for key in record:
        if key not in Study.model_fields:
            raise StudyError(f'received study key "{key}", {nearest(key, Study.model_fields)}')
    try:
        study = Study.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][:1]) or "study"
        raise StudyError(
            f"received {where} = {first['input']!r}, expected: {first['msg']}; see docs/studies.md"
        ) from None
    for name in study.libraries:
        library(name)
    if len(set(study.libraries)) < len(study.libraries):
        raise StudyError(
            f"received libraries {', '.join(study.libraries)}, expected each once; known: {', '.join(LIBRARIES)}"
        )
    if study.precision not in PRECISIONS:
        raise StudyError(f'received precision "{study.precision}", {nearest(study.precision, PRECISIONS)}')
    if isinstance(study.threads, int) and study.threads < 1:
        raise StudyError(f'received threads {study.threads}, expected 1 or more, or "sweep"')
    return study
