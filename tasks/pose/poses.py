"""A movie's poses as DeepLabCut's table, and its H5 files."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.errors import BadInput
from tasks.pose.keypoints import ARENA, COORDS

H5_KEY = "df_with_missing"
TRACKS_KEY = "tracks"
"""The key under which DeepLabCut writes what it has tracked; here all poses have one key."""


def pose_table(
    poses: NDArray[np.floating[Any]], scorer: str, body_parts: tuple[str, ...]
) -> pd.DataFrame:
    """Label an array of poses as DeepLabCut does for a single animal.

    Args:
        poses: Shape (frames, body parts, 3): x and y in pixels, likelihood 0–1.
        scorer: The name for the first column level.
        body_parts: Names in the network's order.

    Returns:
        One row a frame; column levels scorer, bodyparts, coords.
    """
    columns = pd.MultiIndex.from_product(
        [[scorer], body_parts, COORDS], names=["scorer", "bodyparts", "coords"]
    )
    return pd.DataFrame(poses.reshape(len(poses), -1), columns=columns, index=range(len(poses)))


def multi_animal_columns(
    scorer: str,
    individuals: tuple[str, ...],
    body_parts: tuple[str, ...],
    arena_parts: tuple[str, ...],
) -> pd.MultiIndex:
    """Name the columns of several animals, those of the arena last, as DeepLabCut does.

    Args:
        scorer: The name for the first column level.
        individuals: Names of the animals.
        body_parts: Names of each animal's body parts.
        arena_parts: Names of body parts that are unique to the arena.
    """
    owners = [*((one, body_parts) for one in individuals), (ARENA, arena_parts)]
    return pd.MultiIndex.from_tuples(
        [
            (scorer, owner, part, coord)
            for owner, parts in owners
            for part in parts
            for coord in COORDS
        ],
        names=["scorer", "individuals", "bodyparts", "coords"],
    )


def write_poses(table: pd.DataFrame, target: Path) -> None:
    """Write a table of poses in the form that DeepLabCut writes and its tools read.

    The same table makes the same file, byte for byte: no time of writing is in it. PyTables puts
    one into its index of the rows, which is left out; whatever reads the file finds them without.
    """
    with pd.HDFStore(target, "w") as store:
        store.put(H5_KEY, table, format="table", index=False, track_times=False)


def read_poses(source: Path) -> pd.DataFrame:
    """Read a table of poses that DeepLabCut or `write_poses` wrote.

    Raises:
        BadInput: The file has neither of DeepLabCut's keys.
    """
    with pd.HDFStore(source, "r") as store:
        key = next((key for key in (H5_KEY, TRACKS_KEY) if key in store), None)
        if key is None:
            found = ", ".join(name.strip("/") for name in store.keys()) or "none"  # noqa: SIM118
            raise BadInput(
                f"{source.name}: expected poses under the key {H5_KEY} or {TRACKS_KEY}, found "
                f"{found}; give a file that DeepLabCut wrote"
            )
        table = store[key]
    assert isinstance(table, pd.DataFrame)
    return table
