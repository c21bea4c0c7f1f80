"""Which samples each step sees and how fast it learns: both are arrays made beforehand from a Generator.

Every library gets the same index matrix and the same rates; no library shuffles or schedules by itself.
"""

import math
from typing import Literal

import numpy as np

from quintet.errors import StudyError, nearest

SCHEDULES = ("constant", "cosine", "one_cycle", "linear")


def batch_order(samples: int, batch_size: int, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Return the index matrix `(steps, batch_size)`, `int32`: a new permutation each epoch, cut into full batches.

    The samples left over at an epoch's end (fewer than `batch_size`) are not used in that epoch.

    >>> batch_order(5, 2, 3, np.random.default_rng(0)).shape
    (3, 2)
    """
    if not 1 <= batch_size <= samples:
        raise StudyError(
            f"received batch size {batch_size} for {samples} training samples, expected 1 to {samples}; choose a smaller batch"
        )
    per_epoch = samples // batch_size
    rows = [
        rng.permutation(samples)[: per_epoch * batch_size].reshape(per_epoch, batch_size)
        for _ in range(math.ceil(steps / per_epoch))
    ]
    return np.concatenate(rows)[:steps].astype(np.int32)


def learning_rates(
    schedule: Literal["constant", "cosine", "one_cycle", "linear"], peak: float, steps: int, warmup: float = 0.0
) -> np.ndarray:
    """Return one rate per step, `(steps,)` `float64`.

    Args:
        schedule: after the warm-up "constant" stays at `peak`, "cosine" and "linear" fall to 0; "one_cycle" rises
            linearly to `peak` over the first `warmup` share (0.3 when it is 0) and falls linearly to 0 (Smith 2018).
        warmup: share of the steps, 0 to 1, in which the rate rises linearly from 0.
    """
    if schedule not in SCHEDULES:
        raise StudyError(f'received schedule "{schedule}", {nearest(schedule, SCHEDULES)}')
    if not (peak > 0 and math.isfinite(peak) and 0 <= warmup < 1):
        raise StudyError(
            f"received rate {peak} and warm-up {warmup}, expected a positive rate and a warm-up from 0 up to 1"
        )
    share = 0.3 if schedule == "one_cycle" and not warmup else warmup
    rising = round(share * steps)
    t = np.arange(steps)
    left = np.clip((t - rising) / max(steps - rising, 1), 0, 1)
    falling = {
        "constant": np.ones(steps),
        "cosine": 0.5 * (1 + np.cos(np.pi * left)),
        "linear": 1 - left,
        "one_cycle": 1 - left,
    }[schedule]
    return peak * np.where(t < rising, (t + 1) / max(rising, 1), falling)
