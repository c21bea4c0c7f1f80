"""Faces: the face-recognition laboratory and the engine that the door uses; the survey's system E."""

from quintet_systems.faces.system import SYSTEM

__all__ = ["SYSTEM"]
