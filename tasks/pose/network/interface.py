"""Interface between estimation and a network of any engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.movies.reader import Image
from tasks.pose.network.precision_check import Arithmetic
from tasks.pose.settings import Precision

FramePrediction = dict[str, NDArray[Any]]
"""Output of DeepLabCut's postprocessor for one frame, by its names."""


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory, as the run record tells it.

    Attributes:
        scorer: The name that DeepLabCut gives to this model's results.
        snapshot: File name of the snapshot that was loaded.
        device: The device that it runs on, as the engine names it.
        path: Which feed the frames take: ``device`` (normalized on the device) or ``deeplabcut``
            (prepared by DeepLabCut's own transforms, frame by frame).
        repairs: Settings of the archive that DeepLabCut does not know and that were left out.
        detector: File name of the detector's snapshot that was loaded; top-down models only.
        execution: How batches go through the network, and why.
    """

    scorer: str
    snapshot: str
    device: str
    path: str
    repairs: tuple[str, ...]
    detector: str | None = None
    execution: str | None = None


def _do_nothing(*_: object) -> None:
    """For engines that need no preparation."""


def allocate_batch(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Memory of the usual kind for a batch."""
    return np.empty(shape, np.uint8)


@dataclass(frozen=True)
class Lanes:
    """Parallel lanes of batches through a network, each in a separate thread.

    Attributes:
        count: How many are on their way at a time; one goes through in the caller's thread.
        begin: Called in each of these threads before its first batch.
        prepare: Called with a movie's first batch, before any thread.
        buffer: Makes the memory that a batch of a shape is put into.
    """

    count: int = 1
    begin: Callable[[], None] = _do_nothing
    prepare: Callable[[NDArray[np.uint8]], None] = _do_nothing
    buffer: Callable[[tuple[int, ...]], NDArray[np.uint8]] = allocate_batch


def _predict_nothing(*_: object) -> Any:
    raise NotImplementedError("This network takes no windows.")


@dataclass(frozen=True)
class WindowSupport:
    """Support of a network for windows that have the full frame's poses.

    Attributes:
        stride: Pixels; windows that begin at its multiples have them. 0 where none do.
        reason: Why none do.
        at_once: Windows that go to the network at a time.
        together: Frames that share a window: enough to keep the device busy.
        prepare: Prepares for windows like those of a batch, shape (windows, height, width, 3),
            and stays prepared for what the network was.
        predict: Predicts such a batch, in any of the lanes, of windows that begin at a column and
            a row of their frames; gives what `Network.predict` gives, with coordinates of the
            frame.
    """

    stride: int = 0
    reason: str = ""
    at_once: int = 1
    together: int = 4
    prepare: Callable[[NDArray[np.uint8]], None] = _do_nothing
    predict: Callable[[NDArray[np.uint8], tuple[int, int]], Any] = _predict_nothing


class Network(Protocol):
    """A loaded model that predicts frames in batches, and then makes DeepLabCut's table of them.

    Attributes:
        loaded: What was loaded.
    """

    loaded: LoadedModel

    @property
    def arithmetic(self) -> Arithmetic:
        """Number format in which the current movie is computed."""

    @property
    def lanes(self) -> Lanes:
        """Lanes for the batches of the current movie."""

    def begin_movie(self, frame: Image, precision: Precision = Precision.STANDARD) -> int:
        """Begin a movie with its first frame: how many of this size go to the network at a time."""

    def predict(self, batch: NDArray[np.uint8]) -> Any:
        """Predict a batch of RGB frames, shape (frames, height, width, 3), in any of the lanes.

        Returns:
            What `table` takes, in small: nothing of it lies on the device.
        """

    def find_window_support(self) -> WindowSupport:
        """Find whether windows of the current movie's frames have the full frame's poses."""

    def build_table(self, predictions: Sequence[Any]) -> pd.DataFrame:
        """Put the predictions of all of a movie's frames, batch by batch, into one table.

        Returns:
            One row a frame, columns as DeepLabCut has them; coordinates in pixels.
        """
