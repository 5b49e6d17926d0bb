"""Poses read from an H5 file of unknown origin, without loading the pickles in it.

PyTables, and so pandas, unpickles the attributes of whatever file it opens, which can run code. A
page that shows files from a bucket reads the numbers with h5py, and of the pickles only those
values that need no code. The layout is that of pandas' tables (``HDFStore``, ``format="table"``).
"""

import io
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

import h5py
import numpy as np
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.messages import format_error, format_value
from tasks.pose.tables.keypoints import COORDS, Keypoints
from tasks.pose.tables.pose_table import H5_KEY

MAX_NAMES_BYTES = 2**20
"""Bytes of the names of all columns; those of a hundred animals have a tenth."""

MAX_KEYPOINTS = 10_000

_COLUMN_LEVELS = (3, 4)
"""Scorer, individual (multi-animal only), body part, coordinate."""

_BLOCK = "values_block_0"
"""pandas' name for the columns of one type: all of DeepLabCut's have the same."""


@dataclass(frozen=True)
class PoseFile:
    """A movie's poses, and what the file says about their coordinates.

    Attributes:
        keypoints: The poses, float32 or float64 as in the file.
        offset: What is added to x and y in pixels to give the whole frame's; None where the file
            does not say.
    """

    keypoints: Keypoints
    offset: tuple[int, int] | None


def read_untrusted_poses(path: Path) -> PoseFile:
    """Read a file of poses that `tasks.pose.exports.pose_file.export_poses` should have written.

    Raises:
        BadInput: It is no such file.
    """
    try:
        with h5py.File(path, "r") as file:
            return _read_file(file, path.name)
    except (OSError, KeyError, ValueError, TypeError, IndexError) as error:
        raise _refuse(path.name, f"a file that cannot be read ({format_error(error)})") from error


def _read_file(file: h5py.File, name: str) -> PoseFile:
    group = file.get(H5_KEY, getlink=True)
    if not isinstance(group, h5py.HardLink):
        raise _refuse(name, f"no group {H5_KEY}")
    table = file[H5_KEY].get("table", getlink=True)
    if not isinstance(table, h5py.HardLink):
        raise _refuse(name, "no table in it")
    dataset, attributes = file[f"{H5_KEY}/table"], file[H5_KEY].attrs
    _check_dataset(dataset, name)
    individuals, parts = _read_columns(dataset.attrs[f"{_BLOCK}_kind"], name)
    values = dataset.fields(_BLOCK)[()]
    if values.ndim != 2 or values.shape[1] != 3 * len(parts):  # noqa: PLR2004
        raise _refuse(name, f"{values.shape[-1]} columns of numbers for {3 * len(parts)} names")
    by_keypoint: NDArray[Any] = values.reshape(len(values), len(parts), 3)
    keypoints = Keypoints.from_values(individuals, parts, by_keypoint)
    offset = [attributes.get(f"offset_{axis}") for axis in "xy"]
    known = all(isinstance(one, np.integer) for one in offset)
    return PoseFile(keypoints, (int(offset[0]), int(offset[1])) if known else None)


def _check_dataset(dataset: Any, name: str) -> None:
    """Refuse a table whose numbers lie elsewhere, or are not there.

    HDF5 lets a file name others as the place of its numbers, and declare more than it holds.
    """
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1:
        raise _refuse(name, "no table in it")
    if dataset.external or dataset.is_virtual or dataset.compression:
        raise _refuse(name, "a table that is not stored as DeepLabCut stores it")
    column = (dataset.dtype.fields or {}).get(_BLOCK)
    kind = column[0].base if column else None
    if kind not in (np.dtype("<f4"), np.dtype("<f8")):
        raise _refuse(name, "a table without coordinates")
    if dataset.id.get_storage_size() < dataset.size * dataset.dtype.itemsize:
        raise _refuse(name, "a table that declares more rows than the file holds")


def _read_columns(pickled: Any, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The individual and the body part of each keypoint."""
    labels = list(_iterate_labels(pickled, name))
    if not labels or len(labels) > 3 * MAX_KEYPOINTS or len({len(one) for one in labels}) != 1:
        raise _refuse(name, f"{len(labels)} columns")
    if tuple(label[-1] for label in labels) != COORDS * (len(labels) // 3):
        raise _refuse(name, "columns that do not repeat x, y, likelihood")
    keypoints = labels[::3]
    has_individuals = len(keypoints[0]) == max(_COLUMN_LEVELS)
    individuals = tuple(label[1] if has_individuals else "" for label in keypoints)
    return individuals, tuple(label[-2] for label in keypoints)


def _iterate_labels(pickled: Any, name: str) -> Iterator[tuple[str, ...]]:
    if not isinstance(pickled, bytes) or len(pickled) > MAX_NAMES_BYTES:
        raise _refuse(name, "no names of columns")
    try:
        found = _PlainUnpickler(io.BytesIO(pickled)).load()
    except Exception as error:
        raise _refuse(
            name, f"names of columns that cannot be read ({format_error(error)})"
        ) from error
    for label in found if isinstance(found, list) else ():
        if not (
            isinstance(label, tuple)
            and len(label) in _COLUMN_LEVELS
            and all(isinstance(part, str) for part in label)
        ):
            raise _refuse(name, f"the name of a column {format_value(label)}")
        yield label


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, tuples, texts, and numbers; whatever needs a class or a function is refused."""

    def find_class(self, module: str, name: str) -> Never:
        """Refuse.

        Raises:
            pickle.UnpicklingError: Always.
        """
        raise pickle.UnpicklingError(f"it names {format_value(f'{module}.{name}')}")

    def persistent_load(self, pid: Any) -> Never:
        """Refuse.

        Raises:
            pickle.UnpicklingError: Always.
        """
        raise pickle.UnpicklingError(f"it names {format_value(pid)}")


def _refuse(name: str, found: str) -> BadInput:
    return BadInput(
        f"{name}: expected a movie's poses as a run delivers them, found {found}; run the movie "
        "again"
    )
