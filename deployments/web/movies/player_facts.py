"""What the player in the browser is told about a movie, once, when it is opened."""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployments.web.movies.movie_pictures import MoviePicture
from deployments.web.movies.open_movie import OpenMovie
from tasks.pose.results.playback.keypoint_marks import choose_marks
from tasks.pose.results.playback.keypoint_traces import QUANTITIES
from tasks.pose.results.playback.worst_frames import find_reported_frames, list_worst_frames
from tasks.pose.tables.keypoints import keypoint_name
from tasks.pose.tables.quality import BodyPartQuality

MAX_CHOSEN_AT_FIRST = 6
"""Keypoints whose traces are drawn before a person has chosen any: more are a tangle."""

_EVEN_TO_SECONDS = 1e-7
"""Seconds that a time may be off an even one: a clock's tick is a hundred times longer."""


def describe_movie(opened: OpenMovie) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Describe a movie for the player.

    Args:
        opened: The movie.

    Returns:
        Arrays for which a start and a step do not stand: ``seconds``, ``numbers``, ``experiment``,
        ``labeled``, ``original``, (frames,) each; and facts that JSON holds.
    """
    traces, movie = opened.traces, opened.movie
    clock = traces.clock
    arrays: dict[str, NDArray[Any]] = {}
    facts = {
        "version": opened.version,
        "frames": traces.frames,
        "start": movie.record.start,
        "quantities": QUANTITIES,
        "cutoff": movie.settings.p_cutoff,
        "dotSize": movie.settings.dot_size,
        "seconds": _describe_times("seconds", clock.axis, arrays),
        "keypoints": _describe_keypoints(opened),
        "edges": _find_edges(opened),
        "labeled": _describe_picture("labeled", opened.labeled, arrays),
        "original": _describe_picture("original", opened.original, arrays),
        "noOriginal": opened.original if isinstance(opened.original, str) else "",
        "keypointsOnly": movie.settings.keypoints_only,
        "notes": _list_notes(opened),
    }
    if (clock.numbers != np.arange(traces.frames)).any():
        arrays["numbers"] = clock.numbers.astype(np.int32)
    if clock.experiment is not None:
        arrays["experiment"] = clock.experiment
    return arrays, facts


def list_worst(opened: OpenMovie) -> dict[str, Any]:
    """List a movie's worst frames for the player."""
    movie = opened.movie
    reported = find_reported_frames(movie.record, opened.traces.frames)
    found = list_worst_frames(opened.traces, movie.record, movie.settings)
    return {
        "cutoff": movie.settings.p_cutoff,
        "frames": [
            {
                "frame": frame.index,
                "isReported": frame.index in reported,
                "points": [asdict(point) for point in frame.points],
            }
            for frame in found
        ],
    }


def _describe_times(
    name: str, times: NDArray[np.float64], arrays: dict[str, NDArray[Any]]
) -> tuple[float, float] | None:
    """Start and step of even times; None, and the times among the arrays, where they are uneven."""
    index = np.arange(len(times))
    step = float((times[-1] - times[0]) / max(1, len(times) - 1))
    if np.abs(times - (times[0] + index * step)).max() <= _EVEN_TO_SECONDS:
        return float(times[0]), step
    arrays[name] = times
    return None


def _describe_picture(
    name: str, picture: MoviePicture | str | None, arrays: dict[str, NDArray[Any]]
) -> dict[str, Any] | None:
    if not isinstance(picture, MoviePicture):
        return None
    return {
        "address": picture.address,
        "times": _describe_times(name, picture.times, arrays),
        "shift": picture.space.shift,
        "size": picture.space.size,
        "scale": picture.space.scale,
    }


def _describe_keypoints(opened: OpenMovie) -> list[dict[str, Any]]:
    traces = opened.traces
    quality = opened.movie.record.quality
    figures = {part.name: part for part in quality.parts} if quality else {}
    names = list(map(keypoint_name, traces.individuals, traces.parts))
    marks = choose_marks(traces.individuals, traces.parts)
    chosen = _choose_at_first(names, figures)
    return [
        {
            "name": name,
            "color": mark.color,
            "variant": mark.variant,
            "chosen": name in chosen,
            "below": figures[name].below_cutoff if name in figures else None,
        }
        for name, mark in zip(names, marks, strict=True)
    ]


def _choose_at_first(names: list[str], figures: dict[str, BodyPartQuality]) -> set[str]:
    """All keypoints, or of many those that are under the cutoff most often."""
    if len(names) <= MAX_CHOSEN_AT_FIRST:
        return set(names)
    worst = sorted(names, key=lambda n: -figures[n].below_cutoff if n in figures else 0.0)
    return set(worst[:MAX_CHOSEN_AT_FIRST])


def _find_edges(opened: OpenMovie) -> list[tuple[int, int]]:
    """Pairs of keypoints that a line joins, where the labeled movie has lines."""
    if not opened.movie.settings.draw_skeleton:
        return []
    empty = opened.traces.to_keypoints((0, 0)).select_frames(slice(0, 0))
    return empty.skeleton_edges(opened.movie.skeleton, None)


def _list_notes(opened: OpenMovie) -> list[str]:
    """What a person should know who looks at this movie."""
    notes = []
    if opened.traces.clock.is_estimated:
        notes.append(
            "Times are frame number ÷ frame rate: the true ones could not be read from the "
            "annotations."
        )
    if opened.labeled and not opened.labeled.is_timed:
        notes.append("Frames of the labeled movie are not listed one by one: steps may be off.")
    return notes
