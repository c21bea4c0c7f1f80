"""What a Raspberry Pi would take: a prediction from published measurements, never a measurement.

Method
* Each anchor is a published network on that board: multiply-adds divided by its time is what the board did a second, on
  all four cores. The range of a prediction runs from the best anchor's rate to the worst one's.
* Weights beyond the last cache are read from memory for each picture: bytes divided by the bandwidth are added to the high
  end, and the low end is never below that time at the memory's rated speed.
* A network under SMALL_BELOW multiply-adds keeps the cores less busy than the anchors, all above 300 million: the high end
  is multiplied by SMALL, what was seen on x86 between LiteRT int8 on MobileNetV2-1.0@224 and on MobileNetV2-0.35@64.
* Fewer than four cores: an assumption, between the square root of and all of what the missing cores would have done.
Sources: XNNPACK's README (February 2022) for Pi 3B+ and 4; TVM's wiki, MobileNet on the Pi 3B; learn.arm.com "ExecuTorch on
Arm" and Arm's model cards for the Pi 5; Ultralytics' Raspberry Pi page; sci-pi.org.uk for the Pi 4's STREAM. Multiply-adds:
the networks' papers (MobileNet 569 M, MobileNetV2 300 M, ResNet-18 1.81 G, GoogLeNet 1.5 G, Inception v3 5.7 G) and
Ultralytics' table (YOLO11n 3.25 G).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from quintet.errors import BundleError, nearest
from quintet.profiling.work import Work

CORES = 4
SMALL_BELOW, SMALL = 100e6, 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One published latency, all cores."""

    network: str
    multiply_adds: float
    ms: float
    source: str

    @property
    def rate(self) -> float:
        """Multiply-adds a second."""
        return self.multiply_adds / self.ms * 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board: its anchors by precision, its last cache in bytes, and its memory in bytes a second, rated and as low as seen."""

    title: str
    anchors: Mapping[str, tuple[Anchor, ...]]
    cache_bytes: int
    memory_low: float
    memory_rated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A predicted latency, `low_ms` to `high_ms`, of one sample."""

    board: str
    title: str
    precision: str
    threads: int
    low_ms: float
    high_ms: float
    anchors: int

    @property
    def sentence(self) -> str:
        """The prediction in words, which say that it is one."""
        cores = "1 core" if self.threads == 1 else f"{self.threads} cores"
        return (
            f"{self.title}, {self.precision}, {cores}: {self.low_ms:.3g} to {self.high_ms:.3g} ms a picture"
            f" (a prediction from {self.anchors} published results of other networks, not a measurement)"
        )


V1, V2, Y11 = ("MobileNet", 569e6), ("MobileNetV2", 300e6), 3.25e9


def _of(source: str, *rows: tuple[tuple[str, float], float]) -> tuple[Anchor, ...]:
    return tuple(Anchor(network=name, multiply_adds=work, ms=ms, source=source) for (name, work), ms in rows)


XNNPACK, EXECUTORCH = "XNNPACK README, February 2022", "learn.arm.com, ExecuTorch on Arm"
ARM_CARD, YOLO = "Arm's model card", "Ultralytics docs, Raspberry Pi, 8.3.39"
BOARDS = {
    "pi3": Board(
        title="Raspberry Pi 3",
        anchors={
            "float32": _of(XNNPACK, (V1, 114), (V2, 79)) + _of("TVM wiki", (V1, 121.8), (V2, 104.8)),
            "int8": _of(XNNPACK, (V1, 46), (V2, 30)),
        },
        cache_bytes=512 << 10,
        memory_low=1.36e9,  # no measurement was found: what is rated, by the Pi 4's worst ratio (4.84 of 12.8 GB/s)
        memory_rated=3.6e9,  # LPDDR2-900, 32 bit
    ),
    "pi4": Board(
        title="Raspberry Pi 4",
        anchors={
            "float32": _of(f"{XNNPACK}, 64-bit", (V1, 77), (V2, 46)) + _of(XNNPACK, (V1, 72), (V2, 41)),
            "int8": _of(f"{XNNPACK}, 64-bit", (V1, 24), (V2, 17)) + _of(XNNPACK, (V1, 29), (V2, 20)),
        },
        cache_bytes=1 << 20,
        memory_low=4.84e9,  # STREAM triad, sci-pi.org.uk
        memory_rated=12.8e9,  # LPDDR4-3200, 32 bit
    ),
    "pi5": Board(
        title="Raspberry Pi 5",
        anchors={
            "float32": _of(EXECUTORCH, (V2, 10.9))
            + _of(ARM_CARD, (("GoogLeNet", 1.5e9), 90.8))
            + _of(YOLO, (("YOLO11n, TFLite", Y11), 317), (("YOLO11n, ONNX", Y11), 168), (("YOLO11n, OpenVINO", Y11), 81)),
            "int8": _of(EXECUTORCH, (V2, 4.01))
            + _of(ARM_CARD, (("ResNet-18", 1.81e9), 8.75), (("GoogLeNet", 1.5e9), 25.3), (("Inception v3", 5.7e9), 113)),
        },
        cache_bytes=2 << 20,
        memory_low=6.46e9,  # no measurement was found: what is rated, by the Pi 4's worst ratio
        memory_rated=17.1e9,  # LPDDR4X-4267, 32 bit
    ),
}  # fmt: skip


def predict(work: Work, board: str, precision: str, threads: int = 1) -> Prediction:
    """Return what one sample would take on `board` with `threads` of its four cores.

    Raises:
        BundleError: no such board, or not 1 to 4 threads.
    """
    if board not in BOARDS:
        raise BundleError(f'received board "{board}", {nearest(board, BOARDS)}')
    if not 1 <= threads <= CORES:
        raise BundleError(f"received {threads} threads for {BOARDS[board].title}, expected 1 to {CORES}")
    known = BOARDS[board]
    anchors = known.anchors[precision]
    rates = [anchor.rate for anchor in anchors]
    slower = CORES / threads
    size = work.weight_bytes(precision)
    low = work.multiply_adds / max(rates) * math.sqrt(slower)
    high = work.multiply_adds / min(rates) * slower * (SMALL if work.multiply_adds < SMALL_BELOW else 1.0)
    if size > known.cache_bytes:
        low, high = max(low, size / known.memory_rated), high + size / known.memory_low
    return Prediction(
        board=board, title=known.title, precision=precision, threads=threads, low_ms=1e3 * low, high_ms=1e3 * high,
        anchors=len(anchors),
    )  # fmt: skip
