"""Read .isxb movies through isx: the gray pictures that it gives, and the recorder's own times.

isx trusts a file: it never returns where pictures are fewer than the header claims. So the file
is checked first (`tasks.pose.isxb`), and its pictures are counted, without decoding them.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.errors import BadInput
from tasks.pose.isx_decoder import Decoder, load_isx
from tasks.pose.isxb import (
    HEADER_SIZE,
    Header,
    Samples,
    Section,
    Session,
    parse_header,
    parse_samples,
    parse_session,
)
from tasks.pose.jpeg import count_pictures
from tasks.pose.movie_info import MAX_FRAME_RATE, REMEDY, Image, MovieInfo
from tasks.pose.timing import Recording, Timing, counts_up, runs

MOST_POSITIONS = 10_000_000
"""Frames of a recording, 92 hours at 30 frames/s; a claim of more is damage."""

LONGEST_PERIOD = 86_400.0
"""Seconds from frame to frame above which a claim is taken for damage."""

MICROSECONDS = 1e6


def probe_recording(path: Path, name: str) -> MovieInfo:
    """Open a recording and decode its first frame; see `tasks.pose.movies.probe`."""
    with _opened(path, name) as recording:
        found = (recording.picture(index) for index in recording.indices.tolist())
        first = next((picture for picture in found if picture is not None), None)
        if first is None:
            raise BadInput(f"{name}: no frame of it can be decoded; {REMEDY}")
        return MovieInfo(
            width=first.shape[1],
            height=first.shape[0],
            frame_rate=_nominal_rate(recording.period),
            declared_frames=recording.length,
            codec="mjpeg",
            pixel_format="gray",
        )


@dataclass
class RecordingReader:
    """Reads a recording's frames once; see `tasks.pose.movies.MovieReader`.

    Attributes:
        path: A local .isxb file.
        errors: Which frames could not be decoded, one sentence each.
    """

    path: Path
    errors: list[str] = field(default_factory=list)
    _read: list[int] = field(default_factory=list)
    _recording: "_Opened | None" = None

    def __post_init__(self) -> None:
        """Load isx here: frames may be asked for in another thread."""
        load_isx()

    def __iter__(self) -> Iterator[Image]:
        """Yield each decodable frame: isx's gray picture in three equal channels."""
        return (shot() for shot in self.shots())

    def shots(self) -> Iterator[Callable[[], Image]]:
        """Yield each decodable frame; what is left to be done is to give it three channels."""
        self._read.clear()
        self.errors.clear()
        with _opened(self.path, self.path.name) as recording:
            self._recording = recording
            for place, index in enumerate(recording.indices.tolist()):
                picture = recording.picture(index)
                if picture is None:
                    self.errors.append(f"frame {recording.positions[place]} can't be decoded")
                    continue
                self._read.append(place)
                yield partial(_three_channels, picture)

    def pictures(self) -> Iterator[tuple[None, Callable[[], Image]]]:
        """Yield each decodable frame to be drawn on: only as RGB."""
        return ((None, partial(_same, image)) for image in self)

    @property
    def frames(self) -> int:
        """How many frames have been read so far."""
        return len(self._read)

    def timing(self) -> Timing:
        """The time of every frame read so far, by the recorder's counter where there is one."""
        if self._recording is None:
            raise ValueError("A movie must be read before its times are known.")
        return _timing(self._recording, np.array(self._read, dtype=np.int64))


def _same(image: Image) -> Image:
    return image


def _three_channels(picture: Image) -> Image:
    image = np.empty((*picture.shape, 3), np.uint8)
    image[:] = picture[:, :, None]
    return image


def _timing(opened: "_Opened", read: NDArray[np.int64]) -> Timing:
    positions = opened.positions[read]
    counter = np.full(len(read), np.nan)
    if opened.samples.counter:
        counter = np.array(opened.samples.counter, dtype=np.float64)[read]
    counted = bool(opened.samples.counter) and counts_up(counter)
    first = slice(0, 1)
    if counted:
        seconds = (counter - counter[first]) / MICROSECONDS
    else:
        seconds = (positions - positions[first]) * opened.period
    recording = Recording(
        start=opened.session.start,
        name=opened.session.recording,
        system=opened.session.system,
        length=opened.length,
        positions=positions,
        counter=counter,
        dropped=opened.dropped,
        warnings=() if counted else (_NO_COUNTER,),
    )
    return Timing(seconds, _nominal_rate(opened.period), constant=False, recording=recording)


_NO_COUNTER = (
    "the recording has no usable hardware counter; times are frame numbers times the mean period"
)


def _nominal_rate(period: float) -> Fraction:
    """Frames per second to two decimals, as isx's own export to MP4 has it."""
    return Fraction(round(100 / period), 100) or 1 / Fraction(period)


# --- opening -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Opened:
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
def _opened(path: Path, name: str) -> Iterator[_Opened]:
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
) -> _Opened:
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
    return _Opened(
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
