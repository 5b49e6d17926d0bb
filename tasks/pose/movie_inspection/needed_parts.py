"""Find which bytes of an MP4 its first frame and its contact sheet need, from its tables."""

from pathlib import Path

import numpy as np

from tasks.pose.movies.ffmpeg_container import open_container

FIRST_FRAMES = 40
"""Frames at the beginning, with which a decoder finds out what it needs to know."""

_FRAMES_EACH = 32
"""Frames from one that can be decoded alone on: a decoder gives it only after some more."""

_MARGIN = 16
"""Frames by which the order of storage may differ from that of frames."""


def find_needed_parts(path: Path, name: str, pictures: int) -> list[tuple[int, int]]:
    """Find the bytes that are needed to look into a movie without decoding it.

    Args:
        path: An MP4 that has its tables, and perhaps nothing else.
        name: What to call it in messages.
        pictures: How many frames its contact sheet has; 0 for no sheet.

    Returns:
        Begin and end of each part, rising.

    Raises:
        BadInput: It is no movie that can be read.
    """
    with open_container(path, name) as (_, stream):
        entries = [(e.pos, e.pos + e.size, e.is_keyframe) for e in stream.index_entries]
    keys = np.flatnonzero([is_key for _, _, is_key in entries])
    wanted = set(range(min(FIRST_FRAMES, len(entries))))
    places = np.linspace(0, len(entries) - 1, pictures + 2)[1:-1] if pictures else np.empty(0)
    for place in places:
        for near in (place - _MARGIN, place, place + _MARGIN):
            before = keys[keys <= near][-1:].tolist()
            wanted |= {n for key in before for n in range(key, key + _FRAMES_EACH)}
    parts = sorted(entries[number][:2] for number in wanted if number < len(entries))
    return _join_parts(parts)


def _join_parts(parts: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same bytes in fewer parts, with a little more where that saves a request."""
    joined: list[tuple[int, int]] = []
    for start, end in parts:
        if joined and start <= joined[-1][1] + _SMALL_GAP:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


_SMALL_GAP = 2**16
"""Bytes that are fetched along sooner than with a request more."""
