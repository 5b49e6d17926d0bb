"""A PyTorch model: DeepLabCut's own network, weights and predictor, on a device."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import BadInput, Retriable
from tasks.pose.movies.reader import Image
from tasks.pose.network.interface import FramePrediction, Lanes, LoadedModel, WindowSupport
from tasks.pose.network.precision_check import Arithmetic
from tasks.pose.network.pytorch.bottom_up import BottomUp
from tasks.pose.network.pytorch.conditional_top_down import ConditionalTopDown
from tasks.pose.network.pytorch.model_loader import TorchModel, load_torch_model
from tasks.pose.network.pytorch.top_down import TopDown
from tasks.pose.settings import Precision
from tasks.pose.tables.pose_table import build_pose_table
from tasks.pose.tables.tracking import BatchPredictions, build_track_table, read_tracking_settings

_PIXELS_AT_ONCE = {"cpu": 640 * 480, "cuda": 32 * 640 * 480}
"""Pixels that go to the network at a time. More is slower on a CPU, where activations then leave
the processor's cache, and no faster on a GPU."""


class TorchNetwork:
    """DeepLabCut's model, predictor and, for several animals, tracker."""

    def __init__(self, project: Path, device: str | None) -> None:
        import torch  # noqa: PLC0415 - seconds, and only this process needs it

        self._torch = torch
        model = load_torch_model(project, device)
        metadata = model.config["metadata"]
        self._parts = {
            "bodyparts": tuple(metadata["bodyparts"]),
            "unique_bodyparts": tuple(metadata["unique_bodyparts"]),
        }
        weights = model.config["train_settings"].weight_init
        # Only those that `tasks.pose.model` wrote: a network with more outputs than body parts.
        self._columns = None if weights is None else np.asarray(weights.conversion_array)
        self._tracking = None
        if model.project["multianimalproject"]:
            self._tracking = read_tracking_settings(
                model.project, model.folder, model.scorer, metadata
            )
        else:
            _check_single_animal(metadata)
        kind = torch.device(model.runner.device).type
        kind = kind if kind in _PIXELS_AT_ONCE else "cpu"
        self._finder = _build_finder(model, _PIXELS_AT_ONCE[kind])
        self._most = sys.maxsize
        self.loaded = _describe_loaded(model, self._finder.frame_preparer)

    def begin_movie(self, frame: Image, precision: Precision = Precision.STANDARD) -> int:
        """Prepare for frames of a size; return the batch size."""
        self._most = self._finder.begin_movie(frame, precision)
        self.loaded = replace(self.loaded, path=self._finder.frame_preparer)
        return self._most

    @property
    def arithmetic(self) -> Arithmetic:
        """Number format in which the current movie is computed."""
        return self._finder.arithmetic

    @property
    def lanes(self) -> Lanes:
        """Lanes of batches through the network."""
        lanes = self._finder.lanes

        def prepare(batch: NDArray[np.uint8]) -> None:
            lanes.prepare(batch)
            self.loaded = replace(self.loaded, execution=self._finder.execution)

        return replace(lanes, prepare=prepare)

    def predict(self, batch: NDArray[np.uint8]) -> BatchPredictions:
        """Predict a batch, in halves where the device has too little memory for it.

        Args:
            batch: RGB, shape (frames, height, width, 3).

        Returns:
            DeepLabCut's predictions by name, each for all frames: ``bodyparts`` has shape (frames,
            animals, body parts, 3): x, y in pixels, likelihood; -1 where there is no animal.
        """
        return self._stack_predictions(self._predict_in_halves(batch, self._finder.predict))

    def find_window_support(self) -> WindowSupport:
        """Find whether windows of the current movie's frames have the full frame's poses."""
        finder = self._finder
        if not isinstance(finder, BottomUp):
            return WindowSupport(reason="it is a top-down model, which looks for animals first")

        def predict_windows(batch: NDArray[np.uint8], place: tuple[int, int]) -> BatchPredictions:
            def predict_part(part: NDArray[np.uint8]) -> list[FramePrediction]:
                return finder.predict_windows(part, place)

            return self._stack_predictions(self._predict_in_halves(batch, predict_part))

        return replace(finder.find_window_support(), predict=predict_windows)

    def build_table(self, predictions: Sequence[BatchPredictions]) -> pd.DataFrame:
        """Put a movie's poses into DeepLabCut's table: of tracks for a multi-animal project."""
        if self._tracking is not None:
            return build_track_table(predictions, self._tracking)
        poses = np.concatenate([one["bodyparts"][:, 0] for one in predictions])
        return build_pose_table(poses, self.loaded.scorer, self._parts["bodyparts"])

    def _predict_in_halves(
        self,
        batch: NDArray[np.uint8],
        predict: Callable[[NDArray[np.uint8]], list[FramePrediction]],
    ) -> list[FramePrediction]:
        most = self._most
        if len(batch) > most:  # as much was too much before
            return [
                one
                for part in _split_batch(batch, most)
                for one in self._predict_in_halves(part, predict)
            ]
        try:
            return predict(batch)
        except self._torch.OutOfMemoryError as error:
            if len(batch) == 1:
                raise Retriable("the GPU has too little free memory for a single frame") from error
        self._torch.cuda.empty_cache()
        self._most = min(self._most, len(batch) // 2)
        return self._predict_in_halves(batch, predict)

    def _stack_predictions(self, frames: list[FramePrediction]) -> BatchPredictions:
        """Stack the frames' predictions, without columns that belong to no body part's pose."""
        if self._columns is not None:
            frames = [_select_body_parts(one, self._columns) for one in frames]
        for name, parts in self._parts.items():
            found = frames[0][name].shape[1] if name in frames[0] else 0
            if found != len(parts):
                raise BadInput(
                    f"the network gives {found} {name}, but its configuration names {len(parts)} "
                    f"({', '.join(parts)})"
                )
        return {
            name: np.stack([one[name] for one in frames])[..., : 3 if name in self._parts else None]
            for name in frames[0]
        }


def _build_finder(
    model: TorchModel, pixels_at_once: int
) -> BottomUp | TopDown | ConditionalTopDown:
    metadata = model.config["metadata"]
    animals, parts = len(metadata["individuals"]), len(metadata["bodyparts"])
    if model.conditions is not None:
        return ConditionalTopDown(model.conditions, model.runner, pixels_at_once, animals, parts)
    if model.detector is not None:
        return TopDown(model.detector, model.runner, pixels_at_once, animals)
    return BottomUp(model.runner, pixels_at_once)


def _select_body_parts(found: FramePrediction, columns: NDArray[np.intp]) -> FramePrediction:
    """The project's body parts, of a network that finds more, as DeepLabCut's evaluation has them.

    A frame without an animal has as many as the configuration names already.
    """
    kinds = ("bodyparts", "identity_scores")
    selected = {
        name: found[name][:, columns]
        for name in kinds
        if name in found and found[name].shape[1] > columns.max()
    }
    return found | selected


def _split_batch(batch: NDArray[np.uint8], size: int) -> Iterator[NDArray[np.uint8]]:
    return (batch[start : start + size] for start in range(0, len(batch), size))


def _check_single_animal(metadata: dict[str, tuple[str, ...]]) -> None:
    """Refuse what DeepLabCut's table of a single animal has no columns for."""
    more = len(metadata["individuals"]) > 1 or metadata["unique_bodyparts"]
    if more:
        raise BadInput(
            f"config.yaml says that the project has a single animal (multianimalproject: false), "
            f"but the network was trained for {len(metadata['individuals'])} individuals and "
            f"{len(metadata['unique_bodyparts'])} unique body parts; set multianimalproject: true"
        )


def _describe_loaded(model: TorchModel, path: str) -> LoadedModel:
    return LoadedModel(
        scorer=model.scorer,
        snapshot=model.snapshots[0],
        device=str(model.runner.device),
        path=path,
        repairs=model.repairs,
        detector=model.snapshots[1] if len(model.snapshots) > 1 else None,
    )
