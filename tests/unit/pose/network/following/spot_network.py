"""A network that finds spots in pictures, and what a window does to a real network's points."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.interface import Lanes, LoadedModel, WindowSupport
from tasks.pose.network.precision_check import FULL_PRECISION
from tasks.pose.settings import Precision

PARTS = 3
STRIDE = 16
Animals = Sequence[tuple[float, float] | None]
"""Centers of animals in a frame; None for one that is not there."""


def draw_frame(animals: Animals, width: int = 640, height: int = 480) -> Image:
    """Draw each animal's body parts as single pixels, 20 pixels apart."""
    frame = np.zeros((height, width, 3), np.uint8)
    for animal, center in enumerate(animals):
        for part in range(PARTS if center else 0):
            assert center is not None
            x, y = round(center[0]) + 20 * (part - 1), round(center[1]) + 4 * part
            if 0 <= x < width and 0 <= y < height:
                frame[y, x, 0] = 1 + part + PARTS * animal
    return frame


@dataclass
class SpotNetwork:
    """Finds spots; in windows it moves those that are near a cut, as zeros there do.

    Attributes:
        animals: How many it may find.
        size: Width and height of frames.
        reach: Pixels from a cut within which points move.
        moved_by: Pixels that they move.
        pixels: Pixels that went through it.
        sizes: Shapes of windows that it was prepared for.
        dies_after: Frames after which its process is killed.
    """

    animals: int = 1
    size: tuple[int, int] = (640, 480)
    reach: int = 40
    moved_by: float = 2.0
    pixels: int = 0
    sizes: list[tuple[int, ...]] = field(default_factory=list)
    dies_after: int | None = None
    loaded = LoadedModel("scorer", "snapshot", "cpu", "device", ())
    lanes = Lanes()
    arithmetic = FULL_PRECISION

    def begin_movie(self, _frame: Image, _precision: Precision) -> int:
        return 1

    def find_window_support(self) -> WindowSupport:
        return WindowSupport(
            STRIDE, at_once=3, together=8, prepare=self.prepare, predict=self.predict_windows
        )

    def prepare(self, batch: NDArray[np.uint8]) -> None:
        self.sizes.append(batch.shape[1:3])

    def predict(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        self.pixels += batch[..., 0].size
        if self.dies_after is not None and self.pixels > self.dies_after * batch[0, ..., 0].size:
            raise MemoryError
        return {"bodyparts": np.stack([self._find_spots(frame) for frame in batch])}

    def predict_windows(
        self, batch: NDArray[np.uint8], place: tuple[int, int]
    ) -> dict[str, NDArray[Any]]:
        height, width = batch.shape[1:3]
        self.pixels += batch[..., 0].size
        found = np.stack([self._find_spots(frame) for frame in batch])
        near_low = (found[..., :2] < self.reach) & (np.array(place) > 0)
        ends = np.array([place[0] + width, place[1] + height]) < self.size
        near_high = (found[..., :2] >= np.array([width, height]) - self.reach) & ends
        is_found = found[..., 2:] > 0
        found[..., :2] += self.moved_by * (near_low | near_high).any(-1, keepdims=True) * is_found
        found[..., :2] += np.array(place) * is_found
        return {"bodyparts": found}

    def build_table(self, predictions: Sequence[Any]) -> pd.DataFrame:
        raise NotImplementedError

    def _find_spots(self, frame: Image) -> NDArray[np.float32]:
        found = np.full((self.animals, PARTS, 3), -1, np.float32)
        for place in np.flatnonzero(frame).tolist():
            row, column = divmod(place // 3, frame.shape[1])
            animal, part = divmod(int(frame[row, column, 0]) - 1, PARTS)
            found[animal, part] = (column, row, 0.9)
        return found
