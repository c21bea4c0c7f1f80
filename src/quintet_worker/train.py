"""The task "train": train, evaluate and measure one network under one library.

The clock runs only over training: warm-up and compilation come before it on the same weights, which are then loaded
anew; evaluation stops it. The feeding of batches is inside, as it is for anyone who trains.
"""

import hashlib

import numpy as np

from quintet_worker import clock, wire
from quintet_worker.adapters.reference import Reference
from quintet_worker.energy import EnergyMeter
from quintet_worker.feed import Feed
from quintet_worker.memory import peak_mib

PREDICT_BATCH = 500
PRECISION_SAMPLES = 200


class Diverged(Exception):
    """The loss, or what training left, is no longer a number."""


def train(folder, job, adapter):
    """Run the job; return the record for result.json. Arrays are written beside it."""
    data = {name: wire.array(folder, path) for name, path in job["data"].items()}
    order = wire.array(folder, job["order"])
    rates = [float(rate) for rate in wire.array(folder, job["learning_rates"])]
    weights = wire.arrays(folder, job["weights"])
    feed = Feed(job["network"], data["train_x"], data.get("train_y"), order, job["seed"], job.get("augment"))
    pieces = cut(len(order), job.get("evaluate_at") or [], adapter.group)
    measure = job.get("measure") or {}

    begun = clock.now()
    adapter.load(weights)
    warm_up(adapter, feed, pieces, rates, [data[s + "_x"] for s in ("validation", "test") if s + "_x" in data])
    adapter.load(weights)
    result = {"compile_s": clock.now() - begun}  # type: dict

    losses, curve, laps = run(adapter, feed, pieces, rates, job.get("evaluate_at") or [], data.get("validation_x"))
    result["files"] = {"losses": wire.write_array(folder, "losses", losses)}
    result.update(laps)
    result["peak_mib"] = peak_mib()
    if curve:
        result["files"]["validation_outputs"] = wire.write_array(folder, "validation_outputs", np.stack(curve))
    final = adapter.weights()
    require_numbers("the weights", final.values())
    result["weights_sha256"] = digest(final)
    if "test_x" in data:
        result.update(measured_prediction(adapter, data["test_x"], measure))
        outputs = result.pop("outputs")
        require_numbers("the test outputs", [outputs])
        result["files"]["test_outputs"] = wire.write_array(folder, "test_outputs", outputs)
        result["numerical_precision"] = numerical_precision(job, final, data["test_x"], outputs)
    if job.get("save"):
        result["files"]["weights"] = wire.write_arrays(folder, "weights", final)
        native = adapter.save_native(folder)
        if native:
            result["files"]["native"] = native
    return result


def require_numbers(what, arrays):
    """Raise Diverged where the last step left something that is no number; its loss was taken before that step."""
    if not all(np.all(np.isfinite(array)) for array in arrays):
        raise Diverged("{} were not all numbers after the last step".format(what))


def cut(steps, evaluate_at, group):
    """Return [(first step, count), ...]: whole groups as far as they go between two evaluations, then single steps."""
    pieces, first = [], 0
    for stop in sorted(set(list(evaluate_at) + [steps])):
        while first < stop:
            count = group if stop - first >= group else 1
            pieces.append((first, count))
            first += count
    return pieces


def warm_up(adapter, feed, pieces, rates, splits):
    """Run each kind of piece once, so that everything is compiled and the caches are warm."""
    for count in sorted({count for _, count in pieces}):
        first = next(first for first, n in pieces if n == count)
        adapter.steps(feed.batches(first, count), rates[first : first + count])
    for x in splits:
        predict(adapter, x[:PREDICT_BATCH])
    adapter.wait()


def run(adapter, feed, pieces, rates, evaluate_at, validation_x):
    """Take all steps; return their losses, the validation outputs at `evaluate_at`, and the times."""
    losses, curve, curve_s = [], [], []
    watch, meter = clock.Stopwatch(), EnergyMeter()
    stops = set(evaluate_at)
    supply = feed.ahead(pieces)
    meter.start()
    watch.start()
    for first, count in pieces:
        losses.append(adapter.steps(next(supply), rates[first : first + count]))
        done = first + count
        if not np.all(np.isfinite(losses[-1])):
            raise Diverged("the loss was {} at step {}".format(np.ravel(losses[-1])[-1], done))
        if done in stops:
            adapter.wait()
            watch.stop()
            curve_s.append(watch.seconds)
            if validation_x is not None:
                curve.append(predict(adapter, validation_x))
            watch.start()
    adapter.wait()
    watch.stop()
    energy_j, energy_source = meter.stop()
    images = feed.order.shape[1] * len(feed.order)
    times = {
        "train_s": watch.seconds,
        "training_images_per_s": images / watch.seconds,
        "curve_s": curve_s,
        "energy_j": energy_j,
        "energy_source": energy_source,
    }
    return np.concatenate(losses), curve, times


def predict(adapter, x, size=PREDICT_BATCH):
    """Return the outputs for all of `x`, in batches of one size so that nothing is compiled twice."""
    outputs = []
    for first in range(0, len(x), size):
        batch = np.asarray(x[first : first + size])
        short = size - len(batch)
        if short:
            batch = np.concatenate([batch, np.repeat(batch[-1:], short, 0)])
        outputs.append(adapter.predict(batch)[: size - short])
    return np.concatenate(outputs)


def measured_prediction(adapter, x, measure):
    """Return the test outputs, images/s over repeated passes, and the latency of single images."""
    begun = clock.now()
    outputs = predict(adapter, x)
    passes = [clock.now() - begun]
    result = {"outputs": outputs}  # type: dict
    for _ in range(measure.get("inference_passes", 0)):
        begun = clock.now()
        predict(adapter, x)
        passes.append(clock.now() - begun)
    result["inference_images_per_s"] = len(x) / float(np.median(passes))
    count = measure.get("latency_calls", 0)
    if count:
        one = np.asarray(x[:1])
        clock.each_ms(lambda: adapter.predict(one), 10)
        times = clock.each_ms(lambda: adapter.predict(one), count)
        result["latency_p50_ms"] = float(np.percentile(times, 50))
        result["latency_p99_ms"] = float(np.percentile(times, 99))
    return result


def numerical_precision(job, weights, x, outputs):
    """Return |outputs - exact| / |exact| over the first test images; exact is the float64 reference at these weights.

    None where it has no meaning: all outputs are 0, or too large to be squared.
    """
    umpire = Reference()
    umpire.build(job["network"], job["optimiser"], "float64", 1, "cpu")
    umpire.load(weights)
    exact = umpire.predict(np.asarray(x[:PRECISION_SAMPLES]))
    difference = np.asarray(outputs[:PRECISION_SAMPLES], np.float64) - exact
    size = float(np.linalg.norm(exact))
    return float(np.linalg.norm(difference)) / size if 0 < size < float("inf") else None


def digest(weights):
    """Return the SHA-256 of all arrays in the order of their names: equal only if every bit is."""
    sha = hashlib.sha256()
    for name in sorted(weights):
        sha.update(name.encode())
        sha.update(np.ascontiguousarray(weights[name]).tobytes())
    return sha.hexdigest()
