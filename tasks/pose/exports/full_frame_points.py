"""Poses as arrays in pixels of the whole frame, the arena's body parts apart from the animals'."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.tables.keypoints import ARENA, Keypoints
from tasks.pose.tables.median_filter import find_missing_points


@dataclass(frozen=True)
class PointGroup:
    """Body parts that one or several owners have in common.

    Attributes:
        owners: Names of the animals, or of the arena.
        parts: Names of the body parts.
        xy: Pixels of the whole frame, NaN where a point is missing; (frames, 2, parts, owners).
        likelihood: 0 to 1, NaN where a point is missing; (frames, parts, owners).
    """

    owners: tuple[str, ...]
    parts: tuple[str, ...]
    xy: NDArray[np.float64]
    likelihood: NDArray[np.float64]


def split_points(
    poses: pd.DataFrame, offset: tuple[int, int], only_animal: str
) -> tuple[PointGroup, PointGroup | None]:
    """Part a table of poses into animals and arena.

    Args:
        poses: The table, coordinates relative to the crop.
        offset: The crop's left and top edge in pixels.
        only_animal: Name of the animal where the table names none.

    Returns:
        The animals' points, and those of the arena, where the model has any.
    """
    keypoints = Keypoints(poses)
    owners = keypoints.individual_names
    animals = [owner for owner in owners if owner != ARENA] or owners
    names = {"": only_animal}
    group = _gather(poses, keypoints, animals, offset, names)
    if ARENA not in owners or animals == owners:
        return group, None
    return group, _gather(poses, keypoints, [ARENA], offset, {ARENA: "arena"})


def _gather(
    poses: pd.DataFrame,
    keypoints: Keypoints,
    owners: list[str],
    offset: tuple[int, int],
    names: dict[str, str],
) -> PointGroup:
    parts = tuple(
        part
        for part, owner in zip(keypoints.parts, keypoints.individuals, strict=True)
        if owner == owners[0]
    )
    xy = np.empty((len(poses), 2, len(parts), len(owners)))
    likelihood = np.empty((len(poses), len(parts), len(owners)))
    for index, (part, owner) in enumerate(zip(keypoints.parts, keypoints.individuals, strict=True)):
        if owner not in owners:
            continue
        point: NDArray[Any] = poses.iloc[:, 3 * index : 3 * index + 3].to_numpy(dtype=np.float64)
        missing = find_missing_points(point)
        here = parts.index(part), owners.index(owner)
        xy[:, :, *here] = np.where(missing[:, None], np.nan, point[:, :2] + np.array(offset))
        likelihood[:, *here] = np.where(missing, np.nan, point[:, 2])
    return PointGroup(tuple(names.get(owner, owner) for owner in owners), parts, xy, likelihood)
