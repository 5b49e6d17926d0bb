"""Kinds of movies drawn at random: container × codec × frame pattern × damage."""

import random
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

_INTRA = {"mjpeg", "ffv1", "huffyuv", "rawvideo", "png", "prores_ks"}
"""Codecs whose every frame stands for itself."""

_REORDERING = {"libx264", "libx265", "mpeg4", "mpeg1video", "mpeg2video"}

_QUIET = {
    "libx264": {"preset": "ultrafast", "crf": "15", "threads": "1", "sc_threshold": "0"},
    "libx265": {"preset": "ultrafast", "crf": "15"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "15"},
    "mpeg4": {"qscale": "2"},
    "ffv1": {"g": "1"},
}
"""Options with which an encoder is quick, says nothing, and writes pictures that can be told."""

_MP4_CODECS = (
    ("libx264", "yuv420p"), ("libx264", "yuv420p"), ("libx264", "yuv444p"), ("libx264", "gray"),
    ("libx264", "yuv420p10le"), ("libx265", "yuv420p"), ("mpeg4", "yuv420p"),
    ("mjpeg", "yuvj420p"), ("libvpx-vp9", "yuv420p"), ("mpeg2video", "yuv420p"), ("png", "rgb24"),
)  # fmt: skip
_MOV_CODECS = (
    *(c for c in _MP4_CODECS if c[0] != "libvpx-vp9"),
    ("prores_ks", "yuv422p10le"),
    ("rawvideo", "uyvy422"),
)
_AVI_CODECS = (
    ("libx264", "yuv420p"), ("mpeg4", "yuv420p"), ("mjpeg", "yuvj420p"), ("mjpeg", "yuvj422p"),
    ("msmpeg4v3", "yuv420p"), ("mpeg1video", "yuv420p"), ("mpeg2video", "yuv420p"),
    ("ffv1", "yuv420p"), ("huffyuv", "yuv422p"), ("rawvideo", "bgr24"), ("png", "rgb24"),
)  # fmt: skip
_FLAGS = {
    "mp4": ("", "faststart", "faststart", "negative_cts_offsets", "faststart+negative_cts_offsets"),
    "mov": ("", "faststart"),
    "fragments": (
        "frag_keyframe+empty_moov",
        "frag_keyframe+empty_moov+default_base_moof",
        "frag_keyframe+empty_moov+negative_cts_offsets+default_base_moof",
        "frag_every_frame+empty_moov+default_base_moof",
        "frag_keyframe+empty_moov+delay_moov",
    ),
}
_NTSC = Fraction(30000, 1001)


@dataclass(frozen=True)
class MovieKind:
    """A kind of movie, drawn at random.

    Attributes:
        container: ``mp4``, ``mov``, ``fragments`` (of an MP4), or ``avi``.
        codec: FFmpeg's encoder and pixel format.
        options: Of the encoder.
        flags: Of the MP4's writer, or the index that an AVI has.
        size: Columns and rows.
        rate: Frames per second.
        steps: Periods from each frame to the next; ticks of `clock` where there is one.
        clock: What times are multiples of; None for those of the rate.
        degrees: By how much the container turns pictures.
        edit: First frame that an MP4's edit list shows, and how many it shows.
        damage: ``none``, ``cut``, ``zeros`` (in place of frames), ``missing`` (frames).
        share: Where the damage is.
        unfinished: Whether an AVI's header counts no frames.
    """

    container: str
    codec: tuple[str, str]
    options: dict[str, str]
    flags: str
    size: tuple[int, int]
    rate: Fraction
    steps: tuple[int, ...]
    clock: Fraction | None = None
    degrees: int = 0
    edit: tuple[int, int] | None = None
    damage: str = "none"
    share: float = 0
    unfinished: bool = False

    @property
    def is_intra(self) -> bool:
        """Whether each frame stands for itself."""
        return self.codec[0] in _INTRA

    @property
    def has_b_frames(self) -> bool:
        """Whether frames may be stored in another order than they are shown in."""
        return self.options.get("bf", "0") != "0"


def draw_kind(rng: random.Random) -> MovieKind:
    """Draw a kind of movie."""
    container = rng.choice(["mp4", "mp4", "mov", "fragments", "avi", "avi"])
    codecs = {"avi": _AVI_CODECS, "mov": _MOV_CODECS}.get(container, _MP4_CODECS)
    codec = rng.choice(codecs)
    frames = rng.randint(1, 20)
    kind = MovieKind(
        container, codec, _draw_options(rng, codec[0]), "", _draw_size(rng, codec),
        rng.choice([Fraction(25), Fraction(30), _NTSC]), (1,) * (frames - 1),
        damage=rng.choice(["none", "none", "cut", "zeros", "missing"]), share=rng.random(),
    )  # fmt: skip
    if container == "avi":
        gaps = rng.random() < 0.5 and not kind.has_b_frames and frames > 4
        steps = tuple(
            rng.choice([2, 4]) if gaps and n % 3 == 1 and rng.random() < 0.7 else 1
            for n in range(frames - 1)
        )
        index = rng.choice(["idx1", "OpenDML", ""])
        return replace(kind, steps=steps, flags=index, unfinished=rng.random() < 0.5)
    return _draw_mp4(rng, replace(kind, flags=rng.choice(_FLAGS[container])))


def _draw_mp4(rng: random.Random, kind: MovieKind) -> MovieKind:
    pattern = rng.choice(["even", "even", "gaps", "uneven"])
    # MPEG-2 knows no other times; MPEG-4 leaves frames out, so that B-frames come in time.
    even_only = kind.codec[0] == "mpeg2video" or (kind.codec[0] == "mpeg4" and kind.has_b_frames)
    if not even_only and pattern != "even":
        if pattern == "gaps":
            kind = replace(kind, steps=tuple(rng.choice([1, 1, 1, 2, 5]) for _ in kind.steps))
        else:
            # MPEG-4 takes no clock that is finer than 16 bits.
            ticks = [1000, 600] if kind.codec[0] == "mpeg4" else [1000, 600, 90000]
            clock = Fraction(1, rng.choice(ticks))
            usual = round(1 / (kind.rate * clock))
            steps = tuple(rng.randint(usual // 2, 2 * usual) for _ in kind.steps)
            kind = replace(kind, steps=steps, clock=clock)
    frames = len(kind.steps) + 1
    if kind.container != "fragments" and frames > 2 and rng.random() < 0.3:
        first = rng.randrange(frames - 1)
        kind = replace(kind, edit=(first, rng.randint(1, frames - first)))
    return replace(kind, degrees=rng.choice([0, 0, 90, 180, 270]))


def _draw_options(rng: random.Random, codec: str) -> dict[str, str]:
    options = dict(_QUIET.get(codec, {}))
    if codec in _INTRA:
        return options
    key, reordered = rng.choice(["1", "4", "12", "100"]), rng.choice(["0", "1", "2", "3"])
    options["g"] = key
    if codec in _REORDERING and key != "1":
        options["bf"] = reordered
    if codec in {"mpeg4", "mpeg1video", "mpeg2video"}:
        options["b_strategy"] = "0"
    if codec == "libx264":
        options["x264-params"] = f"open-gop={rng.randint(0, 1)}:b-pyramid={rng.choice(['0', '2'])}"
        options["slices"] = rng.choice(["0", "2"])
    if codec == "libx265":
        options["x265-params"] = (
            f"log-level=none:pools=none:frame-threads=1:open-gop={rng.randint(0, 1)}:keyint={key}"
            f":bframes={options.get('bf', 0)}"
        )
    return options


def _draw_size(rng: random.Random, codec: tuple[str, str]) -> tuple[int, int]:
    if codec[0] == "libx265":
        return 96, 64  # x265 writes beyond its memory for less than one of its blocks
    width, height = rng.choice([32, 48, 64]), rng.choice([32, 48])
    any_side = codec[1] in {"yuv444p", "gray", "bgr24", "rgb24", "yuvj420p"} or codec[0] == "ffv1"
    return (width + 3, height + 1) if any_side and rng.random() < 0.3 else (width, height)


def draw_numbered_picture(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """A picture with its number in six light or dark bars, over something that moves."""
    image = np.empty((height, width, 3), np.uint8)
    ramp = np.linspace(20, 235, width, dtype=np.uint8)
    image[:] = np.roll(ramp, 5 * index)[None, :, None]
    image[height // 2 :, :, 2] = (37 * index) % 256
    for bit in range(_BITS):
        columns = slice(bit * width // _BITS, (bit + 1) * width // _BITS)
        image[: height // 2, columns] = 225 if index >> bit & 1 else 30
    return image


_BITS = 6


def read_number(image: NDArray[Any]) -> int:
    """The number of a picture, as `draw_numbered_picture` has written it."""
    height, width = image.shape[:2]
    middles = [(2 * bit + 1) * width // (2 * _BITS) for bit in range(_BITS)]
    return sum(int(image[height // 4, x].mean() > 128) << bit for bit, x in enumerate(middles))
