"""Predictions in files, from which an interrupted estimation continues.

A file holds the predictions of frames in a row. Its name tells which, how many frames went to the
network at a time, and on what kind of device: another would change the answer's last digits.
"""

import re
import time
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.environment_variables import read_checkpoint_interval
from tasks.pose.tables.assembly_tracking import concatenate_assemblies

CHECKPOINT_SUFFIX = ".npz"

_FILE_NAME = re.compile(r"(?P<start>\d+)-(?P<stop>\d+)-(?P<batch>\d+)-(?P<kind>[a-z]+)\.npz")
_SINGLE_ARRAY = "poses"
"""Name of an answer that is a single array."""

BatchPrediction = tuple[int, Any]
"""Number of frames, and what `tasks.pose.network.interface.Network.predict` says of them."""


@dataclass(frozen=True)
class PartialPredictions:
    """Predictions of an earlier, interrupted estimation.

    Attributes:
        frames: Frames from the movie's first one on whose poses are known.
        batch_size: Frames that went to the network at a time; 0 where nothing is known.
        found: Their predictions.
    """

    frames: int = 0
    batch_size: int = 0
    found: tuple[BatchPrediction, ...] = ()

    def frames_again(self, *, with_last_batch: bool) -> frozenset[int]:
        """Number the known frames that go to the network again, though their poses are known.

        The first batch: the network is prepared with it, and so in the same way.

        Args:
            with_last_batch: Whether the last known batch is needed, too.
        """
        first = range(min(self.frames, self.batch_size))
        last = range(max(0, self.frames - self.batch_size), self.frames)
        return frozenset(first) | frozenset(last if with_last_batch else ())


@dataclass
class CheckpointWriter:
    """Writes predictions down as they come.

    Attributes:
        folder: Where the files go; a file that is seen there under its own name is whole. None
            writes none.
        batch_size: Frames that go to the network at a time.
        kind: The kind of device, ``cpu``, ``cpubfloat`` (computing in bfloat16) or ``cuda``.
        frames: Frames whose predictions are in files.
    """

    folder: Path | None
    batch_size: int
    kind: str = "cpu"
    frames: int = 0
    _since: list[BatchPrediction] = field(default_factory=list)
    _written: float = field(default_factory=time.monotonic)

    def add_batch(self, found: BatchPrediction) -> None:
        """Take a batch's predictions; now and then what has come since is written."""
        if self.folder is None:
            return
        self._since.append(found)
        if time.monotonic() - self._written >= read_checkpoint_interval():
            self.write()

    def write(self) -> None:
        """Write what has come since the last file."""
        count = sum(frames for frames, _ in self._since)
        if self.folder is None or not count:
            return
        stop = self.frames + count
        target = (
            self.folder
            / f"{self.frames:09d}-{stop:09d}-{self.batch_size}-{self.kind}{CHECKPOINT_SUFFIX}"
        )
        partial = target.with_suffix(".partial")
        with partial.open("wb") as file:
            # mypy takes a name of ours for one of savez' own flags.
            np.savez(file, **_join_predictions([p for _, p in self._since]))  # type: ignore[arg-type]
        partial.replace(target)
        self.frames, self._since, self._written = stop, [], time.monotonic()


def read_checkpoints(folder: Path, kind: str) -> PartialPredictions:
    """Read what files tell from the first frame on, as far as they go without a gap.

    Args:
        folder: Where they lie. One that cannot be read ends what is known.
        kind: The kind of device that goes on.
    """
    frames, batch_size = 0, 0
    found: list[BatchPrediction] = []
    for path, start, stop, batch in _sort_files(folder, kind):
        if start != frames or (batch_size and batch != batch_size):
            continue
        try:
            found.append((stop - start, _read_prediction(path, stop - start)))
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
            continue  # a shorter one with the same first frame may do
        frames, batch_size = stop, batch
    return PartialPredictions(frames, batch_size, tuple(found))


def is_checkpoint(name: str) -> bool:
    """Return whether a file of this name is a checkpoint."""
    return _FILE_NAME.fullmatch(name) is not None


def count_frames_in_row(names: Iterable[str]) -> int:
    """Count the frames from a movie's first one on whose predictions are in files.

    Args:
        names: Names of files, of any kind of device; others than checkpoints do not count.
    """
    rows: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for found in filter(None, map(_FILE_NAME.fullmatch, names)):
        places = rows.setdefault((found["kind"], found["batch"]), [])
        places.append((int(found["start"]), int(found["stop"])))
    return max(map(_join_places, rows.values()), default=0)


def _join_places(places: list[tuple[int, int]]) -> int:
    frames = 0
    for start, stop in sorted(places, key=lambda place: (place[0], -place[1])):
        frames = stop if start == frames else frames
    return frames


def _sort_files(folder: Path, kind: str) -> list[tuple[Path, int, int, int]]:
    """The files by their first frame; of those with the same one the longest comes first."""
    named = [(path, _FILE_NAME.fullmatch(path.name)) for path in folder.iterdir()]
    places = [
        (path, int(name["start"]), int(name["stop"]), int(name["batch"]))
        for path, name in named
        if name and name["kind"] == kind
    ]
    return sorted(places, key=lambda place: (place[1], -place[2]))


def _read_prediction(path: Path, frames: int) -> Any:
    # Opened here: np.load leaves a file open that it cannot read.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        values: dict[str, NDArray[Any]] = {name: arrays[name] for name in arrays.files}
    if not values or any(len(value) != frames for value in values.values()):
        raise ValueError(f"{path.name}: expected arrays of {frames} frames")
    return values[_SINGLE_ARRAY] if set(values) == {_SINGLE_ARRAY} else values


def _join_predictions(predictions: list[Any]) -> dict[str, NDArray[Any]]:
    """Several batches' predictions as one; each name's arrays have one row for each frame."""
    first = predictions[0]
    if not isinstance(first, Mapping):
        return {_SINGLE_ARRAY: np.concatenate(predictions)}
    return {name: _concatenate([one[name] for one in predictions]) for name in first}


def _concatenate(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    """One array of several; some frames' have more animals than others'."""
    several = len({array.shape[1:] for array in arrays}) > 1
    return concatenate_assemblies(arrays) if several else np.concatenate(arrays)
