"""Export: a bundle's network as ONNX, LiteRT and OpenVINO files, float32 and int8, each judged again before it is kept."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quintet.export.exporting import MARGIN, TARGETS, export_bundle
    from quintet.export.record import Export, read_exports

__all__ = ["MARGIN", "TARGETS", "Export", "export_bundle", "read_exports"]


def __getattr__(name: str) -> Any:
    import importlib

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "record" if name in ("Export", "read_exports") else "exporting"
    return getattr(importlib.import_module(f"quintet.export.{module}"), name)
