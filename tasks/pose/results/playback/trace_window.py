"""A part of a movie's traces: every frame where a person has zoomed in, else thinned."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.pose.results.playback.keypoint_traces import QUANTITIES, KeypointTraces
from tasks.pose.tables.value_ranges import compute_value_ranges

_FRAMES_PER_SPAN = 2
"""Frames for each span up to which every frame is sent: a span takes two values as well."""

MAX_SPANS = 4096
"""Spans of a window: twice a large screen's columns."""

LIKELIHOOD = QUANTITIES.index("likelihood")


def select_window(
    traces: KeypointTraces,
    frames: range,
    keypoints: Sequence[int],
    spans: int,
) -> dict[str, NDArray[np.generic]]:
    """Select what is drawn of some keypoints' traces.

    Args:
        traces: A movie's traces.
        frames: The frames that are seen.
        keypoints: The keypoints, by their places.
        spans: Columns of the screen; of each, the lowest and the highest value are kept.

    Returns:
        Where all frames are selected, ``values``: float32, (quantities, keypoints, frames). Else
        ``starts``: the first frame of each span, int32, (spans,); ``lowest`` and ``highest``:
        float32, (quantities, keypoints, spans), NaN where all of a span is missing; ``missing``:
        how many frames of a span lack the keypoint, int32, (keypoints, spans).
    """
    part = slice(frames.start, frames.stop)
    chosen = traces.values[:, list(keypoints), part]
    if len(frames) <= _FRAMES_PER_SPAN * spans:
        return {"values": chosen}
    ranges = compute_value_ranges(traces.clock.axis[part], chosen, spans)
    missing = np.isnan(chosen[LIKELIHOOD])
    return {
        "starts": (ranges.starts + frames.start).astype(np.int32),
        "lowest": ranges.lowest,
        "highest": ranges.highest,
        "missing": np.add.reduceat(missing, ranges.starts, axis=-1, dtype=np.int32),
    }
