"""Facts about a movie before it is read, and limits on what it may claim."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

MAX_FRAME_RATE = 100_000
"""Frames per second above which a container's claim is taken for damage."""

MAX_PIXELS = 2**26
"""Pixels of a frame (8K has half as many); a claim of more is damage, or meant to fill memory."""

DAMAGED_MOVIE_REMEDY = "check that it plays to the end, or re-encode it, and upload the new file"


@dataclass(frozen=True)
class MovieInfo:
    """Facts from a movie's container and its first frame.

    Attributes:
        width: Columns of a frame as it is shown, in pixels.
        height: Rows of a frame as it is shown, in pixels.
        frame_rate: Frames per second, on average where they vary.
        declared_frames: The number of frames that the container declares, those included that a
            recorder dropped; None where it declares none.
        codec: FFmpeg's name of the video codec.
        pixel_format: FFmpeg's name of the pixel format.
        warnings: What is unusual about its pictures, one sentence each.
    """

    width: int
    height: int
    frame_rate: Fraction
    declared_frames: int | None
    codec: str
    pixel_format: str
    warnings: tuple[str, ...] = ()
