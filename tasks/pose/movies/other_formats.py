"""Recognize files that are called MP4 or AVI and are something else, and say how to mend them."""

import re
import shlex
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from tasks.pose.movies.mp4_boxes import is_without_header

_START = rb"\A\x00*\x00\x00\x01"
"""A start code, which every part of a bare stream begins with, after any zeros."""


@dataclass(frozen=True)
class _Stream:
    """A codec's pictures one after the other, without a container and so without times.

    Attributes:
        name: What people call it.
        form: What FFmpeg calls it.
        begins: What such a file begins with.
    """

    name: str
    form: str
    begins: re.Pattern[bytes]


_STREAMS = (
    # A parameter set, a delimiter, a message, or (of a camera that was already running) a picture.
    _Stream(
        "H.264", "h264", re.compile(_START + rb"[\x06\x09\x27\x47\x67\x25\x45\x65]", re.DOTALL)
    ),
    _Stream("HEVC", "hevc", re.compile(_START + rb"[\x40\x42\x44\x46\x4e]\x01", re.DOTALL)),
    _Stream("MPEG-4", "m4v", re.compile(_START + rb"[\xb0\xb5\x00-\x05\x20-\x2f]", re.DOTALL)),
    _Stream("MPEG-1 or MPEG-2", "mpegvideo", re.compile(_START + rb"\xb3", re.DOTALL)),
    _Stream("MJPEG", "mjpeg", re.compile(rb"\A\xff\xd8\xff.*\xff\xd9\x00*\xff\xd8\xff", re.DOTALL)),
)

_CONTAINERS = (
    ("a Matroska or WebM movie", re.compile(rb"\A\x1a\x45\xdf\xa3")),
    ("an MPEG transport stream", re.compile(rb"\A(?:.{4})?\x47.{187}(?:.{4})?\x47", re.DOTALL)),
    ("an MPEG program stream", re.compile(_START + rb"\xba", re.DOTALL)),
    ("a Windows Media movie", re.compile(rb"\A\x30\x26\xb2\x75\x8e\x66\xcf\x11")),
    ("a Flash movie", re.compile(rb"\AFLV\x01")),
    ("an Ogg movie", re.compile(rb"\AOggS")),
)

_BOXES = {b"ftyp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"uuid"}
"""First bytes of a damaged MP4, after a size that may look like a start code."""

_NO_HEADER = (
    "found an MP4 that lacks its header (moov), which most cameras and programs write when a "
    "recording ends: it was not ended, or is only a part; copy it again, or have a repair program "
    "such as untrunc rebuild it with the help of a sound recording of the same camera"
)

_BYTES_LOOKED_AT = 2**22


def recognize_format(path: Path, name: str) -> str | None:
    """Say what a file is that is called MP4 or AVI, and the command that mends that.

    Args:
        path: A file that FFmpeg opens as neither.
        name: What to call it in the command.

    Returns:
        The second half of a sentence; None where it is nothing that is known.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        data = file.read(_BYTES_LOOKED_AT)
    if data[4:8] in _BOXES:
        return _NO_HEADER if is_without_header(path) else None
    for stream in _STREAMS:
        if stream.begins.search(data):
            return _describe_stream(stream, path, name)
    for what, begins in _CONTAINERS:
        if begins.search(data):
            command = _command(f"-i {shlex.quote(name)} -c copy", name, "mp4")
            return f"found {what} of that name; put its pictures into MP4, as they are: {command}"
    return None


def _describe_stream(stream: _Stream, path: Path, name: str) -> str:
    reorders, told = _look_into(stream, path)
    rate = told or Fraction(30)
    # Where frames are stored in another order than they are shown in, FFmpeg's MP4 loses the last
    # ones if they have no times. An AVI needs none, but HEVC cannot be read back from there.
    how, suffix = "-c copy", "mp4"
    if reorders:
        how, suffix = ("-c:v libx264 -crf 10", "mp4") if stream.form == "hevc" else (how, "avi")
    known = f"by the stream {float(rate):g}" if told else "for example 30"
    source = f"-framerate {rate} -f {stream.form} -i {shlex.quote(name)}"
    return (
        f"found a bare {stream.name} stream, which plays but does not say when its frames are "
        f"shown; put it into {'an AVI' if suffix == 'avi' else 'an MP4'} with the frame rate that "
        f"it was recorded at ({known}): {_command(f'{source} {how}', name, suffix)}"
    )


def _look_into(stream: _Stream, path: Path) -> tuple[bool, Fraction | None]:
    """Read whether frames are shown in another order than stored, and the stored rate."""
    import av  # noqa: PLC0415

    try:
        with av.open(
            f"file:{path}", format=stream.form, options={"protocol_whitelist": "file"}
        ) as container:
            context: Any = container.streams.video[0].codec_context
            rate = context.framerate
            return bool(context.has_b_frames), Fraction(rate) if rate else None
    except (av.FFmpegError, ValueError, IndexError):
        return False, None


def _command(arguments: str, name: str, suffix: str) -> str:
    target = shlex.quote(f"{Path(name).stem}-with-times.{suffix}")
    return f"ffmpeg {arguments} {target}"
