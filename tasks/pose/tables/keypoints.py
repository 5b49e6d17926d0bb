"""A pose table's columns as plain arrays: which keypoint is whose, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import pandas as pd

COORDS = ("x", "y", "likelihood")
ARENA = "single"
"""DeepLabCut's name, in the individuals' column level, for body parts unique to the arena."""


def keypoint_name(individual: str, part: str) -> str:
    """Name a keypoint: the individual where there are several, and the body part."""
    return part if individual in {"", ARENA} else f"{individual} {part}"


class Keypoints:
    """Every keypoint of every frame, in the order of DeepLabCut's columns.

    A keypoint is one body part of one individual. Numbers keep the table's own type: DeepLabCut
    compares and shifts PyTorch's float32 as float32, and the last bit decides what is drawn.

    Attributes:
        parts: The body part of each keypoint.
        individuals: The individual of each keypoint; empty names for a single animal.
        values: x, y, and likelihood of each keypoint in each frame, (frames, keypoints, 3).
    """

    def __init__(self, poses: pd.DataFrame) -> None:
        columns = poses.columns
        _check_coords(columns)
        self.parts = tuple(map(str, columns.get_level_values("bodyparts")[::3]))
        self.individuals = (
            tuple(map(str, columns.get_level_values("individuals")[::3]))
            if "individuals" in columns.names
            else ("",) * len(self.parts)
        )
        self.values = poses.to_numpy(copy=True).reshape(len(poses), len(self.parts), 3)

    @classmethod
    def from_values(
        cls, individuals: tuple[str, ...], parts: tuple[str, ...], values: np.ndarray
    ) -> Self:
        """Name the columns of an array of poses.

        Args:
            individuals: The individual of each keypoint; empty names for a single animal.
            parts: The body part of each keypoint.
            values: x, y, and likelihood, (frames, keypoints, 3); it is not copied.
        """
        keypoints = cls.__new__(cls)
        keypoints.individuals, keypoints.parts, keypoints.values = individuals, parts, values
        return keypoints

    @property
    def xy(self) -> np.ndarray:
        """Position of each keypoint in each frame, (frames, keypoints, 2), in pixels."""
        xy: np.ndarray = self.values[..., :2]
        return xy

    @property
    def likelihood(self) -> np.ndarray:
        """Likelihood of each keypoint in each frame, (frames, keypoints), 0 to 1."""
        likelihood: np.ndarray = self.values[..., 2]
        return likelihood

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.values)

    def select_frames(self, frames: slice) -> Self:
        """The keypoints of some frames; nothing is copied."""
        return self.from_values(self.individuals, self.parts, self.values[frames])

    @property
    def keypoint_names(self) -> list[str]:
        """The name of each keypoint: ``mouse1 nose``, or for the arena ``corner``."""
        return list(map(keypoint_name, self.individuals, self.parts))

    @property
    def part_names(self) -> list[str]:
        """The body parts without repetition, in column order."""
        return list(dict.fromkeys(self.parts))

    @property
    def individual_names(self) -> list[str]:
        """The individuals without repetition, in column order."""
        return list(dict.fromkeys(self.individuals))

    def indices_of_parts(self, names: Collection[str] | None) -> np.ndarray:
        """Indices of the keypoints of these body parts (None: of all)."""
        return np.flatnonzero([names is None or part in names for part in self.parts])

    def skeleton_edges(
        self, skeleton: Iterable[tuple[str, str]], names: Collection[str] | None
    ) -> list[tuple[int, int]]:
        """Pairs of keypoints that a skeleton joins within each individual, as DeepLabCut's.

        An edge is left out where either end is not among the displayed body parts ``names``.
        """
        shown = set(self.indices_of_parts(names).tolist())
        pairs = (
            pair
            for first, second in skeleton
            for pair in zip(
                self._indices_of_part(first), self._indices_of_part(second), strict=False
            )
        )
        return [pair for pair in pairs if shown.issuperset(pair)]

    def _indices_of_part(self, part: str) -> list[int]:
        return [index for index, name in enumerate(self.parts) if name == part]


def _check_coords(columns: pd.Index) -> None:
    coords = tuple(columns.get_level_values("coords"))
    if not coords or coords != COORDS * (len(coords) // 3):
        raise ValueError(
            "A pose table's columns must repeat x, y, likelihood for each body part; found "
            f"{', '.join(map(str, coords[:6])) or 'none'}."
        )
