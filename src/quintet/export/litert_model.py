"""A LiteRT flatbuffer, built tensor by tensor and operator by operator through the schema that LiteRT ships itself.

No TensorFlow: `ai_edge_litert.schema_py_generated` has the object form of schema.fbs and packs it. Shapes have batch 1.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from quintet.errors import EnvironmentUnavailable
from quintet.export.quantise import Grid

ALIGNED = 16  # schema.fbs wants it of every buffer; the packer in Python forgets it, and Arm kernels would trip


def schema() -> Any:
    """Return LiteRT's schema module.

    Raises:
        EnvironmentUnavailable: LiteRT or flatbuffers is not installed.
    """
    try:
        import flatbuffers  # noqa: F401
        from ai_edge_litert import schema_py_generated
    except ImportError:
        raise EnvironmentUnavailable(
            "received no ai-edge-litert with flatbuffers, expected both for an export to LiteRT;"
            " type, in"
            ' Quintet\'s folder: python -m pip install -e ".[export]"'
        ) from None
    return schema_py_generated


class LiteRTModel:
    """The tensors, buffers and operators so far."""

    def __init__(self, name: str) -> None:
        self.s = schema()
        self.name = name
        self.buffers: list[Any] = [self.s.BufferT()]  # the first one is empty, for tensors that are computed
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: dict[tuple[int, int], int] = {}

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        kind: str,
        grid: Grid | None = None,
        scales: np.ndarray | None = None,
        axis: int = 0,
        data: np.ndarray | None = None,
    ) -> int:
        """Add a tensor of TensorType `kind`; `grid` (bytes) or `scales` (one for each place of `axis`) say what it means."""
        quantisation = None
        if grid is not None:
            zero = grid.zero - 128 if kind == "INT8" else grid.zero
            quantisation = self.s.QuantizationParametersT(
                scale=np.array([grid.scale], np.float32), zeroPoint=np.array([zero], np.int64)
            )
        elif scales is not None:
            quantisation = self.s.QuantizationParametersT(
                scale=scales.astype(np.float32), zeroPoint=np.zeros(len(scales), np.int64), quantizedDimension=axis
            )
        buffer = 0
        if data is not None:
            self.buffers.append(self.s.BufferT(data=np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)))
            buffer = len(self.buffers) - 1
        self.tensors.append(
            self.s.TensorT(
                shape=np.array(shape, np.int32),
                type=getattr(self.s.TensorType, kind),
                buffer=buffer,
                name=name,
                quantization=quantisation,
                hasRank=True,
            )
        )
        return len(self.tensors) - 1

    def constant(self, name: str, array: np.ndarray, scales: np.ndarray | None = None, axis: int = 0) -> int:
        """Add a tensor that holds `array`."""
        return self.tensor(name, array.shape, array.dtype.name.upper(), scales=scales, axis=axis, data=array)

    def operator(
        self, code: str, inputs: Sequence[int], output: int, version: int = 1, options: str = "", **settings: Any
    ) -> int:
        """Add a builtin operator with its options table, such as "Conv2D"; return its output."""
        number = getattr(self.s.BuiltinOperator, code)
        at = self.codes.setdefault((number, version), len(self.codes))
        self.operators.append(
            self.s.OperatorT(
                opcodeIndex=at,
                inputs=np.array(inputs, np.int32),
                outputs=np.array([output], np.int32),
                builtinOptionsType=getattr(self.s.BuiltinOptions, f"{options}Options") if options else 0,
                builtinOptions=getattr(self.s, f"{options}OptionsT")(**settings) if options else None,
            )
        )
        return output

    def file(self, taken: int, made: int) -> bytes:
        """Return the file of a model from tensor `taken` to tensor `made`."""
        import flatbuffers

        class Builder(flatbuffers.Builder):
            def CreateNumpyVector(self, x: np.ndarray) -> int:
                if x.dtype != np.uint8:
                    return super().CreateNumpyVector(x)
                self.StartVector(1, len(x), ALIGNED)
                head = self.head - len(x)
                self.head = head  # pyright: ignore[reportAttributeAccessIssue]
                self.Bytes[head : head + len(x)] = x.tobytes()
                return self.EndVector()

        codes = [
            # Old readers know codes up to 127 from the first field only.
            self.s.OperatorCodeT(deprecatedBuiltinCode=min(number, 127), builtinCode=number, version=version)
            for number, version in self.codes
        ]
        graph = self.s.SubGraphT(
            tensors=self.tensors,
            inputs=np.array([taken], np.int32),
            outputs=np.array([made], np.int32),
            operators=self.operators,
            name=self.name,
        )
        model = self.s.ModelT(
            version=3, operatorCodes=codes, subgraphs=[graph], description="quintet", buffers=self.buffers
        )
        builder = Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
