"""Real data as checked arrays: find, fetch, verify, parse, split."""

from quintet.datasets.catalogue import available, check, get, load, names, source, where
from quintet.datasets.record import Dataset, FileStatus, Provenance, Source, SourceFile
from quintet.datasets.split import split, stratified

__all__ = [
    "Dataset",
    "FileStatus",
    "Provenance",
    "Source",
    "SourceFile",
    "available",
    "check",
    "get",
    "load",
    "names",
    "source",
    "split",
    "stratified",
    "where",
]
