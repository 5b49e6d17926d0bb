"""How the labelled movie is encoded: by which encoder, and how finely."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.packet import PacketSideData

from tasks.pose.planes import Planes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FINEST = 20
"""The quantizer of pictures without noise: 48 dB, and single-pixel lines stay crisp."""

SAMPLE = 8
"""Pictures of a movie that tell its quantizer: x264 settles on one within five."""

_LAMBDA = 118
"""FFmpeg's unit of a packet's quality, for a step of the quantizer."""

_X264 = {
    # Encoding is what a labelled movie takes longest for: 0.6 ms of processor a frame of 640×480
    # in place of the 2.4 of "veryfast", for 1.9 kB a frame in place of 1.5.
    "preset": "ultrafast",
    # Its messages would go to Python, for which each of its threads would have to wait.
    "x264-params": "log=-1",
    # Without frames out of order each packet's time is its picture's time: no edit list is needed,
    # every player starts at the first frame, and the last frame of a variable rate keeps its time.
    "bf": "0",
}

_NVENC = {"preset": "p4", "rc": "constqp", "bf": "0"}


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg's.

    Attributes:
        name: FFmpeg's name for it.
        options: Its settings.
    """

    name: str
    options: Mapping[str, str]


def encoder_for(width: int, height: int, quantizer: int = FINEST) -> Encoder:
    """A GPU's encoder where there is one that takes such pictures, else x264.

    Args:
        width: Of the pictures, in pixels.
        height: The same.
        quantizer: H.264's own measure, 0 (finest) to 51; a constant one spares x264 from looking
            at each picture twice, a fifth to a third of its time.
    """
    options = {"qp": str(quantizer)}
    if _nvenc_works(width, height):
        return Encoder("h264_nvenc", _NVENC | options)
    return Encoder("libx264", _X264 | options)


def quantizer_for(pictures: Iterable[np.ndarray | Planes]) -> int:
    """The quantizer at which x264's constant quality would settle, from a movie's first pictures.

    That is a coarser one the more noise there is, whose exact look nobody needs, and which would
    otherwise take up to ten times the bytes.

    Args:
        pictures: RGB, uint8, (height, width, 3) each with even or odd sides, or planes.
    """
    context: Any = None
    found = FINEST
    for index, picture in enumerate(pictures):
        frame = _frame(picture)
        context = context or _context("libx264", frame, _X264 | {"crf": "22"})
        frame.pts, frame.time_base, frame.pict_type = index, context.time_base, 0
        for packet in context.encode(frame):
            found = _quantizer_of(packet)
    return max(FINEST, found)


def _quantizer_of(packet: Any) -> int:
    data = bytes(memoryview(PacketSideData.from_packet(packet, "quality_stats")))
    return round(int.from_bytes(data[:4], "little") / _LAMBDA)


def _frame(picture: np.ndarray | Planes) -> Any:
    frame = (
        picture.frame
        if isinstance(picture, Planes)
        else av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    )
    width, height = frame.width // 2 * 2, frame.height // 2 * 2
    return frame.reformat(width, height, "yuv420p")


def _context(name: str, frame: Any, options: Mapping[str, str]) -> Any:
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuv420p"
    context.time_base = Fraction(1, 30)
    context.thread_count = 1
    context.options = dict(options)
    return context


_TRIED = 3
"""Pictures that a GPU's encoder must encode before it is used."""


@cache
def _nvenc_works(width: int, height: int) -> bool:
    """Whether a GPU here really encodes pictures of a size.

    Many GPUs have no such unit, drivers in containers often come without it, and each kind has its
    own smallest and largest picture: only trying tells. What fails, fails within milliseconds
    where there is no driver.
    """
    try:
        return _encoded("h264_nvenc", _NVENC | {"qp": str(FINEST)}, width, height) == _TRIED
    except (av.FFmpegError, ValueError, MemoryError):
        return False


def _encoded(name: str, options: Mapping[str, str], width: int, height: int) -> int:
    """How many pictures come out of an encoder that a few gray ones go into."""
    gray = np.full((height * 3 // 2, width), 128, np.uint8)
    frame: Any = av.VideoFrame.from_ndarray(gray, format="yuv420p")
    context = _context(name, frame, options)
    packets: list[Any] = []
    for index in range(_TRIED):
        frame.pts, frame.time_base = index, context.time_base
        packets += context.encode(frame)
    return len([*packets, *context.encode(None)])
