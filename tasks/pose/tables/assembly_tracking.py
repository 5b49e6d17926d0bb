"""Tracks of animals that were assembled from a TensorFlow network's body parts.

Each frame's assemblies go to DeepLabCut's tracker, as in its ``convert_detections2tracklets``;
its tracker for PyTorch models leaves out points of low likelihood or outside of the picture, which
the one for TensorFlow models keeps.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.pose.tables.keypoints import ARENA
from tasks.pose.tables.tracking import BatchPredictions, TrackingSettings, join_tracklets


def build_assembly_track_table(
    predictions: Sequence[BatchPredictions], tracking: TrackingSettings
) -> pd.DataFrame:
    """Make DeepLabCut's table of tracks, with one row for every frame.

    Args:
        predictions: What was found in each batch of frames: ``assemblies`` (frames, animals, body
            parts, 4): x, y, likelihood, and the number of the individual, -1 where the network
            does not tell them apart; all NaN where there is no animal. Where the arena has body
            parts, ``arena`` (frames, parts, 3).
        tracking: How animals are tracked.

    Returns:
        See `tasks.pose.tables.tracking.join_tracklets`.
    """
    animals = AssembledFrames(predictions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of means of nothing
        pieces = _build_tracklets(animals, tracking)
    return join_tracklets(pieces, animals, tracking)


def concatenate_assemblies(batches: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Put the assemblies of batches into one array, with room for the most animals in a frame."""
    most = max(batch.shape[1] for batch in batches)
    spare = [((0, 0), (0, most - batch.shape[1]), (0, 0), (0, 0)) for batch in batches]
    padded = [
        np.pad(batch, width, constant_values=np.nan)
        for batch, width in zip(batches, spare, strict=True)
    ]
    return np.concatenate(padded)


class AssembledFrames:
    """The animals of every frame.

    Attributes:
        arena: Poses of the arena's body parts, shape (frames, parts, 3); None where it has none.
    """

    def __init__(self, predictions: Sequence[BatchPredictions]) -> None:
        self._assemblies = concatenate_assemblies([one["assemblies"] for one in predictions])
        self.arena: NDArray[np.float64] | None = (
            np.concatenate([one["arena"] for one in predictions])
            if "arena" in predictions[0]
            else None
        )

    def __len__(self) -> int:
        return len(self._assemblies)

    def assemblies_of(self, frame: int) -> NDArray[np.float64]:
        """The animals of a frame, shape (animals, body parts, 4)."""
        found: NDArray[np.float64] = self._assemblies[frame]
        return found[~np.isnan(found).all(axis=(1, 2))]

    def arena_poses(self) -> dict[int, NDArray[np.float64]]:
        """Poses of the arena's body parts by frame, where one of them is found."""
        assert self.arena is not None
        found = ~np.isnan(self.arena).all(axis=(1, 2))
        return {int(frame): self.arena[frame] for frame in np.flatnonzero(found)}


def _build_tracklets(animals: AssembledFrames, tracking: TrackingSettings) -> dict[Any, Any]:
    """Follow animals from frame to frame; frames without an animal are passed over."""
    from deeplabcut.core import trackingutils  # noqa: PLC0415 - seconds

    tracklets: dict[Any, Any] = {"header": _build_header(tracking)}
    if animals.arena is not None:
        tracklets[ARENA] = animals.arena_poses()
    frames = ((frame, animals.assemblies_of(frame)) for frame in range(len(animals)))
    seen = ((frame, found) for frame, found in frames if len(found))
    if tracking.inference["topktoretain"] == 1:
        tracklets[0] = {frame: found[0] for frame, found in seen}
        return tracklets
    tracker = _build_tracker(tracking)
    for frame, found in seen:
        points = (
            trackingutils.calc_bboxes_from_keypoints(found, tracking.inference["boundingboxslack"])
            if tracking.method == "box"
            else found[..., :2]
        )
        trackingutils.fill_tracklets(tracklets, tracker.track(points), found, frame)
    return tracklets


def _build_header(tracking: TrackingSettings) -> pd.MultiIndex:
    return pd.MultiIndex.from_product(
        [
            [tracking.scorer],
            [*tracking.body_parts, *tracking.arena_parts],
            ["x", "y", "likelihood"],
        ],
        names=["scorer", "bodyparts", "coords"],
    )


def _build_tracker(tracking: TrackingSettings) -> Any:
    from deeplabcut.core import trackingutils  # noqa: PLC0415 - seconds

    settings = tracking.inference
    ages = (settings["max_age"], settings["min_hits"])
    if tracking.method == "box":
        return trackingutils.SORTBox(*ages, settings.get("iou_threshold", 0.3))
    if tracking.method == "skeleton":
        parts = len(tracking.body_parts) + len(tracking.arena_parts)
        return trackingutils.SORTSkeleton(parts, *ages, settings.get("oks_threshold", 0.5))
    return trackingutils.SORTEllipse(*ages, settings.get("iou_threshold", 0.6))
