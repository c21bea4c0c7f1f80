"""`python -m quintet_worker FOLDER`: run the job in FOLDER and leave result.json there.

A failure is data: whatever goes wrong, result.json says what kind it was. Only a kill leaves none.
"""

import ctypes
import errno
import json
import os
import signal
import sys
import time
import traceback

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip

DISK_FULL = 74  # the exit code (EX_IOERR) that says so to the launcher: a full disk is no fault of the library


def set_environment(job):
    """Set what libraries read when they are imported: threads, the device, the log's noise."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(job["threads"])
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if job["device"] == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        os.environ["JAX_PLATFORMS"] = "cpu"


def die_with_parent():
    """Ask Linux to end this process when its parent ends: a killed study leaves nothing running."""
    if sys.platform.startswith("linux"):
        parent = int(os.environ.get("QUINTET_PARENT", os.getppid()))
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it ended while this process was starting
            os._exit(1)


def run(folder):
    """Run the job in `folder`; return the record for result.json."""
    with open(os.path.join(folder, "job.json")) as file:
        job = json.load(file)
    set_environment(job)  # before numpy: its BLAS reads the variables too

    from quintet_worker import clock, wire

    try:
        job = wire.read_job(folder)
        begun = clock.now()
        try:
            from quintet_worker import adapters

            adapter = adapters.create(job["library"])
        except ImportError as error:
            return failure("environment", "{} cannot be imported here: {}".format(job["library"], error))
        imported = clock.now()
        reason = adapter.supports(job["network"], job["precision"])
        if reason:
            return failure("unsupported", reason)
        adapter.build(job["network"], job["optimiser"], job["precision"], job["threads"], job["device"])
        built = clock.now()
        result = {
            "status": "ok",
            "versions": adapter.versions(),
            # From the parent's call to a built model: interpreter, numpy and the library are all in it.
            "start_up_s": time.time() - float(os.environ["QUINTET_STARTED"])
            if "QUINTET_STARTED" in os.environ
            else None,
            "import_s": imported - begun,
            "build_s": built - imported,
        }
        if job["task"] == "ladder":
            from quintet_worker.ladder import ladder as task
        else:
            from quintet_worker.train import train as task
        result.update(task(folder, job, adapter))
        return result
    except MemoryError as error:
        return failure("memory", "out of memory: {}".format(error))
    except Exception as error:
        if disk_is_full(error):
            raise
        kind = classify(error)
        if kind == "crash":
            traceback.print_exc()
        return failure(kind, "{}: {}".format(type(error).__name__, str(error).split("\n")[0][:500]))


def disk_is_full(error):
    """Tell whether a file could not be written for want of room."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def classify(error):
    """Return the kind of failure; libraries report memory in errors of their own, so their words are read."""
    if type(error).__name__ == "Diverged":
        return "diverged"
    words = str(error).lower()
    if "out of memory" in words or "resource_exhausted" in words or "can't allocate memory" in words:
        return "memory"
    return "crash"


def failure(kind, reason):
    """Return the record of a job that failed."""
    return {"status": "failure", "kind": kind, "reason": reason}


def main(folder):
    """Run the job and write its result, whole or not at all."""
    die_with_parent()
    result = run(folder)
    from quintet_worker import wire

    wire.write_result(folder, result)
    return 0 if result["status"] == "ok" else 1


if __name__ == "__main__":
    # os._exit: some libraries' threads crash or hang while the interpreter takes itself down; the result is written.
    try:
        code = main(sys.argv[1])
    except Exception as error:
        traceback.print_exc()
        code = DISK_FULL if disk_is_full(error) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
