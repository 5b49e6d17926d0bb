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
from tasks.pose.movies.info import MAX_FRAME_RATE, REMEDY, Image
from tasks.pose.movies.isx_decoder import Decoder
from tasks.pose.movies.isxb_format import (
    HEADER_SIZE,
    Header,
    Samples,
    Section,
    Session,
    parse_header,
    parse_samples,
    parse_session,
)
from tasks.pose.movies.jpeg_count import count_pictures
from tasks.pose.movies.timing import runs

MOST_POSITIONS = 10_000_000
"""Frames of a recording, 92 hours at 30 frames/s; a claim of more is damage."""

LONGEST_PERIOD = 86_400.0
"""Seconds from frame to frame above which a claim is taken for damage."""

MICROSECONDS = 1e6


# --- opening -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opened:
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

    session: Session
    samples: Samples
    length: int
    positions: NDArray[np.int64]
    indices: NDArray[np.int64]
    dropped: tuple[tuple[int, int], ...]
    period: float
    decoder: Decoder

    def picture(self, index: int) -> Image | None:
        """A gray picture, shape (height, width); None where it can't be decoded."""
        return self.decoder.picture(index)


@contextmanager
def open_recording(path: Path, name: str) -> Iterator[Opened]:
    """Check a file, and open it with isx.

    Yields:
        The recording.

    Raises:
        BadInput: It is no recording, a part of it is missing, or its parts contradict each other.
    """
    header, session, samples = _described(path, name)
    _check_pictures(path, header, name)
    # isx knows a format by the end of the file's name, in lower case.
    with TemporaryDirectory(prefix="dlcflow-") as folder:
        link = Path(folder) / "movie.isxb"
        link.symlink_to(path.absolute())
        with Decoder(link, name) as decoder:
            yield _assembled(decoder, header, session, samples, name)


def _described(path: Path, name: str) -> tuple[Header, Session, Samples]:
    size = path.stat().st_size
    try:
        with path.open("rb") as file:

            def read(section: Section) -> bytes:
                file.seek(section.offset)
                return file.read(section.size)

            header = parse_header(read(Section(0, HEADER_SIZE)), size, name)
            session = parse_session(read(header.session), header, name)
            return header, session, parse_samples(read(header.samples), header, name)
    except IsADirectoryError:
        raise BadInput(f"{name}: expected a file, found a folder (Is a directory)") from None


def _check_pictures(path: Path, header: Header, name: str) -> None:
    changed = path.stat().st_mtime_ns
    found = _count(path, header.video.offset, header.video.size, changed, name)
    if found != header.stored:
        raise BadInput(
            f"{name}: expected {header.stored:,} pictures, found {found:,}, so that nobody can "
            f"tell which of them belongs to which time; {REMEDY}"
        )


@lru_cache(maxsize=64)
def _count(path: Path, offset: int, _size: int, _changed: int, name: str) -> int:
    return count_pictures(path, offset, name)


def _assembled(
    decoder: Decoder, header: Header, session: Session, samples: Samples, name: str
) -> Opened:
    timing = decoder.timing
    length = int(timing.num_samples)
    if not header.stored <= length <= MOST_POSITIONS:
        raise BadInput(
            f"{name}: it claims {length:,} frames and holds {header.stored:,} pictures; {REMEDY}"
        )
    dropped = _inside(timing.dropped, length)
    indices = _indices(timing, length, dropped)
    positions = indices
    if len(indices) != header.stored:
        # What was dropped may be listed by numbers that go on from file to file of a series.
        indices = indices[: header.stored]
        positions = _numbered(samples, header, length, name)
        dropped = np.setdiff1d(np.arange(length), positions)
        if len(indices) < len(positions):
            raise _contradiction(name)
    return Opened(
        session=session,
        samples=samples,
        length=length,
        positions=positions,
        indices=indices,
        dropped=runs(dropped.tolist()),
        period=_period(timing, positions, session, samples, name),
        decoder=decoder,
    )


def _indices(timing: Any, length: int, dropped: NDArray[np.int64]) -> NDArray[np.int64]:
    """What isx calls the frames that have a picture."""
    present = np.ones(length, dtype=bool)
    present[dropped] = False
    present[_inside(timing.blank, length)] = False
    for first, last in timing.cropped:
        present[first : last + 1] = False
    return np.flatnonzero(present).astype(np.int64)


def _inside(numbers: Iterable[int], length: int) -> NDArray[np.int64]:
    return np.unique(np.array([n for n in numbers if n < length], dtype=np.int64))


def _numbered(samples: Samples, header: Header, length: int, name: str) -> NDArray[np.int64]:
    """Positions by the numbers that the recorder gave to the frames of all files of a series."""
    positions = np.array(samples.numbers, dtype=np.int64)
    positions -= positions[:1]
    rising = bool((np.diff(positions) > 0).all())
    inside = rising and bool((positions < length).all())
    if not (len(positions) and inside and header.stored + header.dropped == length):
        raise _contradiction(name)
    return positions


def _contradiction(name: str) -> BadInput:
    return BadInput(
        f"{name}: its lists of frames contradict each other, so that nobody can tell which "
        f"picture belongs to which time; {REMEDY}"
    )


def _period(
    timing: Any, positions: NDArray[np.int64], session: Session, samples: Samples, name: str
) -> float:
    """Seconds from frame to frame: isx's, that of the counter, or what the camera was set to."""
    claims: list[float] = []
    step = timing.period
    with suppress(ZeroDivisionError):  # a recording of one frame
        claims.append(step.secs_float)
    if len(positions) > 1 and samples.counter:
        spent = (samples.counter[-1] - samples.counter[0]) / MICROSECONDS
        claims.append(spent / int(positions[-1] - positions[0]))
    if session.rate:
        claims.append(float(1 / session.rate))
    if len(positions) == 1:
        claims.append(1.0)
    sane = (claim for claim in claims if 1 / MAX_FRAME_RATE <= claim <= LONGEST_PERIOD)
    period = next(sane, None)
    if period is None:
        raise BadInput(f"{name}: it declares no frame rate; {REMEDY}")
    return period
