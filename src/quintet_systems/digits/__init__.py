"""Handwritten digits: the survey's system D, an honest activation study, and a reader for photographed pages."""

from quintet_systems.digits.system import SYSTEM

__all__ = ["SYSTEM"]
