"""A netCDF file that `movement` opens, with true times and with arena parts apart.

The form is that of movement 0.15 (``ValidPosesInputs``): variables ``position`` (time, space,
keypoints, individuals) and ``confidence`` (time, keypoints, individuals), with their names as
coordinates. Text is written as xarray writes it into classic netCDF, which every netCDF library
reads: characters with an attribute ``_Encoding``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.exports.full_frame_points import PointGroup, split_points
from tasks.pose.exports.movie_context import MovieFacts

_SPACE = ("x", "y")
_FORMAT_WITH_64_BIT_OFFSETS = 2


def write_movement_file(target: Path, poses: pd.DataFrame, facts: MovieFacts) -> None:
    """Write a movie's poses for `movement`.

    Times are seconds since the movie's first frame, by the experiment's clock where each frame has
    a time there; the attributes say when that clock showed the first frame. Coordinates are pixels
    of the whole frame, NaN where a point is missing. Body parts unique to the arena are variables
    ``arena_position`` (time, space, arena_keypoints) and ``arena_confidence``: no animal has them.

    Args:
        target: The netCDF file to write.
        poses: The poses that are delivered, relative to the crop.
        facts: The movie.
    """
    from scipy.io import netcdf_file  # noqa: PLC0415

    animals, arena = split_points(poses, facts.crop_offset, facts.model.individuals[0])
    with netcdf_file(target, "w", mmap=False, version=_FORMAT_WITH_64_BIT_OFFSETS) as file:
        _add_numbers(file, "time", ("time",), facts.times)
        _add_names(file, "space", _SPACE)
        _add_names(file, "keypoints", animals.parts)
        _add_names(file, "individuals", animals.owners)
        position = ("time", "space", "keypoints", "individuals")
        _add_numbers(file, "position", position, animals.xy)
        _add_numbers(file, "confidence", (position[0], *position[2:]), animals.likelihood)
        if arena:
            _add_arena(file, arena)
        for name, value in _describe_movie(facts).items():
            setattr(file, name, value.encode() if isinstance(value, str) else value)


def _add_arena(file: Any, arena: PointGroup) -> None:
    _add_names(file, "arena_keypoints", arena.parts)
    dimensions = ("time", "space", "arena_keypoints")
    _add_numbers(file, "arena_position", dimensions, arena.xy[..., 0])
    _add_numbers(file, "arena_confidence", (dimensions[0], dimensions[2]), arena.likelihood[..., 0])


def _add_numbers(
    file: Any, name: str, dimensions: tuple[str, ...], values: NDArray[np.float64]
) -> None:
    for dimension, size in zip(dimensions, values.shape, strict=True):
        if dimension not in file.dimensions:
            file.createDimension(dimension, size)
    file.createVariable(name, "d", dimensions)[:] = values


def _add_names(file: Any, name: str, names: Sequence[str]) -> None:
    encoded = [text.encode() for text in names]
    size = max(map(len, encoded))
    length = f"string{size}"
    for dimension, count in ((name, len(encoded)), (length, size)):
        if dimension not in file.dimensions:
            file.createDimension(dimension, count)
    variable = file.createVariable(name, "c", (name, length))
    padded = b"".join(text.ljust(size, b"\0") for text in encoded)
    variable[:] = np.frombuffer(padded, "S1").reshape(len(encoded), size)
    setattr(variable, "_Encoding", "utf-8")  # noqa: B010 - an attribute of the file


def _describe_movie(facts: MovieFacts) -> dict[str, Any]:
    left, right, top, bottom = facts.edges
    known: dict[str, Any] = {
        "ds_type": "poses",
        "source_software": "DeepLabCut",
        "source_file": facts.location,
        "time_unit": "seconds",
        "written_by": facts.product,
        "movie_name": facts.file_name,
        "movie_sha256": facts.sha256,
        "scorer": facts.scorer,
        "frame_width": facts.frame_size[0],
        "frame_height": facts.frame_size[1],
        "crop_left": left,
        "crop_top": top,
        "crop_width": right - left,
        "crop_height": bottom - top,
    }
    if clock := facts.complete_clock:
        return known | {
            "experiment_time_of_first_frame": float(clock.seconds[0]),
            "experiment_time_origin": clock.record.origin,
        }
    # movement takes `fps` for a promise that times are even.
    even = {"fps": float(facts.timing.frame_rate)} if facts.timing.constant else {}
    return known | even
