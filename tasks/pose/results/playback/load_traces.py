"""A delivered movie's traces, from its pose file and the run's annotations."""

from collections.abc import Callable
from pathlib import Path

from tasks.errors import BadInput
from tasks.pose.results.playback.annotated_times import AnnotatedTimes
from tasks.pose.results.playback.keypoint_traces import (
    FrameClock,
    KeypointTraces,
    build_annotated_clock,
    build_even_clock,
    build_traces,
)
from tasks.pose.results.run_record import MovieRecord
from tasks.pose.untrusted.pose_h5 import PoseFile, read_untrusted_poses

_FALLBACK_FRAME_RATE = 30.0
"""Frames per second of a movie whose record tells none."""


def find_pose_file(movie: MovieRecord) -> str | None:
    """Find which of a movie's outputs holds the poses that are delivered; None if none does.

    Records of runs before October 2026 do not name it.
    """
    found = sorted((n for n in movie.outputs if n.endswith(".h5") and "/" not in n), key=len)
    return movie.pose_file or next(reversed(found), None)


def load_traces(
    poses: Path, movie: MovieRecord, read_times: Callable[[], AnnotatedTimes]
) -> KeypointTraces:
    """Read a movie's poses and compute its traces.

    Args:
        poses: The pose file.
        movie: The movie's record.
        read_times: Reads the movie's times from the run's annotations; called where the record
            does not tell them.

    Raises:
        BadInput: The file holds no poses.
    """
    file = read_untrusted_poses(poses)
    frames = len(file.keypoints)
    if not frames:
        raise BadInput(f"{poses.name}: expected poses of at least one frame, found none")
    return build_traces(
        file.keypoints, _find_offset(file, movie), _find_clock(movie, frames, read_times)
    )


def find_crop_offset(movie: MovieRecord) -> tuple[int, int]:
    """Return the left and top edge of what went to the network, in pixels."""
    return movie.crop[:2] if movie.crop else (0, 0)


def _find_offset(file: PoseFile, movie: MovieRecord) -> tuple[int, int]:
    """What is added to the file's coordinates to give the whole frame's."""
    if file.offset is not None:
        return file.offset
    output = movie.outputs.get(find_pose_file(movie) or "")
    in_frame = output is not None and output.coordinates == "frame"
    return (0, 0) if in_frame else find_crop_offset(movie)


def _find_clock(
    movie: MovieRecord, frames: int, read_times: Callable[[], AnnotatedTimes]
) -> FrameClock:
    rate = movie.frame_rate or _FALLBACK_FRAME_RATE
    if _has_even_times(movie):
        return build_even_clock(frames, rate, is_estimated=False)
    try:
        times = read_times()
    except BadInput:
        return build_even_clock(frames, rate)
    if len(times.seconds) != frames:
        return build_even_clock(frames, rate)
    return build_annotated_clock(times, movie.start)


def _has_even_times(movie: MovieRecord) -> bool:
    """Return whether frames are index ÷ frame rate, so that the annotations need not be read."""
    is_recording = movie.input.location.lower().endswith(".isxb")  # timed by its counter
    has_drops = bool(movie.frames and movie.frames.dropped)
    has_rate = bool(movie.constant_frame_rate and movie.frame_rate)
    return has_rate and movie.times is None and not has_drops and not is_recording
