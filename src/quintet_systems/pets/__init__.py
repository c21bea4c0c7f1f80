"""Pets: from a folder of labelled photos to a supervised small board; the survey's system C, cats and dogs."""

from quintet_systems.pets.system import SYSTEM

__all__ = ["SYSTEM"]
