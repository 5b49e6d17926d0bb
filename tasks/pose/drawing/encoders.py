"""Encoding of the labeled movie: the choice of encoder, and its quality."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

_X264_OPTIONS = {
    # Encoding is what a labeled movie takes longest for. Against "veryfast" at factor 20, on two
    # real movies: 0.75 ms of processor a frame in place of 2.4 (640×480), the same 48.5 dB, and
    # 2.4 kB a frame in place of 1.5; with a camera's noise 39 dB for 38.6, and 10 to 17 kB for 12.
    "preset": "ultrafast",
    # Single-pixel skeleton lines and small dots stay crisp; a larger factor smears them. A constant
    # quantizer would spare a fifth to a third of the time, but it does not follow a movie that
    # begins dark and becomes noisy, whose file would be several times as large.
    "crf": "22",
    # Its messages would go to Python, for which each of its threads would have to wait.
    "x264-params": "log=-1",
    # Without frames out of order each packet's time is its picture's time: no edit list is needed,
    # every player starts at the first frame, and the last frame of a variable rate keeps its time.
    "bf": "0",
}

_NVENC_OPTIONS = {"preset": "p4", "rc": "vbr", "cq": "22", "b": "0", "bf": "0"}
"""The same for a GPU's encoder, with a quality that is constant in the same sense."""


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg's.

    Attributes:
        name: FFmpeg's name for it.
        options: Its settings.
    """

    name: str
    options: Mapping[str, str]


def choose_encoder(width: int, height: int) -> Encoder:
    """A GPU's encoder where there is one that takes such pictures, else x264.

    Args:
        width: Of the pictures, in pixels.
        height: The same.
    """
    if not _gpu_failed.is_set() and _can_nvenc_encode(width, height):
        _gpu_used.set()
        return Encoder("h264_nvenc", _NVENC_OPTIONS)
    return Encoder("libx264", _X264_OPTIONS)


_gpu_used, _gpu_failed = threading.Event(), threading.Event()


def encode_with_fallback(write: Callable[[], T]) -> T:
    """Let a movie be written, and once more where a GPU's encoder fails in the middle of it.

    The driver allows so many movies at a time, and the network may take its last memory. From
    then on this process encodes without a GPU.

    Args:
        write: Writes the movie from its start, with what `choose_encoder` gives.
    """
    try:
        return write()
    except av.FFmpegError:
        if not _gpu_used.is_set() or _gpu_failed.is_set():
            raise
        _gpu_failed.set()
    return write()


_TEST_PICTURES = 3
"""Pictures that a GPU's encoder must encode before it is used."""


@cache
def _can_nvenc_encode(width: int, height: int) -> bool:
    """Return whether a GPU here really encodes pictures of a size.

    Many GPUs have no such unit, drivers in containers often come without it, and each kind has its
    own smallest and largest picture: only trying tells. What fails, fails within milliseconds
    where there is no driver.
    """
    try:
        return (
            _count_encoded_pictures("h264_nvenc", _NVENC_OPTIONS, width, height) == _TEST_PICTURES
        )
    except (av.FFmpegError, ValueError, MemoryError):
        return False


def _count_encoded_pictures(name: str, options: Mapping[str, str], width: int, height: int) -> int:
    """Count the pictures that an encoder returns for a few gray ones."""
    gray = np.full((height * 3 // 2, width), 128, np.uint8)
    frame: Any = av.VideoFrame.from_ndarray(gray, format="yuv420p")
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = Fraction(1, 30)
    context.options = dict(options)
    packets: list[Any] = []
    for index in range(_TEST_PICTURES):
        frame.pts, frame.time_base = index, context.time_base
        packets += context.encode(frame)
    return len([*packets, *context.encode(None)])
