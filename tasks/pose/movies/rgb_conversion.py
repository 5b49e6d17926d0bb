"""Convert decoded frames to RGB as OpenCV does, and turn them as the container says."""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.errors import BadInput
from tasks.pose.movies.info import Image


def error_reason(error: Exception) -> str:
    """Return why a library failed, without the name of its function."""
    return getattr(error, "strerror", None) or str(error)


@dataclass(frozen=True)
class PictureGeometry:
    """Geometry by which decoded frames become the pictures that OpenCV gives.

    Attributes:
        degrees: By how much they are turned, counterclockwise, as the container says once for all
            of them. Only quarter turns count: OpenCV leaves other angles alone.
        width: Columns that the stream declares, before anything is decoded.
        height: Rows that it declares.
        crops: Whether its codec cuts margins off its pictures (H.264 and its successors).
    """

    degrees: int = 0
    width: int = 0
    height: int = 0
    crops: bool = False

    @property
    def quarter_turns(self) -> int:
        """Number of quarter turns, 0 to 3."""
        turns, rest = divmod(self.degrees, 90)
        return 0 if rest else turns % 4

    def uncropped_columns(self, frame: Any) -> int:
        """Count the columns at the left that should have been cut off and are still there.

        FFmpeg cuts there only to where its memory is aligned, and leaves the rest, unless it is
        told to give up speed. OpenCV does not tell it so, and squeezes the picture into the width
        that it should have: this is what DeepLabCut is trained on and works on.
        """
        more = frame.width - self.width
        return more if self.crops and frame.height == self.height and 0 < more < _ALIGNMENT else 0

    def keeps_frames(self, frame: Any) -> bool:
        """Return whether the picture is the frame as it is."""
        return not (self.quarter_turns or self.uncropped_columns(frame))

    def turned_shape(self, frame: Any) -> tuple[int, int]:
        """Rows and columns of a frame, turned as its picture is."""
        stored = frame.height, frame.width
        return stored[::-1] if self.quarter_turns % 2 else stored


_ALIGNMENT = 128
"""Columns that FFmpeg leaves at the most: 64 bytes of a plane with every other one of them."""


class RgbConverterPerThread(threading.local):
    """A converter for each thread that calls it: what swscale prepares is for one at a time."""

    def __init__(self, name: str, geometry: PictureGeometry) -> None:
        self._converter = RgbConverter(name, geometry)

    def __call__(self, frame: Any) -> Image:
        """Convert a frame with the converter of the calling thread."""
        return self._converter(frame)


class RgbConverter:
    """Converts decoded frames to RGB, as OpenCV shows them.

    One for a whole movie: what swscale prepares for HDR colors takes a second.
    """

    def __init__(self, name: str, geometry: PictureGeometry) -> None:
        from av.video.reformatter import VideoReformatter  # noqa: PLC0415

        self._name, self._geometry = name, geometry
        self._to_order, self._to_rgb = VideoReformatter(), VideoReformatter()

    def __call__(self, frame: Any) -> Image:
        """Convert a frame to RGB, turned as the container says.

        Raises:
            BadInput: Its pixel format cannot be converted.
        """
        import av  # noqa: PLC0415

        try:
            image = self._convert_to_rgb(frame)
        except av.FFmpegError as error:
            raise BadInput(
                f"{self._name}: its pictures ({frame.format.name}) cannot be converted to RGB "
                f"({error_reason(error)}); convert it to H.264, yuv420p, and send that"
            ) from error
        turns = self._geometry.quarter_turns
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image

    def _convert_to_rgb(self, frame: Any) -> Image:
        from av.video.reformatter import Interpolation  # noqa: PLC0415

        more = self._geometry.uncropped_columns(frame)
        free = frame.format.name in _ORDER_INDEPENDENT_FORMATS and not more
        order = "rgb24" if free else "bgr24"
        ordered = self._to_order.reformat(
            frame,
            width=frame.width - more,
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
    """Return the options for HDR and wide colors that swscale sets for OpenCV but not PyAV."""
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
