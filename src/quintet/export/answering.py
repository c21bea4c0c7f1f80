"""What a bundle says with its exports: the decision fitted to them, and answers recorded for a board's self-test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quintet.decision import FILE, decision_record, fit_decision, measure
from quintet.export.exporting import answers
from quintet.export.record import Export
from quintet.job import write_whole
from quintet.runtimes import open_predictor
from quintet.schedule import Event, OnEvent, silent
from quintet.system import Prepared

ANSWERS = "answers.safetensors"
RECORDED = 64
PREFERRED = ("litert-int8", "onnx-int8", "openvino-int8", "litert-float32", "onnx-float32", "openvino-float32")


def _quiet(_share: float) -> None:
    """Tell nothing of the share done."""


def complete_exports(
    folder: Path, exports: Sequence[Export], prepared: Prepared, coverage: float, on_event: OnEvent = silent
) -> dict[str, Any]:
    """Fit the decision to the first kept export of PREFERRED, measure it on all of them, and record answers of each.

    Writes decision.json and answers.safetensors: "x", RECORDED test samples, and "outputs-RUNTIME-PRECISION" of each export.

    Returns:
        the decision's figures on the test set, by export; empty where no export was kept.
    """
    kept = {export.name: export for export in exports if export.kept}
    if not kept:
        for name in (FILE, ANSWERS):
            (folder / name).unlink(missing_ok=True)
        return {}
    fitted_to = next(name for name in PREFERRED if name in kept)
    x, y = prepared.arrays["test_x"], prepared.arrays["test_y"]
    recorded = np.ascontiguousarray(x[:: max(1, len(x) // RECORDED)][:RECORDED])
    figures, arrays = {}, {"x": recorded}
    order = [fitted_to, *(name for name in kept if name != fitted_to)]
    decision = None
    for number, name in enumerate(order):
        export = kept[name]
        on_event(Event(phase="deciding", done=number, total=len(order), text=name))
        predict = open_predictor(folder, export.runtime, export.precision)
        if decision is None:
            held_out = answers(predict, prepared.arrays["validation_x"], _quiet)
            decision = fit_decision(held_out, prepared.arrays["validation_y"], coverage)
        figures[name] = measure(decision, answers(predict, x, _quiet), y)
        one_by_one = [predict(recorded[i : i + 1]) for i in range(len(recorded))]  # as a board asks
        arrays[f"outputs-{export.runtime}-{export.precision}"] = np.concatenate(one_by_one)
    if decision is not None:
        from safetensors.numpy import save

        write_whole(folder / ANSWERS, save(arrays))
        write_whole(folder / FILE, decision_record(decision, fitted_to, figures))
    return figures
