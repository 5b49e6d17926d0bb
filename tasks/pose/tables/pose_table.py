"""A movie's poses as DeepLabCut's table, and its H5 files."""

import errno
import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.pose.tables.keypoints import ARENA, COORDS

H5_KEY = "df_with_missing"
TRACKS_KEY = "tracks"
"""The key under which DeepLabCut writes what it has tracked; here all poses have one key."""


def build_pose_table(
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


def build_multi_animal_columns(
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

    Raises:
        OSError: Not all of it is on the disk.
    """
    with pd.HDFStore(target, "w") as store:
        store.put(H5_KEY, table, format="table", index=False, track_times=False)
    _check_written_file(table, target)


def _check_written_file(table: pd.DataFrame, target: Path) -> None:
    """See that all of a table is on the disk: HDF5 says nothing when the disk becomes full.

    Raises:
        OSError: It is not.
    """
    with target.open("rb") as file:
        os.fsync(file.fileno())  # a network's file system tells only now
    begin = 0
    try:
        for part in read_poses_in_parts(target, _ROWS_PER_CHUNK):
            same = part.equals(table.iloc[begin : begin + len(part)])
            begin += len(part) if same else 0
    except Exception as error:
        raise OSError(errno.EIO, f"{target.name}: {_INCOMPLETE_FILE_MESSAGE}") from error
    if begin != len(table):
        raise OSError(errno.EIO, f"{target.name}: {_INCOMPLETE_FILE_MESSAGE}")


_ROWS_PER_CHUNK = 16_384
"""Rows that are read at a time."""

_INCOMPLETE_FILE_MESSAGE = (
    "the file on the disk differs from what was written; check that the disk has space and works"
)


def read_poses(source: Path) -> pd.DataFrame:
    """Read a table of poses that DeepLabCut or `write_poses` wrote.

    It is put together piece by piece: pandas itself would hold a long one three times meanwhile.

    Raises:
        BadInput: The file has neither of DeepLabCut's keys.
    """
    with pd.HDFStore(source, "r") as store:
        key = _find_key(store, source.name)
        storer: Any = store.get_storer(key)  # type: ignore[operator] # it is a method
        if not (storer.is_table and storer.nrows):
            table = store[key]
            assert isinstance(table, pd.DataFrame)
            return table
        rows = int(storer.nrows)
    return _concatenate_parts(read_poses_in_parts(source, _ROWS_PER_CHUNK), rows)


def _concatenate_parts(parts: Iterator[pd.DataFrame], rows: int) -> pd.DataFrame:
    first = next(parts)
    values = np.empty((rows, first.shape[1]), first.to_numpy().dtype)
    index = np.empty(rows, first.index.to_numpy().dtype)
    begin = 0
    for part in chain([first], parts):
        here = slice(begin, begin + len(part))
        values[here], index[here] = part.to_numpy(), part.index
        begin = here.stop
    return pd.DataFrame(values, index=pd.Index(index), columns=first.columns, copy=False)


def read_poses_in_parts(source: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Read the same table piece by piece, so that a long movie takes no more memory.

    Args:
        source: The file.
        rows: Rows of each piece; the last may have fewer.

    Raises:
        BadInput: The file has neither of DeepLabCut's keys.
    """
    with pd.HDFStore(source, "r") as store:
        key = _find_key(store, source.name)
        if not store.get_storer(key).is_table:  # type: ignore[operator] # it is a method
            yield from _split_table(store[key], rows)
            return
        total = store.get_storer(key).nrows  # type: ignore[operator]
        for start in range(0, total, rows):
            yield pd.DataFrame(store.select(key, start=start, stop=start + rows))


def _split_table(table: Any, rows: int) -> Iterator[pd.DataFrame]:
    return (table.iloc[start : start + rows] for start in range(0, len(table), rows))


def _find_key(store: pd.HDFStore, name: str) -> str:
    key = next((key for key in (H5_KEY, TRACKS_KEY) if key in store), None)
    if key is None:
        found = ", ".join(key.strip("/") for key in store.keys()) or "none"  # noqa: SIM118
        raise BadInput(
            f"{name}: expected poses under the key {H5_KEY} or {TRACKS_KEY}, found {found}; give a "
            "file that DeepLabCut wrote"
        )
    return key
