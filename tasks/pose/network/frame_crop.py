"""Crops of frames, cut where DeepLabCut cuts them."""

from collections.abc import Iterator
from functools import partial

from tasks.errors import BadInput
from tasks.pose.movies.reader import Image, LazyImage
from tasks.pose.settings import Crop


def compute_crop_edges(
    crop: Crop, width: int, height: int, *, exactly: bool = False
) -> tuple[int, int, int, int]:
    """Compute the edges where DeepLabCut cuts: it goes through fractions and rounds down.

    Args:
        crop: The rectangle that was asked for.
        width: Columns of the frame.
        height: Rows of the frame.
        exactly: Whether it does not; see `tasks.pose.network.loader.crops_exactly`.

    Returns:
        Left, right, top, bottom in pixels; now and then one less than asked for.

    Raises:
        BadInput: Nothing is left of a crop that is one pixel wide or high.
    """
    if exactly:
        return crop.left, crop.right, crop.top, crop.bottom
    left, right = int(width * (crop.left / width)), int(width * (crop.right / width))
    top, bottom = int(height * (crop.top / height)), int(height * (crop.bottom / height))
    if left == right or top == bottom:
        raise BadInput(
            f"crop: {crop.width}×{crop.height} pixels are too few, DeepLabCut rounds them down to "
            f"{right - left}×{bottom - top}; make it larger"
        )
    return left, right, top, bottom


def apply_crop(
    shots: Iterator[LazyImage], crop: Crop | None, *, exactly: bool
) -> Iterator[LazyImage]:
    """Cut frames as DeepLabCut does.

    Args:
        shots: Frames.
        crop: The rectangle that stays; None for the whole frame.
        exactly: Whether at whole pixels; see `compute_crop_edges`.
    """
    if crop is None:
        return shots
    return (partial(_crop_image, shot, crop, exactly=exactly) for shot in shots)


def _crop_image(shot: LazyImage, crop: Crop, *, exactly: bool) -> Image:
    picture = shot()
    height, width = picture.shape[:2]
    left, right, top, bottom = compute_crop_edges(crop, width, height, exactly=exactly)
    return picture[top:bottom, left:right]
