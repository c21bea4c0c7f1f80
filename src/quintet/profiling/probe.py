"""The process that is measured: it opens one export, gives the first label of a JPEG file, then predicts when told to.

`python -m quintet.profiling.probe BUNDLE RUNTIME PRECISION THREADS PICTURE HEIGHT WIDTH CHANNELS`. It answers in lines of
JSON: first where the time to the first label went, then one for each line `N` on standard input: N predictions at batch 1.
Only what an application needs is imported before the first label: its cost is what is measured.
"""

import time

BEGUN = time.monotonic()  # before the imports below, which are timed

import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

WARM_UP = 3  # predictions before each round's clock starts


def main(arguments: list[str]) -> None:
    """Give the first label, then serve rounds until standard input ends; an empty line asks for the peak memory."""
    folder, runtime, precision, threads, picture, *sides = arguments
    height, width, channels = map(int, sides)
    marks = {"start": BEGUN}
    from quintet.images import read_image
    from quintet.runtimes import open_predictor

    marks["imported"] = time.monotonic()
    predict = open_predictor(Path(folder), runtime, precision, int(threads))
    marks["opened"] = time.monotonic()
    x = read_image(Path(picture), (height, width, channels))[None]
    marks["decoded"] = time.monotonic()
    label = int(predict(x)[0].argmax())
    marks["label"] = time.monotonic()
    print(json.dumps({"label": label, "marks": marks}), flush=True)
    from quintet_worker.clock import each_ms
    from quintet_worker.energy import EnergyMeter
    from quintet_worker.memory import peak_mib

    meter = EnergyMeter()
    for line in sys.stdin:
        if not line.strip():
            print(json.dumps({"peak_mib": peak_mib()}), flush=True)
            continue
        each_ms(lambda: predict(x), WARM_UP)
        meter.start()
        times = each_ms(lambda: predict(x), int(line))
        joules, how = meter.stop()
        print(json.dumps({"ms": times.tolist(), "joules": joules, "energy": how}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
