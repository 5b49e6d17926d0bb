"""Read .isxb movies through isx: the gray pictures that it gives, and the recorder's own times.

isx trusts a file: it never returns where pictures are fewer than the header claims. So the
file is checked first (`tasks.pose.movies.isxb.isxb_format`), and its pictures are counted without
decoding them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.pose.movies.info import DAMAGED_MOVIE_REMEDY, Image, MovieInfo
from tasks.pose.movies.isxb.isx_decoder import load_isx
from tasks.pose.movies.isxb.isxb_open import MICROSECONDS_PER_SECOND, OpenRecording, open_recording
from tasks.pose.movies.timing import RecordingInfo, Timing, is_strictly_increasing


def probe_recording(path: Path, name: str) -> MovieInfo:
    """Open a recording and decode its first frame; see `tasks.pose.movies.reader.probe_movie`."""
    with open_recording(path, name) as recording:
        found = (recording.decode_picture(index) for index in recording.indices.tolist())
        first = next((picture for picture in found if picture is not None), None)
        if first is None:
            raise BadInput(f"{name}: no frame of it can be decoded; {DAMAGED_MOVIE_REMEDY}")
        return MovieInfo(
            width=first.shape[1],
            height=first.shape[0],
            frame_rate=_compute_nominal_rate(recording.period),
            declared_frames=recording.length,
            codec="mjpeg",
            pixel_format="gray",
        )


@dataclass
class RecordingReader:
    """Reads a recording's frames once; see `tasks.pose.movies.reader.MovieReader`.

    Attributes:
        path: A local .isxb file.
        errors: Which frames could not be decoded, one sentence each.
    """

    path: Path
    errors: list[str] = field(default_factory=list)
    _read: list[int] = field(default_factory=list)
    _recording: "OpenRecording | None" = None

    def __post_init__(self) -> None:
        """Load isx here: frames may be asked for in another thread."""
        load_isx()

    def __iter__(self) -> Iterator[Image]:
        """Yield each decodable frame: isx's gray picture in three equal channels."""
        return (shot() for shot in self.read_lazy_images())

    def read_lazy_images(self) -> Iterator[Callable[[], Image]]:
        """Yield each decodable frame; what is left to be done is to give it three channels."""
        self._read.clear()
        self.errors.clear()
        with open_recording(self.path, self.path.name) as recording:
            self._recording = recording
            for place, index in enumerate(recording.indices.tolist()):
                picture = recording.decode_picture(index)
                if picture is None:
                    self.errors.append(f"frame {recording.positions[place]} can't be decoded")
                    continue
                self._read.append(place)
                yield partial(_to_three_channels, picture)

    def read_listing(self) -> None:
        """Read what the file lists, as if each of its pictures could be decoded."""
        self._read.clear()
        self.errors.clear()
        with open_recording(self.path, self.path.name) as recording:
            self._recording = recording
            self._read += range(len(recording.indices))

    def read_paintable_frames(self) -> Iterator[tuple[None, Callable[[], Image]]]:
        """Yield each decodable frame to be drawn on: only as RGB."""
        return ((None, partial(_return_unchanged, image)) for image in self)

    @property
    def frame_count(self) -> int:
        """Number of frames read so far."""
        return len(self._read)

    def compute_timing(self) -> Timing:
        """The time of every frame read so far, by the recorder's counter where there is one."""
        if self._recording is None:
            raise ValueError("A movie must be read before its times are known.")
        return _compute_recording_timing(self._recording, np.array(self._read, dtype=np.int64))


def _return_unchanged(image: Image) -> Image:
    return image


def _to_three_channels(picture: Image) -> Image:
    image = np.empty((*picture.shape, 3), np.uint8)
    image[:] = picture[:, :, None]
    return image


def _compute_recording_timing(opened: "OpenRecording", read: NDArray[np.int64]) -> Timing:
    positions = opened.positions[read]
    counter = np.full(len(read), np.nan)
    if opened.samples.counter:
        counter = np.array(opened.samples.counter, dtype=np.float64)[read]
    counted = bool(opened.samples.counter) and is_strictly_increasing(counter)
    first = slice(0, 1)
    if counted:
        seconds = (counter - counter[first]) / MICROSECONDS_PER_SECOND
    else:
        seconds = (positions - positions[first]) * opened.period
    recording = RecordingInfo(
        start=opened.session.start,
        name=opened.session.recording,
        system=opened.session.recorder_serials,
        length=opened.length,
        positions=positions,
        counter=counter,
        dropped=opened.dropped,
        warnings=() if counted else (_NO_COUNTER_WARNING,),
    )
    return Timing(
        seconds, _compute_nominal_rate(opened.period), constant=False, recording=recording
    )


_NO_COUNTER_WARNING = (
    "the recording has no usable hardware counter; times are frame numbers times the mean period"
)


def _compute_nominal_rate(period: float) -> Fraction:
    """Frames per second to two decimals, as isx's own export to MP4 has it."""
    return Fraction(round(100 / period), 100) or 1 / Fraction(period)
