"""The header of an nVision .isxb recording, read without decoding a picture.

Twelve 64-bit numbers; the pictures, as JPEGs one after the other; a JSON text with a sample for
each picture; a JSON text on the session. Source: Inscopix' isxcore, ``isxNVisionMovieFile.h``.

Everything that a file claims is checked here, since isx, which decodes the pictures, trusts it.
"""

import json
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tasks.errors import BadInput
from tasks.pose.movies.info import MAX_PIXELS

_HEADER_STRUCT = struct.Struct("<12Q")

HEADER_SIZE = _HEADER_STRUCT.size
"""Bytes at the beginning of a file that say where everything else is."""

MAX_SESSION_BYTES = 2**24
"""Bytes of JSON on a session; real ones have some 40 kB."""

MAX_SAMPLE_BYTES = 2**14
"""Bytes of JSON for each frame; real ones, with the tracker's findings, have some 200."""

MIN_PICTURE_BYTES = 100
"""Bytes below which there is no JPEG."""

_REMEDY = "copy it again from the recorder and send that file"


@dataclass(frozen=True)
class FileSection:
    """A part of the file, in bytes."""

    offset: int
    size: int


@dataclass(frozen=True)
class RecordingHeader:
    """Offsets and sizes of the parts of a file.

    Attributes:
        start: When the recording began, in seconds since 1970.
        stored: Frames that have a picture.
        dropped: Frames that have none.
        video: The pictures.
        samples: What was noted for each picture; empty where nothing was.
        session: How the recording was made.
    """

    start: Fraction
    stored: int
    dropped: int
    video: FileSection
    samples: FileSection
    session: FileSection


@dataclass(frozen=True)
class RecordingSession:
    """Recording settings.

    Attributes:
        start: When this file's part of it began, in seconds since 1970.
        recording: The name that the recorder gave it; None where there is none.
        camera: Which of the recorder's cameras it was.
        width: Columns of a frame.
        height: Rows of a frame.
        rate: Frames per second that the camera was set to; None where it is not known.
    """

    start: Fraction
    recording: str | None
    camera: str
    width: int
    height: int
    rate: Fraction | None

    @property
    def recorder_serials(self) -> str | None:
        """The serial numbers of the recorder, which stand before the time in a recording's name."""
        serials, _, _ = (self.recording or "").rpartition("-")
        return serials or None


def parse_header(data: bytes, file_size: int, name: str) -> RecordingHeader:
    """Read a file's first bytes.

    Args:
        data: The first `HEADER_SIZE` bytes of the file, or all of them where it has fewer.
        file_size: Bytes of the file.
        name: What to call the file in messages.

    Returns:
        The header; every section lies inside the file.

    Raises:
        BadInput: The file is none of the recorder's, or lacks its end.
    """
    if not data:
        raise BadInput(f"{name}: the file is empty (0 bytes); copy it again")
    if len(data) < HEADER_SIZE:
        raise _unknown_format_error(name, f"{len(data)} bytes")
    _, header_size, start, _, stored, dropped, *places = _HEADER_STRUCT.unpack(data)
    if header_size != HEADER_SIZE:
        raise _unknown_format_error(
            name, f"a header of {header_size:,} bytes instead of {HEADER_SIZE}"
        )
    video, samples, session = (FileSection(*places[i : i + 2]) for i in (0, 2, 4))
    header = RecordingHeader(Fraction(start, 1000), stored, dropped, video, samples, session)
    _check_sections(header, file_size, name)
    _check_declared_sizes(header, name)
    return header


def _unknown_format_error(name: str, found: str) -> BadInput:
    return BadInput(f"{name}: expected a movie of the nVision recorder, found {found}; {_REMEDY}")


def _check_sections(header: RecordingHeader, file_size: int, name: str) -> None:
    sections = {"pictures": header.video, "samples": header.samples, "session": header.session}
    for what, section in sections.items():
        end = section.offset + section.size
        if section.size and not HEADER_SIZE <= section.offset <= end <= file_size:
            raise BadInput(
                f"{name}: expected its {what} in bytes {section.offset:,} to {end:,}, found a file "
                f"of {file_size:,} bytes, so that a part of it is missing; {_REMEDY}"
            )


def _check_declared_sizes(header: RecordingHeader, name: str) -> None:
    if not header.stored:
        raise BadInput(f"{name}: it holds no frame; leave it out of the request")
    if header.stored > header.video.size // MIN_PICTURE_BYTES:
        raise BadInput(
            f"{name}: it claims {header.stored:,} pictures in {header.video.size:,} bytes; "
            f"{_REMEDY}"
        )
    if header.samples.size > MAX_SAMPLE_BYTES * header.stored or not header.session.size:
        raise BadInput(f"{name}: the parts that its header names cannot be right; {_REMEDY}")
    if header.session.size > MAX_SESSION_BYTES:
        raise BadInput(
            f"{name}: expected at most {MAX_SESSION_BYTES:,} bytes on its session, found "
            f"{header.session.size:,}; {_REMEDY}"
        )


def parse_session(data: bytes, header: RecordingHeader, name: str) -> RecordingSession:
    """Read how a recording was made.

    Args:
        data: The session's bytes.
        header: The file's header.
        name: What to call the file in messages.

    Raises:
        BadInput: It is no JSON, lacks the frame's size, or has a start that is no time.
    """
    session = _parse_json(data, "session", name)
    camera = _as_text(_get_nested(session, "cameraName")) or ""
    processing = _get_nested(session, "processingInterface")
    width, height = _parse_frame_size(session, camera)
    if not (width and height) or width * height > MAX_PIXELS:
        raise BadInput(
            f"{name}: expected the size of its frames, of at most {MAX_PIXELS:,} pixels, found "
            f"{width}×{height}; {_REMEDY}"
        )
    rate = _get_nested(processing, camera, "sensorParams", "sensorFov", "fps")
    return RecordingSession(
        start=_parse_start(session, header, name),
        recording=_as_text(_get_nested(processing, "recordingUUID")),
        camera=camera,
        width=width,
        height=height,
        rate=Fraction(_as_count(rate)) or None,
    )


def _parse_start(session: Any, header: RecordingHeader, name: str) -> Fraction:
    """Parse the start of a file's part of a recording; the header has milliseconds only."""
    told = _get_nested(session, "timingInfo", "start", "secsSinceEpoch")
    if told is None:
        return header.start
    start = _as_fraction(told)
    if start is None:  # isx would give the first frame, and then no other
        raise BadInput(
            f"{name}: expected the time at which it starts, found {_format_short_json(told)}; "
            f"{_REMEDY}"
        )
    return start


def _format_short_json(value: Any) -> str:
    """A value as JSON, fit for a sentence."""
    text = json.dumps(value)
    return text if len(text) <= _MAX_JSON_CHARACTERS else f"{text[:_MAX_JSON_CHARACTERS]}…"


_MAX_JSON_CHARACTERS = 60


def _parse_frame_size(session: Any, camera: str) -> tuple[int, int]:
    """Columns and rows, as isx finds them; 0 for what is not there."""
    if _get_nested(session, "spacingInfo") is not None:
        pixels = _get_nested(session, "spacingInfo", "numPixels")
        return _as_count(_get_nested(pixels, "x")), _as_count(_get_nested(pixels, "y"))
    view = _get_nested(session, "processingInterface", camera, "recordFov")
    return _as_count(_get_nested(view, "width")), _as_count(_get_nested(view, "height"))


@dataclass(frozen=True)
class FrameSamples:
    """The recorder's notes on each picture.

    Attributes:
        counter: Microseconds of the recorder's counter; empty where it is not known for all.
        numbers: The frames' numbers; empty where they are not known for all.
    """

    counter: tuple[int, ...]
    numbers: tuple[int, ...]


def parse_samples(data: bytes, header: RecordingHeader, name: str) -> FrameSamples:
    """Read what was noted for each picture.

    Raises:
        BadInput: It is no JSON, or not one sample for each picture.
    """
    if not data:
        return FrameSamples((), ())
    samples = _get_nested(_parse_json(data, "samples", name), "samples")
    if samples is None:
        return FrameSamples((), ())
    if not isinstance(samples, list) or len(samples) != header.stored:
        found = f"{len(samples):,}" if isinstance(samples, list) else "none"
        raise BadInput(
            f"{name}: expected a sample for each of {header.stored:,} pictures, found {found}; "
            f"{_REMEDY}"
        )
    return FrameSamples(_parse_column(samples, "tsc"), _parse_column(samples, "fc"))


def _parse_column(samples: list[Any], key: str) -> tuple[int, ...]:
    values = [_get_nested(sample, key) for sample in samples]
    known = [v for v in values if type(v) is int and 0 <= v < _MAX_EXACT_COUNT]
    return tuple(known) if len(known) == len(values) else ()


_MAX_EXACT_COUNT = 2**53
"""Counts below it are exact in the annotations' float64; it is 285 years of microseconds."""


def _parse_json(data: bytes, what: str, name: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name}: its {what} can't be read as JSON; {_REMEDY}") from error


def _get_nested(value: Any, *keys: str) -> Any:
    """Return the value below nested keys; None if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _as_text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _as_count(value: Any) -> int:
    return value if type(value) is int and value > 0 else 0


def _as_fraction(value: Any) -> Fraction | None:
    top, bottom = _get_nested(value, "num"), _as_count(_get_nested(value, "den"))
    return Fraction(top, bottom) if type(top) is int and bottom else None
