"""Bounds on the network's input size in pytorch_config.yaml: memory grows with each pixel."""

import math
from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_value
from tasks.pose.model.pytorch.torch_config import get_section
from tasks.pose.movies.info import MAX_PIXELS

LARGEST_SIDE = math.isqrt(MAX_PIXELS)
"""Pixels; a square of it is the largest frame that is taken."""

_LARGEST_MARGIN = 1024
"""Pixels around an animal; DeepLabCut's own is 25."""

_MAX_CROP_RATIO = 16
"""Largest ratio of a crop's sides: the frame is padded to its shape."""

_SIZE_KEYS = {
    "resize": ("height", "width"),
    "crop_sampling": ("height", "width"),
    "top_down_crop": ("height", "width"),
    "auto_padding": ("min_height", "min_width", "pad_height_divisor", "pad_width_divisor"),
}
"""Transforms that set the size of what the network sees."""


def check_input_sizes(network: dict[str, Any], name: str) -> None:
    """Refuse transforms that make a frame, or an animal's crop, larger than any frame may be.

    Args:
        network: ``pytorch_config.yaml``.
        name: What to call the archive in messages.

    Raises:
        BadInput: Naming the first of them.
    """
    for keys in (("data", "inference"), ("detector", "data", "inference")):
        transforms, where = (
            get_section(network, *keys),
            f"{name}: pytorch_config.yaml: {'.'.join(keys)}",
        )
        _check_pixel_count(
            transforms.get("longest_max_size"), f"{where}.longest_max_size", 1, LARGEST_SIDE
        )
        for transform, sides in _SIZE_KEYS.items():
            values = get_section(network, *keys, transform)
            for side in sides:
                _check_pixel_count(values.get(side), f"{where}.{transform}.{side}", 1, LARGEST_SIDE)
        crop = get_section(network, *keys, "top_down_crop")
        _check_pixel_count(crop.get("margin"), f"{where}.top_down_crop.margin", 0, _LARGEST_MARGIN)
        width, height = (crop.get(side) or 256 for side in ("width", "height"))
        if not 1 / _MAX_CROP_RATIO <= width / height <= _MAX_CROP_RATIO:
            raise BadInput(
                f"{where}.top_down_crop: expected a crop that is at most {_MAX_CROP_RATIO} times "
                f"as long as wide, found {width}×{height}; zip the configuration that the network "
                "was trained with"
            )


def _check_pixel_count(value: Any, where: str, low: int, high: int) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (whole and low <= value <= high):
        raise BadInput(
            f"{where}: expected a whole number of pixels from {low} to {high}, found "
            f"{format_value(value)}; zip the configuration that the network was trained with"
        )
