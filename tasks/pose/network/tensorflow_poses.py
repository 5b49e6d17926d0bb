"""Poses from a TensorFlow graph's outputs: of one animal, or of assembled animals.

Both build DeepLabCut's own graph. For a single animal the poses come out of it; for several it
gives peaks of each body part, which DeepLabCut's assembler puts together in each frame.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.tables.assembly_tracking import build_assembly_track_table
from tasks.pose.tables.pose_table import build_pose_table
from tasks.pose.tables.tracking import (
    BatchPredictions,
    TrackingSettings,
    read_tracking_settings,
)


class PoseFinder(Protocol):
    """A TensorFlow graph on a device, and what is made of its outputs."""

    def build_graph(self) -> Any:
        """Build the graph and restore the weights into it; returns TensorFlow's session."""

    def find_poses(self, frames: NDArray[np.uint8], count: int) -> Any:
        """Find the poses in the first few of a whole batch of frames."""

    def build_table(self, predictions: Sequence[Any]) -> pd.DataFrame:
        """Put a movie's poses into DeepLabCut's table."""


class SinglePoseFinder:
    """One animal's poses, which the graph itself finds.

    Args:
        config: DeepLabCut's configuration of the network.
        scorer: The name of the model's results.
    """

    def __init__(self, config: dict[str, Any], scorer: str) -> None:
        self._config, self._scorer = config, scorer
        self._parts = tuple(config["all_joints_names"])
        self._session: Any = None
        self._inputs: Any = None
        self._outputs: Any = None

    def build_graph(self) -> Any:
        """Build the graph and restore the weights into it; returns TensorFlow's session."""
        from deeplabcut.pose_estimation_tensorflow.core import predict  # noqa: PLC0415

        self._session, self._inputs, self._outputs = predict.setup_GPUpose_prediction(self._config)
        return self._session

    def find_poses(self, frames: NDArray[np.uint8], count: int) -> NDArray[np.float64]:
        """Find the poses in the first few of a whole batch of frames.

        Args:
            frames: RGB, shape (batch size, height, width, 3).
            count: How many of them count.

        Returns:
            Shape (count, body parts, 3): x, y in pixels, likelihood.
        """
        (found,) = self._session.run(self._outputs, feed_dict={self._inputs: frames})
        poses: NDArray[np.float32] = found[:, [1, 0, 2]].reshape(len(frames), len(self._parts), 3)
        return poses[:count].astype(np.float64)

    def build_table(self, predictions: Sequence[NDArray[np.float64]]) -> pd.DataFrame:
        """Put a movie's poses into DeepLabCut's table."""
        return build_pose_table(np.concatenate(predictions), self._scorer, self._parts)


class AnimalFinder:
    """Several animals: peaks that the graph gives, assembled in each frame.

    Args:
        config: DeepLabCut's configuration of the network.
        scorer: The name of the model's results.
        project: The config.yaml that was made for the model, as DeepLabCut loads it.
        folder: The model's folder, with ``test/inference_cfg.yaml``.
    """

    def __init__(self, config: dict[str, Any], scorer: str, project: Any, folder: Path) -> None:
        names = [str(name) for name in config["all_joints_names"]]
        count = len(project["multianimalbodyparts"])
        parts = {"bodyparts": names[:count], "unique_bodyparts": names[count:]}
        self._config = config
        self._tracking = read_tracking_settings(project, folder, scorer, parts)
        self._assembler = _build_assembler(config, self._tracking)
        self._session: Any = None
        self._inputs: Any = None
        self._outputs: Any = None

    def build_graph(self) -> Any:
        """Build the graph and restore the weights into it; returns TensorFlow's session."""
        from deeplabcut.pose_estimation_tensorflow.core import predict  # noqa: PLC0415

        self._session, self._inputs, self._outputs = predict.setup_pose_prediction(self._config)
        return self._session

    def find_poses(self, frames: NDArray[np.uint8], count: int) -> BatchPredictions:
        """Find the animals in the first few of a whole batch of frames.

        Args:
            frames: RGB, shape (batch size, height, width, 3).
            count: How many of them count.

        Returns:
            What `tasks.pose.tables.assembly_tracking.build_assembly_track_table` takes.
        """
        from deeplabcut.pose_estimation_tensorflow.core import predict_multianimal  # noqa: PLC0415

        # Nothing where no frame of the batch has a peak.
        peaks = predict_multianimal.predict_batched_peaks_and_costs(
            self._config, frames, self._session, self._inputs, self._outputs
        )
        animals, arena = [], np.full((count, len(self._tracking.arena_parts), 3), np.nan)
        for index in range(count):
            found, of_arena = self._assemble(peaks[index]) if peaks else (None, None)
            animals.append([assembly.data for assembly in found or ()])
            if of_arena is not None:
                arena[index] = of_arena
        assemblies = {"assemblies": self._stack_animals(animals)}
        return assemblies | ({"arena": arena} if self._tracking.arena_parts else {})

    def build_table(self, predictions: Sequence[BatchPredictions]) -> pd.DataFrame:
        """Put a movie's animals into DeepLabCut's table of tracks."""
        return build_assembly_track_table(predictions, self._tracking)

    def _assemble(self, peaks: dict[str, Any]) -> Any:
        """Assemble the animals of a frame, and take the best peaks of the arena's body parts.

        DeepLabCut's public way takes a whole movie, and forks. Frames do not touch one another.
        """
        return self._assembler._assemble(peaks, 0)  # noqa: SLF001

    def _stack_animals(self, frames: list[list[NDArray[np.float64]]]) -> NDArray[np.float64]:
        """Put the frames' animals into one array; what is free in it is NaN."""
        most = max(self._assembler.max_n_individuals, *map(len, frames))
        stacked = np.full((len(frames), most, len(self._tracking.body_parts), 4), np.nan)
        for frame, animals in enumerate(frames):
            if animals:
                stacked[frame, : len(animals)] = animals
        return stacked


def _build_assembler(config: dict[str, Any], tracking: TrackingSettings) -> Any:
    """DeepLabCut's assembler with the settings that `convert_detections2tracklets` gives it."""
    from deeplabcut.core.inferenceutils import Assembler  # noqa: PLC0415 - seconds

    graph, settings = config["partaffinityfield_graph"], tracking.inference
    return Assembler.empty(
        max_n_individuals=settings["topktoretain"],
        n_multibodyparts=len(tracking.body_parts),
        n_uniquebodyparts=len(tracking.arena_parts),
        graph=graph,
        paf_inds=list(config.get("paf_best", range(len(graph)))),
        pcutoff=settings.get("pcutoff", 0.1),
        min_affinity=settings.get("pafthreshold", 0.05),
        min_n_links=settings["minimalnumberofconnections"],
    )
