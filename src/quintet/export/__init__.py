"""Export: a bundle's network as ONNX, LiteRT and OpenVINO files, float32 and int8, each judged again before it is kept."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quintet.export.answering import complete_exports
    from quintet.export.exporting import MARGIN, TARGETS, export_bundle
    from quintet.export.record import Export, read_exports

__all__ = ["MARGIN", "TARGETS", "Export", "complete_exports", "export_bundle", "read_exports"]
_MODULES = {"Export": "record", "read_exports": "record", "complete_exports": "answering"}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"quintet.export.{_MODULES.get(name, 'exporting')}"), name)
