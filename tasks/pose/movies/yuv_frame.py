"""A frame as its decoder gives it: brightness and two color differences, each on a plane.

A labeled movie that is drawn on these planes needs no conversion to RGB and back, which takes
longer than decoding and encoding, and what is not drawn on stays exactly as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_PAINTABLE_FORMATS = {
    f"yuv{full}{chroma}p": bool(full) for full in ("", "j") for chroma in ("420", "422", "444")
}
"""Formats that can be drawn on, and whether their name says that they use all 256 values."""

_LUMA_WEIGHTS = {1: (0.2126, 0.0722), 2: (0.299, 0.114), 5: (0.299, 0.114), 6: (0.299, 0.114)}
"""Shares of red and blue in brightness, by FFmpeg's number for the color space.

2 is "unspecified", which OpenCV, and so DeepLabCut, takes for 6 whatever the size is.
"""

_COLOR_SPACE_TAGS = {1: 1, 2: 6, 5: 5, 6: 6}
"""Tags of each in the labeled movie."""

_FULL_RANGE = 2


@dataclass(frozen=True)
class ColorEncoding:
    """Color encoding of the planes, in FFmpeg's numbering.

    Attributes:
        space: The color space: which numbers make which red, green and blue.
        full: Whether 0 to 255 are black to white, instead of 16 to 235.
    """

    space: int
    full: bool

    def to_yuv(self, rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
        """Brightness and color differences of colors, shape (colors, 3), as they are on planes."""
        red, blue = _LUMA_WEIGHTS[self.space]
        r, g, b = rgb.astype(np.float64).T / 255
        y = red * r + (1 - red - blue) * g + blue * b
        u, v = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
        low, luma, chroma = (0, 255, 255) if self.full else (16, 219, 224)
        values = np.stack([low + luma * y, 128 + chroma * u, 128 + chroma * v], axis=1)
        whole: NDArray[np.int32] = np.rint(values).clip(0, 255).astype(np.int32)
        return whole


class YuvFrame:
    """A frame that can be drawn on: with all its colors as numbers on planes, both sides even.

    Args:
        frame: What a decoder gave, which must be left as it is, for later frames refer to it; or
            a copy of it.
        colors: What its numbers mean.

    Attributes:
        colors: What its numbers mean.
        frame: The frame.
    """

    def __init__(self, frame: VideoFrame, colors: ColorEncoding) -> None:
        self.colors = colors
        self.frame = frame

    @classmethod
    def from_decoded_frame(cls, frame: VideoFrame) -> Self | None:
        """A frame's planes; None where it must go through RGB: an odd or deep one."""
        full = _PAINTABLE_FORMATS.get(frame.format.name)
        odd = frame.width % 2 or frame.height % 2
        if full is None or odd or frame.colorspace not in _LUMA_WEIGHTS:
            return None
        return cls(frame, ColorEncoding(frame.colorspace, full or frame.color_range == _FULL_RANGE))

    @property
    def color_space_tag(self) -> int:
        """Return the color space's tag; a browser would guess an unspecified one by the size."""
        return _COLOR_SPACE_TAGS[self.colors.space]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the picture, as an RGB image has them."""
        return self.frame.height, self.frame.width, 3
