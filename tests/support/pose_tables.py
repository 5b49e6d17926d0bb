"""Pose tables for tests, laid out as DeepLabCut lays them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.pose.drawing.label_style import LabelStyle

if TYPE_CHECKING:
    from collections.abc import Mapping

PART_NAMES = ("nose", "ear", "tail")
SINGLE_ANIMAL = {"": PART_NAMES}
TWO_ANIMALS = {"one": PART_NAMES, "two": PART_NAMES, "single": ("corner",)}

PLAIN_STYLE = LabelStyle(
    p_cutoff=0.6,
    dot_size=5,
    color_map="rainbow",
    displayed_body_parts=None,
    keypoints_only=False,
    draw_skeleton=False,
    trail_points=0,
    skeleton=(("nose", "ear"), ("ear", "tail"), ("nose", "nowhere")),
    skeleton_color="orange",
    alpha=0.7,
    color_by="bodypart",
)


def build_pose_table(
    values: np.ndarray, individuals: Mapping[str, tuple[str, ...]]
) -> pd.DataFrame:
    """A table of (frames, keypoints, 3); an unnamed individual makes that of a single animal."""
    columns = [
        ("scorer", individual, part, coord)
        for individual, parts in individuals.items()
        for part in parts
        for coord in ("x", "y", "likelihood")
    ]
    names = ["scorer", "individuals", "bodyparts", "coords"]
    table = pd.DataFrame(
        values.reshape(len(values), len(columns)),
        columns=pd.MultiIndex.from_tuples(columns, names=names),
    )
    return table.droplevel("individuals", axis=1) if list(individuals) == [""] else table


def make_scattered_poses(
    individuals: Mapping[str, tuple[str, ...]],
    frames: int = 16,
    size: tuple[int, int] = (120, 90),
    dtype: str = "float64",
) -> pd.DataFrame:
    """Points anywhere, some missing, some outside the picture, of every likelihood."""
    keypoints = sum(map(len, individuals.values()))
    rng = np.random.default_rng(keypoints)
    values = np.empty((frames, keypoints, 3))
    values[..., :2] = rng.uniform(-15, np.add(size, 15), (frames, keypoints, 2))
    values[..., 2] = rng.uniform(0.3, 1, (frames, keypoints))
    values[rng.uniform(size=(frames, keypoints)) < 0.1] = np.nan
    values[rng.uniform(size=(frames, keypoints)) < 0.05, :2] = np.nan
    return build_pose_table(values.astype(dtype), individuals)


def make_noise_frames(frames: int, size: tuple[int, int] = (120, 90)) -> np.ndarray:
    """RGB frames, (frames, height, width, 3)."""
    rng = np.random.default_rng(7)
    return rng.integers(0, 256, (frames, size[1], size[0], 3), np.uint8)
