"""The movies that a player can show: the labeled movie, and the one that was estimated."""

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from deployments.web.movies.delivered_movie import DeliveredMovie
from deployments.web.web_settings import WebSettings, to_address
from tasks.errors import BadInput
from tasks.pose.movies.mp4_times import read_presentation_times
from tasks.pose.results.file_names import LABELED_MOVIE_FILE
from tasks.pose.results.playback.keypoint_traces import KeypointTraces, build_even_clock
from tasks.pose.results.playback.load_traces import find_crop_offset
from tasks.pose.results.playback.picture_space import (
    PictureSpace,
    describe_labeled,
    describe_original,
)
from tasks.storage.location import Location
from tasks.storage.ranged_file import RangedFile
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NoSuchObject

_PLAYED_SUFFIX = ".mp4"
"""Browsers play H.264 in MP4; whether they play another codec in it, they find out."""


@dataclass(frozen=True)
class MoviePicture:
    """A movie that a browser may play.

    Attributes:
        address: Where the page sends it from.
        times: When a player shows each frame, in seconds, (frames,).
        space: Where points lie in it.
        is_timed: Whether times are read from the file, not computed from its rate.
    """

    address: str
    times: NDArray[np.float64]
    space: PictureSpace
    is_timed: bool = True


def find_labeled(
    store: ObjectStore, movie: DeliveredMovie, traces: KeypointTraces
) -> MoviePicture | None:
    """Find the labeled movie; None where there is none."""
    try:
        info = store.stat(movie.folder.child(LABELED_MOVIE_FILE))
    except NoSuchObject:
        return None
    space = describe_labeled(traces, movie.settings, find_crop_offset(movie.record))
    times = _read_times(store, info, traces.frames)
    if times is None:
        rate = movie.settings.output_frame_rate or movie.record.frame_rate or 1.0
        even = build_even_clock(traces.frames, rate).seconds
        return MoviePicture(_find_address(info), even, space, is_timed=False)
    return MoviePicture(_find_address(info), times, space)


def find_original(
    store: ObjectStore, settings: WebSettings, movie: DeliveredMovie, traces: KeypointTraces
) -> MoviePicture | str:
    """Find the movie that was estimated.

    Args:
        store: Where it should still be.
        settings: Which locations may be opened.
        movie: The movie; where its record says that it was, a stranger may have written.
        traces: Its traces.

    Returns:
        The movie, or the reason why it is not shown, as the end of a sentence.
    """
    record = movie.record
    try:
        location = Location.parse(record.input.location)
        if location.suffix.lower() != _PLAYED_SUFFIX:
            return f"browsers play no {location.suffix.lower()[:6]} movies"
        info = store.stat(settings.check_readable(location))
    except BadInput:
        return "the original movie is not where it was, or not below what this page may open"
    if info.size != record.input.size or not _is_same(info, record.input.etag):
        return "the original movie has been changed since the run"
    if not (record.width and record.height):
        return "the record does not tell the size of the original movie"
    times = _read_times(store, info, traces.frames)
    if times is None:
        return "some frames of the original movie are missing, or are not listed one by one"
    return MoviePicture(_find_address(info), times, describe_original(record.width, record.height))


def _is_same(info: ObjectInfo, etag: str | None) -> bool:
    return info.etag is None or etag is None or info.etag.strip('"') == etag.strip('"')


def _read_times(store: ObjectStore, info: ObjectInfo, frames: int) -> NDArray[np.float64] | None:
    """When each frame is shown; None where the file does not tell it for each of the frames."""
    times = read_presentation_times(cast("Any", RangedFile(store, info)))
    return times if times is not None and len(times) == frames else None


def _find_address(info: ObjectInfo) -> str:
    return f"/files/{to_address(info.location)}"
