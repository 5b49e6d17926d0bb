"""The H5 that is delivered: DeepLabCut's table, and attributes that say what it is relative to."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.pose.exports.movie_context import MovieFacts
from tasks.pose.settings import CropCoordinates
from tasks.pose.tables.frame_offset import shift_poses
from tasks.pose.tables.pose_table import H5_KEY, read_poses, write_poses


def export_poses(
    source: Path, target: Path, facts: MovieFacts, relative_to: CropCoordinates
) -> None:
    """Write a movie's poses for delivery.

    The table is DeepLabCut's, under its key; programs that do not know the attributes of its group
    do not see them. The same poses of the same movie make the same bytes.

    Args:
        source: H5 of poses, relative to the crop.
        target: The H5 to write.
        facts: The movie.
        relative_to: What coordinates are to be relative to.

    Raises:
        OSError: Not all of it is on the disk.
    """
    if facts.is_cropped and relative_to is CropCoordinates.FRAME:
        write_poses(shift_poses(read_poses(source), facts.crop_offset), target)
    else:
        shutil.copyfile(source, target)
    attributes = build_attributes(facts, relative_to)
    with pd.HDFStore(target, "a") as store:
        group = store.get_storer(H5_KEY).attrs  # type: ignore[operator] # it is a method
        for name, value in attributes.items():
            setattr(group, name, value)
    _check_attributes(target, attributes)


def build_attributes(facts: MovieFacts, relative_to: CropCoordinates) -> dict[str, Any]:
    """Name what the coordinates of a movie's poses are relative to, and what movie it is.

    Args:
        facts: The movie.
        relative_to: What coordinates are relative to.

    Returns:
        Attributes of the table's group. Adding ``offset_x`` and ``offset_y`` to the coordinates
        gives pixels of the whole frame; all sizes and offsets are in pixels.
    """
    left, right, top, bottom = facts.edges
    in_frame = relative_to is CropCoordinates.FRAME or not facts.is_cropped
    return {
        "written_by": facts.product,
        "movie_name": facts.file_name,
        "movie_sha256": facts.sha256,
        "frame_width": facts.frame_size[0],
        "frame_height": facts.frame_size[1],
        "frame_rate": float(facts.timing.frame_rate),
        "crop_left": left,
        "crop_top": top,
        "crop_width": right - left,
        "crop_height": bottom - top,
        "coordinates": "frame" if in_frame else "crop",
        "offset_x": 0 if in_frame else left,
        "offset_y": 0 if in_frame else top,
    }


def _check_attributes(target: Path, attributes: dict[str, Any]) -> None:
    """See that a file can be read to its end: HDF5 says nothing when the disk becomes full."""
    with target.open("rb") as file:
        os.fsync(file.fileno())
    try:
        with pd.HDFStore(target, "r") as store:
            group = store.get_storer(H5_KEY).attrs  # type: ignore[operator]
            written = {name: getattr(group, name) for name in attributes}
            whole = len(store.select(H5_KEY, start=-1)) == 1
    except Exception as error:
        raise OSError(errno.EIO, f"{target.name}: {_INCOMPLETE_FILE_MESSAGE}") from error
    if written != attributes or not whole:
        raise OSError(errno.EIO, f"{target.name}: {_INCOMPLETE_FILE_MESSAGE}")


_INCOMPLETE_FILE_MESSAGE = (
    "what was written is not what is on the disk; see that it has room and is sound"
)
