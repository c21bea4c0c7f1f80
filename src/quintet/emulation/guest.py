"""The program that answers, here and on the emulated board alike: `python -m quintet.emulation.guest JOB.json`.

It opens one export of a bundle, gives it one sample after another as a board does, and writes the outputs. Only numpy and
the runtime are imported. On standard output: a line for each hundredth of the samples, then one JSON object.
"""

import json
import platform
import sys
from pathlib import Path

import numpy as np

from quintet.runtimes import open_predictor


def main(job: Path) -> None:
    """Run the job: {"bundle", "runtime", "precision", "inputs", "outputs"}, paths of a folder and of two .npy files."""
    wanted = json.loads(job.read_text())
    predict = open_predictor(Path(wanted["bundle"]), wanted["runtime"], wanted["precision"], threads=1)
    x = np.load(wanted["inputs"], allow_pickle=False)
    outputs = []
    for i in range(len(x)):
        outputs.append(predict(x[i : i + 1])[0])
        if i * 100 // len(x) != (i + 1) * 100 // len(x):
            print(i + 1, flush=True)
    np.save(wanted["outputs"], np.array(outputs, np.float32), allow_pickle=False)
    print(json.dumps({"machine": platform.machine(), "python": platform.python_version(), "numpy": np.__version__}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
