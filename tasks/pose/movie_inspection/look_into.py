"""Look into one movie: what its file says, what is there, and what a run would make of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tasks.errors import BadInput
from tasks.pose.clock.experiment_clock import ExperimentClock, UnusedTimes
from tasks.pose.clock.read_clock import read_clock
from tasks.pose.movie_inspection.movie_facts import FrameGap, MovieFacts
from tasks.pose.movies.frame_ledger import (
    FrameLedger,
    create_ledger,
    decode_warnings,
    find_lost_ranges,
    lost_frame_warnings,
)
from tasks.pose.movies.info import MovieInfo
from tasks.pose.movies.reader import is_recording, open_movie, probe_movie
from tasks.pose.movies.start_times import compute_duration
from tasks.pose.movies.timing import Timing
from tasks.pose.settings import QualityThresholds
from tasks.pose.times_settings import TimesSettings

GAP_STEPS = 1.5
"""Median steps from one frame to the next above which there is a gap."""

_DECIMALS = 6
"""Of seconds: clocks count microseconds at the finest."""

MAX_GAPS = 10
"""Gaps that are named, the longest; the others are counted."""


@dataclass(frozen=True)
class TimesToInspect:
    """A file with the times of a movie's frames.

    Attributes:
        path: A local file.
        name: What to call it in messages.
        location: Where it comes from.
        settings: What the user says of it.
    """

    path: Path
    name: str
    location: str
    settings: TimesSettings


@dataclass(frozen=True)
class MovieToInspect:
    """A movie that is looked into.

    Attributes:
        path: A local file.
        name: What to call it in messages.
        location: Where it comes from.
        size: Bytes of the object.
        times: Its times file; None where it has none.
    """

    path: Path
    name: str
    location: str
    size: int
    times: TimesToInspect | None = None


def look_into_movie(
    movie: MovieToInspect,
    decodes: bool,
    sheet: Path | None,
    *,
    progress: Callable[[int], None],
) -> MovieFacts:
    """Find out what a movie is.

    Args:
        movie: The movie.
        decodes: Whether to decode every frame. If not, the file's lists of frames count, and
            those are read alone.
        sheet: The file to draw its contact sheet in; None for none.
        progress: Called with the frames that are decoded so far.

    Returns:
        What was found; of a movie that cannot be read, why.
    """
    known: dict[str, Any] = {"location": movie.location, "size": movie.size}
    try:
        info = probe_movie(movie.path, movie.name)
        timing, errors = _read_timing(movie.path, decodes, progress)
        clock = _read_clock(movie.times, timing, info.declared_frames)
    except BadInput as error:
        return MovieFacts(usable=False, problems=(str(error),), **known)
    if not len(timing.seconds):
        problem = f"{movie.name}: none of its frames is there"
        return MovieFacts(usable=False, problems=(problem,), **known)
    if sheet is not None:
        from tasks.pose.movie_inspection.contact_sheet import draw_contact_sheet  # noqa: PLC0415 - matplotlib

        if draw_contact_sheet(movie.path, movie.name, timing, sheet):
            known["sheet"] = str(sheet)
    ledger = create_ledger(info.declared_frames, timing)
    return MovieFacts(
        usable=True,
        warnings=tuple(_list_warnings(info, timing, ledger, errors, clock)),
        verdict=_judge_frames(ledger),
        container=_name_container(movie.path),
        codec=info.codec,
        pixel_format=info.pixel_format,
        width=info.width,
        height=info.height,
        turned=_read_turn(movie.path, movie.name),
        decoded=decodes,
        declared_frames=ledger.declared,
        frames=ledger.decoded,
        lost_frames=ledger.lost_frame_count,
        lost_ranges=find_lost_ranges(info.declared_frames, timing),
        dropped_frames=ledger.dropped_frame_count,
        dropped_ranges=ledger.dropped,
        recorded=_read_recorded(timing),
        times_file=movie.times and movie.times.location,
        times=clock.record if isinstance(clock, ExperimentClock) else None,
        **_describe_times(timing),
        **known,
    )


def _read_timing(
    path: Path, decodes: bool, progress: Callable[[int], None]
) -> tuple[Timing, tuple[str, ...]]:
    reader = open_movie(path)
    if decodes:
        for _ in reader.read_lazy_images():
            progress(reader.frame_count)
    else:
        reader.read_listing()
    return reader.compute_timing(), tuple(reader.errors)


def _read_clock(
    times: TimesToInspect | None, timing: Timing, declared: int | None
) -> ExperimentClock | UnusedTimes | None:
    """Read a movie's times file as a run would; one without a frame needs none."""
    if times is None or not len(timing.seconds):
        return None
    return read_clock(times.path, times.name, times.settings, timing, declared)


def _list_warnings(
    info: MovieInfo,
    timing: Timing,
    ledger: FrameLedger,
    errors: tuple[str, ...],
    clock: ExperimentClock | UnusedTimes | None,
) -> list[str]:
    """List the warnings that a run would give, in its order."""
    return [
        *info.warnings,
        *(timing.recording.warnings if timing.recording else ()),
        *ledger.dropped_frame_warnings(),
        *decode_warnings(errors),
        *lost_frame_warnings(info.declared_frames, timing),
        *timing.warnings,
        *(clock.warnings if isinstance(clock, ExperimentClock) else ()),
        *([clock.warning] if isinstance(clock, UnusedTimes) else ()),
    ]


def _judge_frames(ledger: FrameLedger) -> Literal["pass", "look", "fail"]:
    lost = ledger.lost_frame_count
    if not lost:
        return "pass"
    share = lost / (lost + ledger.decoded)
    return "fail" if share >= QualityThresholds().lost_fail else "look"


def _name_container(path: Path) -> str:
    if is_recording(path):
        return "Inscopix recording"
    return "AVI" if path.suffix.lower() == ".avi" else "MP4"


def _read_turn(path: Path, name: str) -> int:
    """Degrees by which pictures are turned, 0 to 270; other angles turn nothing."""
    if is_recording(path):
        return 0
    from tasks.pose.movies.ffmpeg_container import open_container, read_geometry  # noqa: PLC0415

    with open_container(path, name) as (_, stream):
        return 90 * read_geometry(path, stream).quarter_turns


def _read_recorded(timing: Timing) -> datetime | None:
    if timing.recording is None:
        return None
    return datetime.fromtimestamp(float(timing.recording.start), UTC)


def _describe_times(timing: Timing) -> dict[str, Any]:
    seconds, steps = timing.seconds, np.diff(timing.seconds)
    found: dict[str, Any] = {
        "frame_rate": float(timing.frame_rate),
        "constant_rate": timing.constant,
        "seconds": round(float(compute_duration(timing)), _DECIMALS),
    }
    if not len(steps):
        return found
    median = float(np.median(steps))
    places = np.flatnonzero(steps > GAP_STEPS * median)
    longest = np.sort(places[np.argsort(-steps[places], kind="stable")][:MAX_GAPS])
    gaps = tuple(
        FrameGap(
            after=int(n),
            at=round(float(seconds[n]), _DECIMALS),
            seconds=round(float(steps[n]), _DECIMALS),
        )
        for n in longest
    )
    step = tuple(round(float(s), _DECIMALS) for s in (steps.min(), median, steps.max()))
    return found | {"step": step, "gaps": gaps, "gap_count": len(places)}
