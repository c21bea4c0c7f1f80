"""Is a face fit to be compared? Simple measures of size, light, focus, pose and cropping, each with its reason.

The names are those of ISO/IEC 29794-5; the measures are Quintet's own. Limits are for access control at a door, where a refused
picture is taken again a moment later; they can be changed one by one.
"""

from collections.abc import Mapping
from types import MappingProxyType

import cv2
import numpy as np

from quintet_systems.faces.engine.align import box_landmarks, covered
from quintet_systems.faces.engine.face import Detection, Quality

EYES_PIXELS = 90.0  # ISO/IEC 19794-5 asks for 90 pixels between the eyes of a document's photo
SHARP = 12.0  # standard deviation of the Laplacian, grey levels: the median of 400 faces of LFW
FACE = slice(28, 100), slice(24, 88)  # brows to chin: hair and background say nothing of the face
LIMITS: Mapping[str, float] = MappingProxyType(
    {
        "InterEyeDistance": 20 / EYES_PIXELS,
        "Sharpness": 0.25,  # 3 grey levels: passed by all of those 400; blurred by 1, 2, 3 pixels: by all, 6 in 10, 1 of 400
        "LuminanceMean": 0.25,
        "DynamicRange": 0.15,
        "HeadPoseYaw": 0.35,
        "HeadPoseRoll": 0.5,
        "MarginOfTheCrop": 0.75,
    }
)
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "InterEyeDistance": "too small",
        "Sharpness": "blurred",
        "LuminanceMean": "too dark or too bright",
        "DynamicRange": "without contrast",
        "HeadPoseYaw": "turned away",
        "HeadPoseRoll": "tilted",
        "MarginOfTheCrop": "cut off by the picture's edge",
    }
)


def judge_quality(
    picture: np.ndarray, found: Detection, crop: np.ndarray, limits: Mapping[str, float] = LIMITS
) -> Quality:
    """Return the face's components, 0 to 1, and the reasons of those below their limit.

    Args:
        picture: `uint8` `(height, width, 3)`.
        crop: the aligned face, `uint8` `(112, 112, 3)`.
    """
    points = found.landmarks if found.landmarks is not None else box_landmarks(found.box)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    size = (picture.shape[1], picture.shape[0])
    shown = covered(size, points)[FACE]
    if not shown.any():
        shown = np.ones_like(shown)
    inner, edges = grey[FACE][shown], cv2.Laplacian(grey, cv2.CV_64F)[FACE][_within(shown)]
    eyes = points[1] - points[0]
    apart = float(np.hypot(*eyes))
    mean = float(inner.mean()) / 255
    dark, light = np.percentile(inner, (5, 95))
    components = {
        "InterEyeDistance": min(1.0, apart / EYES_PIXELS),
        "Sharpness": min(1.0, float(edges.std()) / SHARP if edges.size else 0.0),
        "LuminanceMean": max(0.0, 1 - abs(mean - 0.5) * 2),
        "DynamicRange": float(light - dark) / 255,
        "HeadPoseYaw": frontal(points),
        "HeadPoseRoll": max(0.0, 1 - abs(float(np.degrees(np.arctan2(eyes[1], eyes[0])))) / 90),
        "MarginOfTheCrop": inside(found.box, size),
    }
    low = [name for name, least in limits.items() if components[name] < least]
    return Quality(components=components, reasons=tuple(REASONS[name] for name in low))


def _within(shown: np.ndarray) -> np.ndarray:
    """Return the pixels whose neighbours are shown too: at the picture's edge black begins, which is no sharp line."""
    return cv2.erode(shown.astype(np.uint8), np.ones((5, 5), np.uint8), borderType=cv2.BORDER_REPLICATE).astype(bool)


def frontal(points: np.ndarray) -> float:
    """Return 1 where the nose stands midway between the eyes, 0 where it stands below one of them or beyond.

    Both are measured along the line through the eyes, so that a tilted head is not taken for a turned one.
    """
    eyes = points[1] - points[0]
    apart = max(float(eyes @ eyes), 1e-9)
    along = float((points[2] - points[0]) @ eyes) / apart
    return max(0.0, 1 - abs(along - 0.5) * 2)


def inside(box: tuple[float, float, float, float], size: tuple[int, int]) -> float:
    """Return the share of the box that lies in a picture of `size` (width, height)."""
    left, top, width, height = box
    across = min(left + width, size[0]) - max(left, 0.0)
    down = min(top + height, size[1]) - max(top, 0.0)
    return max(0.0, across) * max(0.0, down) / max(width * height, 1e-9)
