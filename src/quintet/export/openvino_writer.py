"""An OpenVINO IR (.xml and .bin) from Quintet's own ONNX model, of batch 1, its float32 kept whole."""

import tempfile
from pathlib import Path
from typing import Any

from quintet.errors import EnvironmentUnavailable
from quintet.export.graph import Graph
from quintet.export.onnx_writer import onnx_model
from quintet.export.quantise import Plan


def require() -> Any:
    """Return the package openvino.

    Raises:
        EnvironmentUnavailable: it is not installed.
    """
    try:
        import openvino
    except ImportError:
        raise EnvironmentUnavailable(
            "received no openvino, expected it for an export to OpenVINO; type, in"
            ' Quintet\'s folder: python -m pip install -e ".[export]"'
        ) from None
    return openvino


def openvino_model(graph: Graph, plan: Plan | None = None) -> tuple[bytes, bytes]:
    """Return the two files of the model, .xml and .bin: float32, or by `plan` int8 as fake quantisation.

    Raises:
        EnvironmentUnavailable: openvino or onnx is not installed.
    """
    openvino = require()
    model = openvino.Core().read_model(onnx_model(graph, plan))
    model.reshape([1, *graph.input_shape])
    _simplify(model)
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "model.xml"
        openvino.save_model(model, xml, compress_to_fp16=False)
        return xml.read_bytes(), xml.with_suffix(".bin").read_bytes()


def _simplify(model: Any) -> None:
    """Fold what a fixed shape makes constant: the .xml is half as long and opens in half the time, the answers stay.

    openvino.convert_model does the same, but it also tells Intel of each use (openvino-telemetry), which Quintet does not.
    """
    try:
        from openvino._offline_transformations import apply_moc_transformations
    except ImportError:  # not part of the public interface; without it the file is only larger
        return
    apply_moc_transformations(model, cf=True, smart_reshape=False)
