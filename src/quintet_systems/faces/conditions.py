"""A fixed grid of controlled changes to an aligned face, each with five strengths, seeded where chance has a part.

The changes are made after alignment, so that a curve over strengths speaks of the features alone and the shapes that cover a
face lie where they belong; what conditions do to detection is measured apart (protocols.detection). Pictures are `uint8`
`(112, 112, 3)`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np

from quintet_systems.faces.engine.align import PLACES
from quintet_systems.faces.engine.face import CROP

LEVELS = range(1, 6)
Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
CENTRE = (CROP - 1) / 2
MASK, GLASSES, SCARF = (176, 205, 222), (18, 18, 20), (120, 44, 52)  # colours, RGB
HEAD_RADIUS = 62.0  # pixels: the cylinder that a head is taken for when it is turned
LEFT_EYE, RIGHT_EYE, NOSE, LEFT_MOUTH, RIGHT_MOUTH = PLACES


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One kind of change: `strengths` in `unit`, weak to strong; `of` is the survey's word for it."""

    name: str
    of: str
    unit: str
    strengths: tuple[float, ...]
    change: Change

    @property
    def everywhere(self) -> bool:
        """Tell whether it changes the whole picture, of any size, rather than a face at its place in a crop."""
        return self.of in ("illumination", "quality")

    def __call__(self, crops: np.ndarray, level: int, seed: int) -> np.ndarray:
        """Return changed copies of crops `(n, 112, 112, 3)`, or of any pictures if `everywhere`, at `level` 1 to 5; 0: as is."""
        if level == 0:
            return crops
        rng = np.random.default_rng([seed, level, *self.name.encode()])
        return np.stack([self.change(crop, self.strengths[level - 1], rng) for crop in crops])


def side_light(face: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Light from one side: brightness falls off linearly to 1 - strength on the far side, in a direction drawn for each face."""
    angle = rng.uniform(0, 2 * np.pi)
    high, wide = face.shape[:2]
    rows, columns = np.mgrid[:high, :wide] * (2 / (max(high, wide) - 1)) - 1
    along = np.clip((np.cos(angle) * columns + np.sin(angle) * rows) / 1.2, -1, 1)
    return _bytes(face * (1 - strength * (1 - along) / 2)[..., None])


def dim_light(face: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """So much of the light is gone; what is left is rounded to grey levels and has the sensor's noise of two of them."""
    return _bytes(face * (1 - strength) + rng.normal(0, 2, face.shape))


def turn(face: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Turn the head to one side as if it were a cylinder: the far cheek vanishes, the near one widens."""
    yaw = np.radians(degrees) * (1 if rng.random() < 0.5 else -1)
    rows, columns = np.mgrid[:CROP, :CROP].astype(np.float32)
    # Keeping the turned face's eyes in the middle, as an alignment by landmarks would.
    at = np.arcsin(np.clip((columns - CENTRE + HEAD_RADIUS * np.sin(yaw) * 0.6) / HEAD_RADIUS, -1, 1)) - yaw
    source = (HEAD_RADIUS * np.sin(np.clip(at, -np.pi / 2, np.pi / 2)) + CENTRE).astype(np.float32)
    turned = cv2.remap(face, source, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    turned[np.abs(at) >= np.pi / 2] = 0
    return turned


def mask(face: np.ndarray, height: float, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    """A medical mask from the chin up to a share of the way to the eyes."""
    top = LEFT_MOUTH[1] + 12 - height * (LEFT_MOUTH[1] + 12 - LEFT_EYE[1] - 8)
    corners = np.array(
        [
            [10, top + 6],
            [NOSE[0] - 14, top],
            [NOSE[0] + 14, top],
            [102, top + 6],
            [94, 104],
            [70, 112],
            [42, 112],
            [18, 104],
        ]
    )
    return _filled(face, corners, MASK)


def sunglasses(face: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    """Two dark lenses with a bridge; `size` is their half width in pixels."""
    shown = face.copy()
    for eye in (LEFT_EYE, RIGHT_EYE):
        middle = round(float(eye[0])), round(float(eye[1])) + 2
        cv2.ellipse(shown, middle, (round(size), round(size * 0.72)), 0, 0, 360, GLASSES, -1, cv2.LINE_AA)
    bridge = round(float(LEFT_EYE[1])) - 1
    cv2.line(shown, (round(float(LEFT_EYE[0])), bridge), (round(float(RIGHT_EYE[0])), bridge), GLASSES, 3, cv2.LINE_AA)
    return shown


def scarf(face: np.ndarray, height: float, rng: np.random.Generator) -> np.ndarray:
    """A striped scarf over a share of the face from below."""
    top = CROP - height * CROP
    wave = 3 * np.sin(np.arange(CROP) / 9 + rng.uniform(0, 6))
    rows, columns = np.mgrid[:CROP, :CROP]
    covered = rows > top + wave[None, :]
    stripes = ((rows + columns // 3) // 6 % 2)[..., None] * 40 + np.array(SCARF)
    return np.where(covered[..., None], _bytes(stripes), face)


def block(face: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A grey square over a share of the face, anywhere (Wright et al. 2009 cover faces so)."""
    side = round(np.sqrt(share) * CROP)
    top, left = rng.integers(0, CROP - side + 1, 2)
    shown = face.copy()
    shown[top : top + side, left : left + side] = 128
    return shown


def blur(face: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    """Gauss's blur, as out of focus."""
    return cv2.GaussianBlur(face, (0, 0), sigma)


def noise(face: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Normal noise of so many grey levels, on each channel apart."""
    return _bytes(face + rng.normal(0, deviation, face.shape))


def low_resolution(face: np.ndarray, pixels: float, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    """As taken with so many pixels across the crop."""
    high, wide = face.shape[:2]
    size = round(wide * pixels / CROP), round(high * pixels / CROP)
    return cv2.resize(cv2.resize(face, size, interpolation=cv2.INTER_AREA), (wide, high), interpolation=cv2.INTER_CUBIC)


def jpeg(face: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    """Saved as JPEG of that quality and read again."""
    _, content = cv2.imencode(".jpg", face[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))[:, :, ::-1]


def _filled(face: np.ndarray, corners: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    shown = face.copy()
    cv2.fillPoly(shown, [np.round(corners).astype(np.int32)], colour, cv2.LINE_AA)
    return shown


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.asarray(values) + 0.5, 0, 255).astype(np.uint8)


def _all(*conditions: Condition) -> Mapping[str, Condition]:
    return MappingProxyType({one.name: one for one in conditions})


CONDITIONS = _all(
    Condition(name="side light", of="illumination", unit="share of the light that the far side lacks",
              strengths=(0.4, 0.6, 0.75, 0.88, 0.96), change=side_light),
    Condition(name="dim light", of="illumination", unit="share of the light that is gone",
              strengths=(0.5, 0.7, 0.82, 0.9, 0.95), change=dim_light),
    Condition(name="turn", of="pose", unit="degrees", strengths=(10, 20, 30, 40, 50), change=turn),
    Condition(name="mask", of="occlusion", unit="share of the way from chin to eyes",
              strengths=(0.2, 0.4, 0.6, 0.8, 1.0), change=mask),
    Condition(name="sunglasses", of="occlusion", unit="half width of a lens, pixels of 112",
              strengths=(6, 9, 12, 15, 18), change=sunglasses),
    Condition(name="scarf", of="occlusion", unit="share of the face", strengths=(0.1, 0.2, 0.3, 0.4, 0.5), change=scarf),
    Condition(name="block", of="occlusion", unit="share of the face", strengths=(0.05, 0.1, 0.2, 0.3, 0.4), change=block),
    Condition(name="blur", of="quality", unit="sigma, pixels of 112", strengths=(1, 2, 3, 4.5, 6), change=blur),
    Condition(name="noise", of="quality", unit="standard deviation, grey levels",
              strengths=(10, 20, 35, 50, 70), change=noise),
    Condition(name="low resolution", of="quality", unit="pixels across", strengths=(56, 40, 28, 20, 14), change=low_resolution),
    Condition(name="compression", of="quality", unit="JPEG quality", strengths=(40, 20, 12, 7, 4), change=jpeg),
)  # fmt: skip
