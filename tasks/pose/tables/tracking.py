"""Tracks: which animal of one frame is which of the next, by DeepLabCut's tracker and stitcher.

DeepLabCut's own entry points (``convert_detections2tracklets``, ``stitch_tracklets``) go through
pickled files, open the movie again with OpenCV, and fail where no animal is seen for ten frames.
Here their parts are called on what the network has just found.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.errors import BadInput, PoseWarning
from tasks.pose.tables.keypoints import ARENA
from tasks.pose.tables.pose_table import build_multi_animal_columns

BatchPredictions = Mapping[str, NDArray[Any]]
"""DeepLabCut's predictions by their names, each with one entry for each frame of a batch."""

MIN_TRACK_LENGTH = 10
"""Frames that an animal must be followed for to make a track, as `stitch_tracklets` has it."""

MIN_STITCHABLE_LENGTH = 3
"""The fewest that DeepLabCut's stitcher can work with."""


@dataclass(frozen=True)
class TrackingSettings:
    """Settings by which a model's animals are tracked.

    Attributes:
        scorer: The name for the first column level.
        body_parts: Names in the network's order.
        arena_parts: Body parts unique to the arena.
        individuals: Names of the animals; as many tracks are made.
        method: ``ellipse``, ``box`` or ``skeleton``.
        inference: The settings of inference_cfg.yaml.
    """

    scorer: str
    body_parts: tuple[str, ...]
    arena_parts: tuple[str, ...]
    individuals: tuple[str, ...]
    method: str
    inference: dict[str, Any]


def read_tracking_settings(
    project: Any, folder: Path, scorer: str, metadata: Any
) -> TrackingSettings:
    """Gather how a model's animals are tracked, as `convert_detections2tracklets` does.

    Args:
        project: The config.yaml that was made for the model, as DeepLabCut loads it: its tracking
            method suits the number of body parts.
        folder: The model's folder, with ``test/inference_cfg.yaml``.
        scorer: The name of the model's results.
        metadata: Names of body parts, as pytorch_config.yaml has them.

    Raises:
        BadInput: A setting is missing.
    """
    from deeplabcut.utils import auxfun_multianimal  # noqa: PLC0415 - seconds

    inference = auxfun_multianimal.read_inferencecfg(folder / "test/inference_cfg.yaml", project)
    try:
        auxfun_multianimal.check_inferencecfg_sanity(project, inference)
    except KeyError as error:
        raise BadInput(f"inference_cfg.yaml: {error.args[0]}; add them") from error
    return TrackingSettings(
        scorer=scorer,
        body_parts=tuple(metadata["bodyparts"]),
        arena_parts=tuple(metadata["unique_bodyparts"]),
        individuals=tuple(project["individuals"]),
        method=project["default_track_method"],
        inference=dict(inference),
    )


def build_track_table(
    predictions: Sequence[BatchPredictions], tracking: TrackingSettings
) -> pd.DataFrame:
    """Make DeepLabCut's table of tracks, with one row for every frame.

    Args:
        predictions: What was found in each batch of frames: ``bodyparts`` (frames, animals, body
            parts, 3), and where the model has them ``unique_bodyparts`` (frames, 1, parts, 3) and
            ``identity_scores`` (frames, animals, body parts, individuals).
        tracking: How animals are tracked.

    Returns:
        Coordinates in pixels, float64, NaN where an animal is not found. Where fewer animals can
        be followed than DeepLabCut needs, a `PoseWarning` tells so.
    """
    from deeplabcut.pose_estimation_pytorch.apis import tracklets  # noqa: PLC0415

    animals = FrameAssemblies(predictions)
    with warnings.catch_warnings():
        # Whole frames without an animal are usual; what matters is told below.
        warnings.simplefilter("ignore")
        pieces = tracklets.build_tracklets(
            assemblies_data=animals,
            track_method=tracking.method,
            inference_cfg=tracking.inference,
            joints=[*tracking.body_parts, *tracking.arena_parts],
            scorer=tracking.scorer,
            num_frames=len(animals),
            unique_bodyparts=list(tracking.arena_parts),
        )
    return join_tracklets(pieces, animals, tracking)


class MovieAnimals(Protocol):
    """Findings in a movie's frames that joining tracklets needs.

    Attributes:
        arena: Poses of the arena's body parts, shape (frames, parts, 3); None where it has none.
    """

    arena: NDArray[np.float64] | None

    def __len__(self) -> int:
        """Return the number of frames."""


def join_tracklets(
    pieces: dict[Any, Any], animals: MovieAnimals, tracking: TrackingSettings
) -> pd.DataFrame:
    """Join tracklets to one track for each animal.

    Args:
        pieces: Tracklets as DeepLabCut's trackers make them.
        animals: What was found in the movie's frames.
        tracking: How animals are tracked.

    Returns:
        Coordinates in pixels, float64, NaN where an animal is not found. Where fewer animals can
        be followed than DeepLabCut needs, a `PoseWarning` says so.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table, followed = _stitch_or_fall_back(pieces, animals, tracking)
    _warn_of_missing_animals(table, tracking, followed)
    return table


class FrameAssemblies:
    """The animals of every frame, in the form that DeepLabCut's tracker reads.

    They are put together one frame at a time, so that a long movie's stay small. This is what
    `analyze_videos` writes into its assemblies file.
    """

    def __init__(self, predictions: Sequence[BatchPredictions]) -> None:
        self._poses = _concatenate_batches(predictions, "bodyparts")[..., :3]
        self._identities = (
            np.concatenate([np.argmax(p["identity_scores"], axis=3) for p in predictions])
            if "identity_scores" in predictions[0]
            else None
        )
        self.arena = (
            _concatenate_batches(predictions, "unique_bodyparts")[:, 0, :, :3].astype(np.float64)
            if "unique_bodyparts" in predictions[0]
            else None
        )

    def __len__(self) -> int:
        return len(self._poses)

    def __getitem__(self, key: str) -> dict[int, NDArray[np.float64]]:
        """Return the arena's body parts by frame, which the tracker reads as ``single``."""
        return {} if self.arena is None else dict(enumerate(self.arena))

    def get(self, frame: int) -> NDArray[np.float64]:
        """Poses of a frame's animals: x, y, likelihood, identity (-1 where it is not predicted)."""
        poses = self._poses[frame]
        found = np.full((*poses.shape[:2], 4), -1, np.float64)
        found[..., :3] = poses
        if self._identities is not None:
            found[..., 3] = self._identities[frame]
        return found[~(found < 0).all(axis=(1, 2))]


def _concatenate_batches(predictions: Sequence[BatchPredictions], name: str) -> NDArray[Any]:
    return np.concatenate([one[name] for one in predictions])


def _stitch_or_fall_back(
    pieces: dict[Any, Any], animals: MovieAnimals, tracking: TrackingSettings
) -> tuple[pd.DataFrame, int]:
    """The stitched table, and for how many frames an animal had to be followed to be in it."""
    from deeplabcut.refine_training_dataset.stitch import nx  # noqa: PLC0415

    frames = range(len(animals))
    for length in (MIN_TRACK_LENGTH, MIN_STITCHABLE_LENGTH):
        try:
            return _stitch_tracklets(dict(pieces), tracking, length).reindex(frames), length
        except (OSError, ValueError, IndexError, nx.NetworkXException):
            continue  # there is nothing of that length, or no way to join it
    return _assign_without_stitching(pieces, animals, tracking), 1


def _stitch_tracklets(
    pieces: dict[Any, Any], tracking: TrackingSettings, length: int
) -> pd.DataFrame:
    """Join tracklets, as `stitch_tracklets` does."""
    from deeplabcut.refine_training_dataset.stitch import TrackletStitcher  # noqa: PLC0415

    stitcher = TrackletStitcher.from_dict_of_dict(pieces, len(tracking.individuals), length)

    def weigh_by_identity(first: Any, second: Any) -> float:
        weight = 0.01 if first.identity == second.identity else 1
        return float(weight * stitcher.calculate_edge_weight(first, second))

    identified = any(tracklet.identity != -1 for tracklet in stitcher)
    stitcher.build_graph(weight_func=weigh_by_identity if identified else None)
    stitcher.stitch()
    table = stitcher.format_df(list(tracking.individuals))
    assert isinstance(table, pd.DataFrame)
    if tracking.arena_parts and stitcher.single is None:  # never seen: no columns
        arena = build_multi_animal_columns(tracking.scorer, (), (), tracking.arena_parts)
        table = pd.concat([table, pd.DataFrame(np.nan, table.index, arena)], axis=1)
    return table


def _assign_without_stitching(
    pieces: dict[Any, Any], animals: MovieAnimals, tracking: TrackingSettings
) -> pd.DataFrame:
    """Tracklets as they are, the longest first, each for the first animal that is free then."""
    shape = (len(animals), len(tracking.individuals), len(tracking.body_parts), 3)
    values = np.full(shape, np.nan)
    found = [v for key, v in pieces.items() if key not in {"header", ARENA}]
    for tracklet in sorted(found, key=len, reverse=True):
        frames = [int(str(name).removeprefix("frame")) for name in tracklet]
        poses = np.stack(list(tracklet.values()))[..., :3]
        free = np.isnan(values[frames]).all(axis=(0, 2, 3))
        if free.any():
            values[frames, np.argmax(free)] = poses
    flat = [values.reshape(len(animals), -1)]
    if animals.arena is not None:
        flat.append(animals.arena.reshape(len(animals), -1))
    columns = build_multi_animal_columns(
        tracking.scorer, tracking.individuals, tracking.body_parts, tracking.arena_parts
    )
    return pd.DataFrame(np.hstack(flat), columns=columns, index=range(len(animals)))


def _warn_of_missing_animals(
    table: pd.DataFrame, tracking: TrackingSettings, followed: int
) -> None:
    """Warn of animals that are not found, or not for long enough."""
    of_animals = table.drop(columns=ARENA, level="individuals", errors="ignore")
    if not of_animals.notna().to_numpy().any():
        warnings.warn("no animal is found in any frame", PoseWarning, stacklevel=3)
        return
    found = of_animals.T.groupby(level="individuals").any().T.any()
    missing = [name for name in tracking.individuals if not found[name]]
    if missing:
        text = f"no track was found for {', '.join(missing)}"
        warnings.warn(text, PoseWarning, stacklevel=3)
    if followed < MIN_TRACK_LENGTH and len(tracking.individuals) > 1:
        text = (
            f"no animal is followed for {MIN_TRACK_LENGTH} frames in a row, which DeepLabCut needs "
            "to join tracks; shorter pieces were used, and individuals may be mixed up"
        )
        warnings.warn(text, PoseWarning, stacklevel=3)
