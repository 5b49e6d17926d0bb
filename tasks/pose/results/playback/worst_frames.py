"""The frames of a movie that a person should look at first."""

from tasks.pose.results.playback.keypoint_traces import KeypointTraces
from tasks.pose.results.playback.load_traces import find_crop_offset
from tasks.pose.results.run_record import MovieRecord
from tasks.pose.settings import PoseSettings
from tasks.pose.tables.frames_to_correct import FrameRatings, FrameToCorrect

LISTED_FRAMES = 30
"""Frames that are listed, and those of the report."""


def list_worst_frames(
    traces: KeypointTraces, movie: MovieRecord, settings: PoseSettings
) -> tuple[FrameToCorrect, ...]:
    """List the frames that the verdict's reasons find, and those that the report shows.

    Args:
        traces: The movie's traces.
        movie: Its record.
        settings: The run's settings: its cutoff and thresholds.

    Returns:
        The frames, the worst first; those without a fault are left out unless the report has them.
    """
    offset = find_crop_offset(movie)
    size = movie.crop[2:] if movie.crop else (movie.width or 0, movie.height or 0)
    ratings = FrameRatings(traces.to_keypoints(offset), settings.p_cutoff, size, settings.quality)
    reported = find_reported_frames(movie, traces.frames)
    chosen = ratings.choose(LISTED_FRAMES, movie.frame_rate or 1.0, reported)
    return tuple(frame for frame in chosen if frame.points or frame.index in reported)


def find_reported_frames(movie: MovieRecord, frames: int) -> tuple[int, ...]:
    """Return the frames that the run's report shows as the worst."""
    found = movie.quality.worst_frames if movie.quality else ()
    return tuple(index for index in found if 0 <= index < frames)
