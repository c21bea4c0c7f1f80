"""The task "ladder": leave behind what the core compares, rung by rung, with the reference's own run of the same job."""

from quintet_worker import wire
from quintet_worker.feed import Feed


def ladder(folder, job, adapter):
    """Write weights, outputs, loss, gradients, and weights after 1 and after `ladder_steps` steps.

    Every rung starts from the job's weights, so an error shows on the first rung that it touches. Weights after 1 and after n
    steps are written before the next rung begins: a crash later on keeps what was found.
    """
    x = wire.array(folder, job["data"]["train_x"])
    y = wire.array(folder, job["data"]["train_y"]) if "train_y" in job["data"] else None
    rates = [float(rate) for rate in wire.array(folder, job["learning_rates"])]
    feed = Feed(job["network"], x, y, wire.array(folder, job["order"]), job["seed"], None)
    steps = job["ladder_steps"]
    adapter.load(wire.arrays(folder, job["weights"]))
    files = {"weights": wire.write_arrays(folder, "ladder_weights", adapter.weights())}

    first = feed.batches(0, 1)
    batch = (first[0][0], None if first[1] is None else first[1][0], [array[0] for array in first[2]])
    parts = ["generator", "discriminator"] if feed.pair else [None]
    outputs = {part or "net": adapter.predict(part_input(job, batch, part), part) for part in parts}
    files["outputs"] = wire.write_arrays(folder, "ladder_outputs", outputs)

    loss, gradients = adapter.gradients(batch)
    files["loss"] = wire.write_array(folder, "ladder_loss", loss)
    files["gradients"] = wire.write_arrays(folder, "ladder_gradients", gradients)

    adapter.steps(feed.batches(steps - 1, 1), rates[:1])  # like a training's warm-up: load() must forget all of it
    adapter.load(wire.arrays(folder, job["weights"]))
    adapter.steps(first, rates[:1])
    files["step_1"] = wire.write_arrays(folder, "ladder_step_1", adapter.weights())
    group = adapter.group
    done = 1
    while done < steps:
        count = group if steps - done >= group else 1
        adapter.steps(feed.batches(done, count), rates[done : done + count])
        done += count
    files["step_n"] = wire.write_arrays(folder, "ladder_step_n", adapter.weights())
    return {"files": files}


def part_input(job, batch, part):
    """Return what one network of a pair (or the only network) is asked to predict on."""
    x, _, extra = batch
    if part is None:
        return x
    return extra[1] if part == "generator" and extra else x[-1]
