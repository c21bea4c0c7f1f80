"""Using what was measured: the library to take for a system's network on this machine, from the studies made here."""

from dataclasses import dataclass
from pathlib import Path

from quintet import machine
from quintet.errors import NothingMeasured, QuintetError, RecommendationError
from quintet.recommend import Goal, Limits, Recommendation
from quintet.results import analyse
from quintet.store import Store
from quintet.system import check_network, load_system


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A recommendation, the study it rests on, and the thread count that was used there."""

    recommendation: Recommendation
    folder: Path
    threads: int


def choose(
    system: str, network: str | None, studies: Path, limits: Limits | None = None, goal: Goal = "training"
) -> Choice:
    """Return the choice for `network` of `system`, from the newest complete study below `studies` made on this machine.

    Raises:
        NothingMeasured: no such study; the message says what to do.
        RecommendationError: nothing that was measured meets the limits.
    """
    found = load_system(system)
    wanted = check_network(found, network or found.default_network)
    mine = machine.fingerprint(machine.describe())
    folders = sorted(studies.glob("*/study.db"), key=lambda path: -path.stat().st_mtime)
    for path in folders:
        try:
            with Store(path.parent) as store:
                study = store.study()
                if study["system"] != system or study["machine"] != mine:
                    continue
                result = analyse(store, limits, goal)
        except QuintetError:
            continue  # a folder of another version, or a study that never began, says nothing
        if result.finished < result.planned:
            continue
        for one in result.networks:
            if one.network == wanted and one.recommendation:
                row = next(row for row in one.rows if row.library == one.recommendation.library)
                return Choice(recommendation=one.recommendation, folder=path.parent, threads=row.threads)
            if one.network == wanted:
                raise RecommendationError(one.no_recommendation)
    raise NothingMeasured(
        f"received no finished study of {system}'s network {wanted} made on this machine below {studies}, expected one;"
        f" type: quintet compare {system} --network {wanted}"
    )
