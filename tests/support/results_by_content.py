"""A movie's results for comparison with another movie's of the same frames."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.pose.results.run_record import MovieRecord
from tasks.pose.tables.pose_table import H5_KEY


def results_by_content(movie: MovieRecord, fetch: Callable[[str], Path]) -> dict[str, Any]:
    """Results by their names after the movie's: pose files, which hold the movie's name, by their
    tables and other attributes, all others by their digests.

    Args:
        movie: The movie's record.
        fetch: Makes a local file of a result's location.
    """
    found: dict[str, Any] = {}
    for name, output in movie.outputs.items():
        where, _, file = name.rpartition("/")
        key = f"{where}/{file.removeprefix(movie.name)}"
        is_poses = name.endswith(".h5")
        found[key] = _read_poses(fetch(output.location), movie) if is_poses else output.sha256
    assert len(found) == len(movie.outputs)
    return found


def _read_poses(path: Path, movie: MovieRecord) -> Any:
    table: Any = pd.read_hdf(path, H5_KEY)
    with pd.HDFStore(path, "r") as file:
        attributes = file.get_storer(H5_KEY).attrs  # type: ignore[operator]
        known = {name: getattr(attributes, name) for name in attributes._v_attrnamesuser}
    assert known.pop("movie_name") == f"{movie.name}.mp4"
    assert movie.frames is not None
    assert len(table) == movie.frames.poses
    # The file's digest is its movie's: another movie's differs only where its bytes do.
    known.pop("movie_sha256", None)
    return table.to_numpy().tobytes(), list(table.columns), {n: str(v) for n, v in known.items()}
