"""One net trained by the worker, outside of a study: for the parts of a detector, which nobody compares library by library."""

from pathlib import Path

import numpy as np

from quintet.batches import batch_order, learning_rates
from quintet.bundle import Bundle
from quintet.errors import StudyError
from quintet.job import ArrayStore, Job
from quintet.launch import Local, Result
from quintet.network import Net
from quintet.recipe import Recipe
from quintet.trials import streams
from quintet.weights import initial_weights
from quintet_worker import wire

DAY_S = 24 * 3600.0


def fit_net(
    recipe: Recipe, x: np.ndarray, y: np.ndarray, folder: Path, library: str, seed: int = 1, threads: int = 2
) -> Bundle:
    """Return the net trained on samples `x` `(n, …)` and targets `y` `(n, …)`; the job stays in `folder`.

    Raises:
        StudyError: the training failed; the message says why.
    """
    assert isinstance(recipe.net, Net)
    store = ArrayStore(folder / "arrays")
    init, order, worker = streams(seed)
    steps = recipe.steps(len(x))
    job = Job(
        task="train",
        library=library,
        network=recipe.net,
        weights=store.put_set(initial_weights(recipe.net, init, recipe.initial)),
        optimiser=recipe.optimiser,
        precision="float32",
        threads=threads,
        device="cpu",
        data={"train_x": store.put(x), "train_y": store.put(y)},
        order=store.put(batch_order(len(x), recipe.batch_size, steps, order)),
        learning_rates=store.put(learning_rates(recipe.schedule, recipe.rate, steps, recipe.warmup)),
        augment=recipe.augment,
        seed=worker,
        evaluate_at=(),
        measure={},
        save=True,
    )
    place = folder / recipe.net.name
    job.write(place)
    outcome = Local().run(place, DAY_S)
    if not isinstance(outcome, Result):
        raise StudyError(f"training {recipe.net.name} under {library} failed ({outcome.kind}): {outcome.reason}")
    return Bundle(net=recipe.net, weights=wire.arrays(place, "weights.npz"), labels=(), card={})
