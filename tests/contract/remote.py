"""An adapter that lives in another process, under its library's own Python: the contract's checks call it as if it were here.

Both ends are this file: run as a program, with only the worker and numpy at hand, it serves; imported, it asks. One
message is a JSON structure whose arrays are named by number, and the arrays as .npz behind it.
"""

import io
import json
import struct
import sys
import traceback
from typing import Any

import numpy as np


def send(stream, content):
    """Write one message."""
    arrays = []
    text = json.dumps(_packed(content, arrays)).encode()
    buffer = io.BytesIO()
    np.savez(buffer, **{str(i): array for i, array in enumerate(arrays)})
    blob = buffer.getvalue()
    stream.write(struct.pack("<QQ", len(text), len(blob)) + text + blob)
    stream.flush()


def receive(stream) -> Any:
    """Return the next message, its arrays read-only; EOFError at the end."""
    head = stream.read(16)
    if len(head) < 16:
        raise EOFError("the other end is gone")
    sizes = struct.unpack("<QQ", head)
    content = json.loads(stream.read(sizes[0]).decode())
    with np.load(io.BytesIO(stream.read(sizes[1])), allow_pickle=False) as loaded:
        arrays = [loaded[str(i)] for i in range(len(loaded.files))]
    for array in arrays:
        array.flags.writeable = False
    return _unpacked(content, arrays)


def _packed(value, arrays):
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"dict": [[key, _packed(item, arrays)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_packed(item, arrays) for item in value]
    return float(value) if isinstance(value, np.floating) else value


def _unpacked(value, arrays) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    return {key: _unpacked(item, arrays) for key, item in value["dict"]}


def serve(library):
    """Answer the messages on standard input until it ends."""
    from quintet_worker.__main__ import die_with_parent, set_environment

    die_with_parent()
    set_environment({"threads": 1, "device": "cpu"})
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # what a library prints must not come between the messages
    from quintet_worker.adapters import create

    made = []
    while True:
        try:
            number, method, arguments = receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            with np.errstate(all="ignore"):
                if method == "create":
                    made.append(create(library))
                    found = len(made) - 1
                    number = found
                else:
                    found = getattr(made[number], method)(*arguments)
            send(answers, {"found": found, "group": made[number].group})
        except Exception:
            send(answers, {"error": traceback.format_exc()})


class Remote:
    """The far adapter's methods, each as a message there and back."""

    def __init__(self, process):
        self._process = process
        self._number = 0
        self._number = self._ask("create", ())

    def __getattr__(self, method):
        return lambda *arguments: self._ask(method, arguments)

    def _ask(self, method, arguments):
        send(self._process.stdin, [self._number, method, list(arguments)])
        answer = receive(self._process.stdout)
        if "error" in answer:
            raise RuntimeError("in the library's own process: " + answer["error"])
        self.group = answer["group"]
        return answer["found"]


def connect(library):
    """Start the library's own Python; return what makes an adapter there."""
    import os
    import subprocess

    from quintet.environments import interpreter

    python, environment = interpreter(library)
    process = subprocess.Popen(
        [python, __file__, library], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **environment}
    )
    return lambda: Remote(process)


if __name__ == "__main__":
    serve(sys.argv[1])
