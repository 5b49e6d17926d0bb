"""Open an Inscopix recording: check its sections and assemble its frames."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.pose.movies.info import DAMAGED_MOVIE_REMEDY, MAX_FRAME_RATE, Image
from tasks.pose.movies.isxb.isx_decoder import IsxDecoder
from tasks.pose.movies.isxb.isxb_format import (
    HEADER_SIZE,
    FileSection,
    FrameSamples,
    RecordingHeader,
    RecordingSession,
    parse_header,
    parse_samples,
    parse_session,
)
from tasks.pose.movies.isxb.jpeg_count import count_pictures
from tasks.pose.movies.timing import group_into_ranges

MAX_POSITIONS = 10_000_000
"""Frames of a recording, 92 hours at 30 frames/s; a claim of more is damage."""

MAX_FRAME_PERIOD_S = 86_400.0
"""Seconds from frame to frame above which a claim is taken for damage."""

MICROSECONDS_PER_SECOND = 1e6


# --- opening -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class OpenRecording:
    """A recording that has been checked and that isx has open.

    Attributes:
        session: How it was made.
        samples: What was noted for each picture.
        length: Positions, those included that have no picture.
        positions: Where each picture stands in the recording.
        indices: What isx calls each picture.
        dropped: Positions that the recorder dropped.
        period: Seconds from frame to frame, on average.
        decoder: Gives pictures.
    """

    session: RecordingSession
    samples: FrameSamples
    length: int
    positions: NDArray[np.int64]
    indices: NDArray[np.int64]
    dropped: tuple[tuple[int, int], ...]
    period: float
    decoder: IsxDecoder

    def decode_picture(self, index: int) -> Image | None:
        """A gray picture, shape (height, width); None where it can't be decoded."""
        return self.decoder.decode_picture(index)


@contextmanager
def open_recording(path: Path, name: str) -> Iterator[OpenRecording]:
    """Check a file, and open it with isx.

    Yields:
        The recording.

    Raises:
        BadInput: It is no recording, a part of it is missing, or its parts contradict each other.
    """
    header, session, samples = _read_description(path, name)
    _check_picture_count(path, header, name)
    # isx knows a format by the end of the file's name, in lower case.
    with TemporaryDirectory(prefix="dlcflow-") as folder:
        link = Path(folder) / "movie.isxb"
        link.symlink_to(path.absolute())
        with IsxDecoder(link, name) as decoder:
            yield _build_open_recording(decoder, header, session, samples, name)


def _read_description(
    path: Path, name: str
) -> tuple[RecordingHeader, RecordingSession, FrameSamples]:
    size = path.stat().st_size
    try:
        with path.open("rb") as file:

            def read_section(section: FileSection) -> bytes:
                file.seek(section.offset)
                return file.read(section.size)

            header = parse_header(read_section(FileSection(0, HEADER_SIZE)), size, name)
            session = parse_session(read_section(header.session), header, name)
            return header, session, parse_samples(read_section(header.samples), header, name)
    except IsADirectoryError:
        raise BadInput(f"{name}: expected a file, found a folder (Is a directory)") from None


def _check_picture_count(path: Path, header: RecordingHeader, name: str) -> None:
    changed = path.stat().st_mtime_ns
    found = _count_pictures_cached(path, header.video.offset, header.video.size, changed, name)
    if found != header.stored:
        raise BadInput(
            f"{name}: expected {header.stored:,} pictures, found {found:,}, so that no picture "
            f"can be matched with its time; {DAMAGED_MOVIE_REMEDY}"
        )


@lru_cache(maxsize=64)
def _count_pictures_cached(path: Path, offset: int, _size: int, _changed: int, name: str) -> int:
    return count_pictures(path, offset, name)


def _build_open_recording(
    decoder: IsxDecoder,
    header: RecordingHeader,
    session: RecordingSession,
    samples: FrameSamples,
    name: str,
) -> OpenRecording:
    timing = decoder.timing
    length = int(timing.num_samples)
    if not header.stored <= length <= MAX_POSITIONS:
        raise BadInput(
            f"{name}: it claims {length:,} frames and holds {header.stored:,} pictures; "
            f"{DAMAGED_MOVIE_REMEDY}"
        )
    dropped = _positions_below(timing.dropped, length)
    indices = _find_picture_indices(timing, length, dropped)
    positions = indices
    if len(indices) != header.stored:
        # What was dropped may be listed by numbers that go on from file to file of a series.
        indices = indices[: header.stored]
        positions = _compute_positions(samples, header, length, name)
        dropped = np.setdiff1d(np.arange(length), positions)
        if len(indices) < len(positions):
            raise _contradiction_error(name)
    return OpenRecording(
        session=session,
        samples=samples,
        length=length,
        positions=positions,
        indices=indices,
        dropped=group_into_ranges(dropped.tolist()),
        period=_compute_period(timing, positions, session, samples, name),
        decoder=decoder,
    )


def _find_picture_indices(
    timing: Any, length: int, dropped: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return isx's indices of the frames that have a picture."""
    present = np.ones(length, dtype=bool)
    present[dropped] = False
    present[_positions_below(timing.blank, length)] = False
    for first, last in timing.cropped:
        present[first : last + 1] = False
    return np.flatnonzero(present).astype(np.int64)


def _positions_below(numbers: Iterable[int], length: int) -> NDArray[np.int64]:
    return np.unique(np.array([n for n in numbers if n < length], dtype=np.int64))


def _compute_positions(
    samples: FrameSamples, header: RecordingHeader, length: int, name: str
) -> NDArray[np.int64]:
    """Positions by the numbers that the recorder gave to the frames of all files of a series."""
    positions = np.array(samples.numbers, dtype=np.int64)
    positions -= positions[:1]
    rising = bool((np.diff(positions) > 0).all())
    inside = rising and bool((positions < length).all())
    if not (len(positions) and inside and header.stored + header.dropped == length):
        raise _contradiction_error(name)
    return positions


def _contradiction_error(name: str) -> BadInput:
    return BadInput(
        f"{name}: its lists of frames contradict each other, so that no picture can be matched "
        f"with its time; {DAMAGED_MOVIE_REMEDY}"
    )


def _compute_period(
    timing: Any,
    positions: NDArray[np.int64],
    session: RecordingSession,
    samples: FrameSamples,
    name: str,
) -> float:
    """Seconds from frame to frame: isx's, that of the counter, or what the camera was set to."""
    claims: list[float] = []
    step = timing.period
    with suppress(ZeroDivisionError):  # a recording of one frame
        claims.append(step.secs_float)
    if len(positions) > 1 and samples.counter:
        spent = (samples.counter[-1] - samples.counter[0]) / MICROSECONDS_PER_SECOND
        claims.append(spent / int(positions[-1] - positions[0]))
    if session.rate:
        claims.append(float(1 / session.rate))
    if len(positions) == 1:
        claims.append(1.0)
    sane = (claim for claim in claims if 1 / MAX_FRAME_RATE <= claim <= MAX_FRAME_PERIOD_S)
    period = next(sane, None)
    if period is None:
        raise BadInput(f"{name}: it declares no frame rate; {DAMAGED_MOVIE_REMEDY}")
    return period
