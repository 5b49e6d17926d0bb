"""The strip below the frames of a labeled movie, which hides nothing: legend, frame, and time.

The legend is drawn once. What changes from frame to frame is put together from pictures of
characters.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.pose.drawing.frame_labels import LegendEntry
from tasks.pose.drawing.strip_layout import Place, WrittenLines, lay_out_strip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tasks.pose.drawing.frame_labels import FrameLabels
    from tasks.pose.movies.yuv_frame import ColorEncoding

GROUND_GRAY, _INK_GRAY, _RIM_GRAY = 20, 235, 120
"""Gray of the strip, of its text, and of the rim around a dot, for dots as dark as the strip."""

_TEXT_SHARE = 0.0225
"""Height of the text as a share of a square frame's side."""

_USUAL_TEXT_PIXELS, _MAX_TEXT_PIXELS = 11, 30

_MIN_LEGEND_PIXELS = 9
"""Height down to which a legend shrinks that would be half as high as the frame."""

_MIN_TEXT_PIXELS = 6
"""Height down to which the text of a frame shrinks that would be wider than the frame."""

_MAX_ROWS = 240
"""Rows that a strip has at most, but below a frame that has more."""

_MAX_NAME_HEIGHTS = 16
"""Width from which on a name is cut, in heights of the text."""

_SAMPLES = 8
"""Samples along each side of a pixel for the smooth rim of a dot."""

_ASCII_CHARACTERS = 128

_CACHED_SIZES = 16
"""Fonts, and pictures of characters, that are kept for the next movies."""


class LabelStrip:
    """The strip of one movie.

    Args:
        labels: What is written in it.
        width: Of the movie's frames, in pixels.
        frame_height: The same; with the strip's height it is even.
    """

    def __init__(self, labels: FrameLabels, width: int, frame_height: int) -> None:
        side = (width * frame_height) ** 0.5
        size = min(max(round(_TEXT_SHARE * side), _USUAL_TEXT_PIXELS), _MAX_TEXT_PIXELS)
        longest = max((text.width for text in labels.texts), default=1)
        self._texts = labels.texts
        self._characters = _draw_characters(size, (width - 2 * _margin(size)) / longest)
        _, line, letter = self._characters.shape
        texts = WrittenLines([text.width * letter + size for text in labels.texts], line + 1)
        for legend_size in range(size, _MIN_LEGEND_PIXELS - 1, -1):
            legend = _Legend(labels.legend, legend_size, width)
            layout = lay_out_strip(
                texts, legend.lines, width, _margin(size), max(frame_height, _MAX_ROWS)
            )
            if len(layout.entries) == len(labels.legend) and 2 * layout.height <= frame_height:
                break
        self._places = layout.texts
        rows = layout.height + (layout.height + frame_height) % 2
        self._ground = legend.draw(np.full((rows, width, 3), GROUND_GRAY, np.uint8), layout.entries)
        self._in_color: dict[ColorEncoding, NDArray[np.uint8]] = {}

    @property
    def height(self) -> int:
        """Rows of the strip."""
        return len(self._ground)

    def add_below(self, image: NDArray[np.uint8], index: int) -> NDArray[np.uint8]:
        """Return a frame with the strip below it.

        Args:
            image: RGB, uint8, (height, width, 3).
            index: Which frame it is.
        """
        strip = self._ground.copy()
        for place, letters in self._compose_texts(self._characters, index):
            _paste(strip, letters[:, :, None], place)
        return np.concatenate([image, strip])

    def draw_ground(self, planes: Sequence[NDArray[np.uint8]], colors: ColorEncoding) -> None:
        """Draw what all frames have in common on a picture's planes.

        Args:
            planes: Brightness and two color differences, with the strip's rows last.
            colors: What the numbers on them mean.
        """
        height, width = self._ground.shape[:2]
        values = colors.to_yuv(self._ground.reshape(-1, 3)).reshape(height, width, 3)
        planes[0][-height:, :width] = values[..., 0]
        squares = values.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))
        for index in (1, 2):
            planes[index][-height // 2 :, : width // 2] = np.rint(squares[..., index])

    def write_texts(self, plane: NDArray[np.uint8], colors: ColorEncoding, index: int) -> None:
        """Write a frame's texts, which are gray, on a picture's plane of brightness.

        Args:
            plane: Brightness, with the strip's rows last.
            colors: What the numbers on it mean.
            index: Which frame it is.
        """
        if colors not in self._in_color:
            grays = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
            self._in_color[colors] = colors.to_yuv(grays)[:, 0].astype(np.uint8)[self._characters]
        height, width = self._ground.shape[:2]
        for place, letters in self._compose_texts(self._in_color[colors], index):
            _paste(plane[-height:, :width], letters, place)

    def _compose_texts(
        self, characters: NDArray[np.uint8], index: int
    ) -> Iterator[tuple[Place, NDArray[np.uint8]]]:
        for text, place in zip(self._texts, self._places, strict=True):
            codes = np.frombuffer(text.of_frame(index).ljust(text.width).encode("ascii"), np.uint8)
            letters = characters[codes].transpose(1, 0, 2)
            yield place, letters.reshape(len(letters), -1)


class _Legend:
    """The colors and their names, in a text of one height."""

    def __init__(self, entries: Sequence[LegendEntry], size: int, width: int) -> None:
        self._entries, self._size = entries, size
        self._font = _load_font("DejaVuSans.ttf", size)
        self._names = [_cut_name(entry.name, self._font, width) for entry in entries]
        self.lines = WrittenLines(
            [round(self._font.getlength(name)) + 2 * size for name in self._names],
            sum(self._font.getmetrics()) + 1,
        )

    def draw(self, ground: NDArray[np.uint8], places: Sequence[Place]) -> NDArray[np.uint8]:
        """Draw the entries for which there are places; the last place tells how many more."""
        picture = Image.fromarray(ground)
        pen = ImageDraw.Draw(picture)
        more, ascent = len(self._entries) - len(places), self._font.getmetrics()[0]
        for number, place in enumerate(places):
            left, base = place.left, place.top + ascent
            if more and number == len(places) - 1:
                name = f"… {more + 1} more"
            else:
                dot = _draw_dot(self._entries[number].color, self._size)
                picture.paste(dot, (left, base - round(0.86 * self._size)))
                name, left = self._names[number], left + round(1.25 * self._size)
            pen.text((left, base), name, (_INK_GRAY,) * 3, self._font, anchor="ls")
        return np.array(picture)


def _paste(picture: NDArray[np.uint8], part: NDArray[np.uint8], place: Place) -> None:
    """Copy a part onto a picture; what would be outside is left out."""
    room = picture[place.top : place.top + len(part), place.left : place.left + part.shape[1]]
    room[...] = part[: room.shape[0], : room.shape[1]]


def _margin(size: int) -> int:
    """Pixels around a text of some height."""
    return max(3, size // 3)


@lru_cache(_CACHED_SIZES)
def _load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """One of the fonts that come with matplotlib."""
    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", name)), size)


@lru_cache(_CACHED_SIZES)
def _draw_characters(size: int, max_width: float) -> NDArray[np.uint8]:
    """Pictures of the characters in ASCII, all of one size, shape (characters, rows, columns).

    Args:
        size: Height of the text in pixels; smaller where characters would be too wide.
        max_width: Columns that one may have.
    """
    while True:
        font = _load_font("DejaVuSansMono.ttf", size)
        width, ascent = round(font.getlength("0")), font.getmetrics()[0]
        if width <= max_width or size <= _MIN_TEXT_PIXELS:
            break
        size -= 1
    shape = (_ASCII_CHARACTERS, sum(font.getmetrics()), width)
    characters = np.full(shape, GROUND_GRAY, np.uint8)
    for code in range(ord(" "), _ASCII_CHARACTERS - 1):
        picture = Image.fromarray(characters[code])
        ImageDraw.Draw(picture).text((0, ascent), chr(code), _INK_GRAY, font, anchor="ls")
        characters[code] = np.asarray(picture)
    return characters


def _cut_name(name: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """A name in printable letters that leaves room for others, cut at its end if need be."""
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    room = min(_MAX_NAME_HEIGHTS * font.size, width - 3 * font.size)
    if font.getlength(name) <= room:
        return name
    while name and font.getlength(f"{name}…") > room:
        name = name[:-1]
    return f"{name}…"


def _draw_dot(color: tuple[int, int, int], size: int) -> Image.Image:
    """A smooth dot of a color on the strip's ground, with a thin rim."""
    middle = size / 2
    places = (np.arange(size * _SAMPLES) + 0.5) / _SAMPLES - middle
    distance = np.hypot(places[:, None], places)
    picture = np.full((*distance.shape, 3), GROUND_GRAY, np.float64)
    picture[distance < middle] = _RIM_GRAY
    picture[distance < middle - max(0.7, size / 16)] = color
    small = picture.reshape(size, _SAMPLES, size, _SAMPLES, 3).mean(axis=(1, 3))
    return Image.fromarray(np.rint(small).astype(np.uint8))
