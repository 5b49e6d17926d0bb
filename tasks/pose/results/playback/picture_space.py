"""Where a point of the whole frame lies in a picture: the movie's own, or the labeled movie's."""

from dataclasses import dataclass

import numpy as np

from tasks.pose.results.playback.keypoint_traces import KeypointTraces
from tasks.pose.settings import PoseSettings

PIXEL_CENTER = 0.5
"""A point counts pixels by their centers, a picture's edge is half a pixel before the first."""


@dataclass(frozen=True)
class PictureSpace:
    """A picture's relation to points in pixels of the whole frame.

    Attributes:
        shift: What is added to x and y.
        size: Columns and rows that the picture then has, where a player may stretch it; None
            where they are those of the file, in which there may be more below.
        scale: Pixels of the picture for each pixel of the frame, across and down.
    """

    shift: tuple[float, float]
    size: tuple[float, float] | None
    scale: tuple[float, float] = (1.0, 1.0)


def describe_original(width: int, height: int) -> PictureSpace:
    """The relation of the movie that was estimated.

    Args:
        width: Of its frames, in pixels; players may stretch them.
        height: The same.
    """
    return PictureSpace((PIXEL_CENTER, PIXEL_CENTER), (width, height))


def describe_labeled(
    traces: KeypointTraces, settings: PoseSettings, offset: tuple[int, int]
) -> PictureSpace:
    """The relation of the labeled movie.

    Its frames are the movie's, with sides made even by repeating the last pixel. One of keypoints
    only has the size that the poses themselves span, with sides made even by scaling.

    Args:
        traces: The movie's traces.
        settings: The run's settings.
        offset: The crop's left and top edge in pixels.
    """
    if not settings.keypoints_only:
        return PictureSpace((PIXEL_CENTER, PIXEL_CENTER), None)
    # matplotlib takes a while to load, and such movies are few.
    from tasks.pose.drawing.keypoints_only import compute_extent  # noqa: PLC0415

    keypoints = traces.to_keypoints(offset)
    names = None if settings.displayed_body_parts == "all" else settings.displayed_body_parts
    shown = keypoints.indices_of_parts(names)
    width, height = compute_extent(keypoints.xy[:, shown].astype(np.float64))
    scale = (width // 2 * 2 / width, height // 2 * 2 / height)
    return PictureSpace((-offset[0], -offset[1]), None, scale)
