"""The job and result formats: plain files in a folder, the only contract between Quintet and a library.

    job.json      what to do; arrays are named by paths relative to the job's folder (.npy, or .npz for a set by name)
    result.json   what came of it, written last and whole: a folder without it is a job that did not end

Format history
    1   2026-11: tasks "train" and "ladder"; the keys are those of JOB_KEYS.
"""

import io
import json
import os

import numpy as np

VERSION = 1

JOB_KEYS = {
    "version", "task", "library", "network", "weights", "optimiser", "precision", "threads", "device", "data",
    "order", "learning_rates", "augment", "seed", "evaluate_at", "measure", "save", "ladder_steps",
}  # fmt: skip


class JobError(Exception):
    """A job that this worker cannot read."""


def read_job(folder):
    """Return job.json as a dict; arrays stay paths until array() or arrays() opens them."""
    with open(os.path.join(folder, "job.json")) as file:
        job = json.load(file)
    if job.get("version") != VERSION:
        raise JobError("received a job of version {}, expected {}".format(job.get("version"), VERSION))
    unknown = sorted(set(job) - JOB_KEYS)
    if unknown:
        raise JobError("received unknown job keys " + ", ".join(unknown))
    return job


def array(folder, path):
    """Return one array of a job, read-only and mapped into memory."""
    return np.load(os.path.join(folder, path), mmap_mode="r", allow_pickle=False)


def arrays(folder, path):
    """Return a set of arrays by name."""
    with np.load(os.path.join(folder, path), allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}


def write_array(folder, name, value):
    """Write one array as `name`.npy; return its file name."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(value), allow_pickle=False)
    return _write(folder, name + ".npy", buffer.getvalue())


def write_arrays(folder, name, values):
    """Write a set of arrays as `name`.npz; return its file name."""
    buffer = io.BytesIO()
    np.savez(buffer, **values)
    return _write(folder, name + ".npz", buffer.getvalue())


def write_result(folder, result):
    """Write result.json: the last file of a job."""
    record = dict(result, version=VERSION)
    _write(folder, "result.json", json.dumps(record, indent=1, sort_keys=True, allow_nan=False).encode())


def _write(folder, name, content):
    temporary = os.path.join(folder, name + ".tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(temporary, os.path.join(folder, name))
    return name
