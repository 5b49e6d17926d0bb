"""Convert decoded frames to RGB as OpenCV does, and turn them as the container says."""

import threading
from typing import Any

import numpy as np

from tasks.errors import BadInput
from tasks.pose.movies.info import Image


def error_reason(error: Exception) -> str:
    """Return why a library failed, without the name of its function."""
    return getattr(error, "strerror", None) or str(error)


class RgbConverterPerThread(threading.local):
    """A converter for each thread that calls it: what swscale prepares is for one at a time."""

    def __init__(self, name: str) -> None:
        self._converter = RgbConverter(name)

    def __call__(self, frame: Any) -> Image:
        """Convert a frame with the converter of the calling thread."""
        return self._converter(frame)


class RgbConverter:
    """Converts decoded frames to RGB, turned as the container says they are to be shown.

    One for a whole movie: what swscale prepares for HDR colors takes a second.
    """

    def __init__(self, name: str) -> None:
        from av.video.reformatter import VideoReformatter  # noqa: PLC0415

        self._name = name
        self._to_order, self._to_rgb = VideoReformatter(), VideoReformatter()

    def __call__(self, frame: Any) -> Image:
        """Convert a frame to RGB and turn it as the container says.

        Raises:
            BadInput: Its pixel format cannot be converted.
        """
        import av  # noqa: PLC0415

        try:
            return _rotate_image(self._convert_to_rgb(frame), frame.rotation or 0)
        except av.FFmpegError as error:
            raise BadInput(
                f"{self._name}: its pictures ({frame.format.name}) cannot be converted to RGB "
                f"({error_reason(error)}); convert it to H.264, yuv420p, and send that"
            ) from error

    def _convert_to_rgb(self, frame: Any) -> Image:
        from av.video.reformatter import Interpolation  # noqa: PLC0415

        order = "rgb24" if frame.format.name in _ORDER_INDEPENDENT_FORMATS else "bgr24"
        ordered = self._to_order.reformat(
            frame,
            format=order,
            interpolation=Interpolation.BICUBIC,
            threads=1,  # readers convert several frames at a time
            **sdr_options(frame),
        )
        rgb = self._to_rgb.reformat(ordered, format="rgb24", threads=1)
        return np.asarray(rgb.to_ndarray(), np.uint8)


_ORDER_INDEPENDENT_FORMATS = {
    "yuv420p",
    "yuvj420p",
    "yuv422p",
    "yuvj422p",
    "yuv444p",
    "gray",
    "rgb24",
    "bgr24",
}
"""Formats that swscale converts alike to RGB and, as OpenCV asks for, to BGR: one step less."""


def sdr_options(frame: Any) -> dict[str, int]:
    """What HDR and wide colors become, which swscale decides for OpenCV but PyAV must be told."""
    from av.video.reformatter import ColorPrimaries, ColorTrc  # noqa: PLC0415

    curve, gamut = frame.color_trc, frame.color_primaries
    unspecified = ColorTrc.UNSPECIFIED, ColorPrimaries.UNSPECIFIED
    hdr = curve in {ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67}
    if not hdr and gamut in {*_USUAL_GAMUTS, unspecified[1]}:
        return {}
    return {
        "dst_color_trc": ColorTrc.BT709 if hdr or curve == unspecified[0] else curve,
        "dst_color_primaries": gamut if gamut in _USUAL_GAMUTS else ColorPrimaries.BT709,
    }


_USUAL_GAMUTS = {1, 4, 5, 6, 7}
"""Color primaries of ordinary displays, in FFmpeg's numbering: these stay as they are."""


def _rotate_image(image: Image, degrees: float) -> Image:
    turns = _count_quarter_turns(degrees)
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _count_quarter_turns(degrees: float) -> int:
    """Turns by a quarter, a half or three quarters; OpenCV leaves other angles alone."""
    turns = round(degrees / 90)
    return turns if abs(degrees - 90 * turns) <= 1 else 0  # PyAV cuts 89.99… to 89


def shown_shape(frame: Any) -> tuple[int, int]:
    """Rows and columns of a frame's picture, turned as it is to be shown."""
    stored = frame.height, frame.width
    return stored[::-1] if _count_quarter_turns(frame.rotation or 0) % 2 else stored
