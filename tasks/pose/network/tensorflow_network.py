"""A TensorFlow model, as DeepLabCut 2 trained them: its own graph, weights and poses.

TensorFlow is an extra of the environment (`make setup-tensorflow`). Results are those of
`deeplabcut.analyze_videos`, whose MobileNets normalize a batch by its own statistics: what else is
in a batch changes the answer, and so batches are made up here exactly as there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import BadInput, Retriable
from tasks.messages import format_error
from tasks.pose.model.tensorflow_config import TENSORFLOW_NOT_INSTALLED, is_tensorflow_installed
from tasks.pose.movies.reader import Image
from tasks.pose.network.interface import Lanes, LoadedModel, WindowSupport
from tasks.pose.network.precision_check import FULL_PRECISION, Arithmetic
from tasks.pose.network.tensorflow_poses import AnimalFinder, PoseFinder, SinglePoseFinder
from tasks.pose.settings import Precision

_NO_HALF = "precision: half has no effect on TensorFlow models, which ran in full precision"


class TensorFlowNetwork:
    """DeepLabCut's TensorFlow graph on a device, and what it makes of the graph's outputs."""

    def __init__(self, project: Path, device: str | None) -> None:
        if not is_tensorflow_installed():
            raise BadInput(TENSORFLOW_NOT_INSTALLED)
        self._tensorflow, place = _load_tensorflow(device)
        config, scorer, snapshot, finder = _read_configuration(project)
        self._size = int(config["batch_size"])
        self._finder = finder
        self._build_graph(config, snapshot)
        self._buffer: NDArray[np.uint8] | None = None
        self.arithmetic = FULL_PRECISION
        self.lanes = Lanes()  # what a batch gives depends on the one before
        self.loaded = LoadedModel(scorer, snapshot, place, path="deeplabcut", repairs=())

    def begin_movie(self, frame: Image, precision: Precision = Precision.STANDARD) -> int:
        """Begin a movie: how many frames go to the network at a time, as the archive has it."""
        # DeepLabCut leaves this memory uninitialized, and there it is zeros too: that matters to
        # a movie shorter than one batch, whose other frames are then black.
        self._buffer = np.zeros((self._size, *frame.shape), np.uint8)
        self.arithmetic = (
            Arithmetic(warnings=(_NO_HALF,)) if precision is Precision.HALF else FULL_PRECISION
        )
        return self._size

    def predict(self, batch: NDArray[np.uint8]) -> Any:
        """Predict a batch.

        Args:
            batch: RGB, shape (frames, height, width, 3).

        Returns:
            For a single animal, shape (frames, body parts, 3): x, y in pixels, likelihood. For
            several, see `tasks.pose.network.tensorflow_poses.AnimalFinder`.
        """
        # After a movie's last frames DeepLabCut leaves those of the batch before in its buffer.
        assert self._buffer is not None
        self._buffer[: len(batch)] = batch
        try:
            return self._finder.find_poses(self._buffer, len(batch))
        except self._tensorflow.errors.ResourceExhaustedError as error:
            raise Retriable(
                f"the device has too little free memory for a batch of {self._size} frames of "
                f"{batch.shape[2]}×{batch.shape[1]} pixels; free some, or lower batch_size in the "
                "model's config.yaml"
            ) from error

    def find_window_support(self) -> WindowSupport:
        """Find whether windows have the full frame's poses: TensorFlow pads by a picture's size."""
        return WindowSupport(reason="it is a TensorFlow model")

    def build_table(self, predictions: Sequence[Any]) -> pd.DataFrame:
        """Put a movie's poses into DeepLabCut's table: of tracks for several animals."""
        return self._finder.build_table(predictions)

    def _build_graph(self, config: dict[str, Any], snapshot: str) -> None:
        """Build the graph on the device and restore the weights into it."""
        try:
            session = self._finder.build_graph()
            misfit = _find_misfit(self._tensorflow, session.graph, config["init_weights"])
        except (self._tensorflow.errors.ResourceExhaustedError, MemoryError) as error:
            raise Retriable(
                f"the device has no memory for the model now: {format_error(error)}"
            ) from error
        except Exception as error:
            raise BadInput(
                _explain_misfit(snapshot, f"{type(error).__name__}: {format_error(error)}")
            ) from error
        if misfit:
            raise BadInput(_explain_misfit(snapshot, misfit))


def _load_tensorflow(device: str | None) -> tuple[Any, str]:
    """Load TensorFlow by way of DeepLabCut, which sets it up, and choose the device.

    Returns:
        The module, and the device's name.
    """
    import deeplabcut.pose_estimation_tensorflow  # noqa: F401, PLC0415 - seconds
    import tensorflow as tf  # noqa: PLC0415

    gpus = tf.config.list_physical_devices("GPU")
    if device == "cpu" or not gpus:
        tf.config.set_visible_devices([], "GPU")
        return tf, "cpu"
    for gpu in gpus:
        # Otherwise it takes all of the memory at once, and others have none.
        tf.config.experimental.set_memory_growth(gpu, enable=True)
    return tf, str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu"))


def _read_configuration(project: Path) -> tuple[dict[str, Any], str, str, PoseFinder]:
    """Put together what the graph is built from, as `deeplabcut.analyze_videos` does.

    Returns:
        The network's configuration, the scorer's name, the name of the snapshot to load, and what
        finds poses with it.
    """
    from deeplabcut.core.engine import Engine  # noqa: PLC0415
    from deeplabcut.pose_estimation_tensorflow.config import load_config  # noqa: PLC0415
    from deeplabcut.utils import auxiliaryfunctions  # noqa: PLC0415

    (folder,) = project.glob("dlc-models/*/*-trainset*shuffle*")
    (snapshot,) = auxiliaryfunctions.get_snapshots_from_folder(folder / "train")
    values = auxiliaryfunctions.read_config(project / "config.yaml")
    config = load_config(str(folder / "test" / "pose_cfg.yaml"))
    config["batch_size"] = values["batch_size"]
    config["init_weights"] = str(folder / "train" / snapshot)
    shuffle = folder.name.rpartition("shuffle")[2]
    scorer, _ = auxiliaryfunctions.get_scorer_name(
        values,
        int(shuffle),
        values["TrainingFraction"][0],
        trainingsiterations=snapshot.rpartition("-")[2],
        engine=Engine.TF,
    )
    finder = (
        AnimalFinder(config, scorer, values, folder)
        if values["multianimalproject"]
        else SinglePoseFinder(config, scorer)
    )
    return config, scorer, snapshot, finder


def _find_misfit(tensorflow: Any, graph: Any, weights: str) -> str | None:
    """Name a variable that was restored with another shape than the network gives it.

    TensorFlow restores such variables without a word, and then runs another network.
    """
    shapes = tensorflow.train.load_checkpoint(weights).get_variable_to_shape_map()
    for variable in graph.get_collection(tensorflow.compat.v1.GraphKeys.GLOBAL_VARIABLES):
        found, expected = shapes[variable.op.name], variable.shape.as_list()
        if found != expected:
            return f"{variable.op.name} has the shape {found}, expected {expected}"
    return None


def _explain_misfit(snapshot: str, why: str) -> str:
    return (
        f"{snapshot}: its weights cannot be loaded into the network that pose_cfg.yaml describes "
        f"({why}); zip the configuration that belongs to it"
    )
