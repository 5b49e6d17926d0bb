"""Tracks where DeepLabCut's own tracking gives up: few frames, few animals, none."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from tasks.pose.child_libraries import load_for_estimation
from tasks.pose.tables.tracking import BatchPredictions, TrackingSettings
from tasks.processes.stage_process import StageProcess
from tests.support import torch_child
from tests.support.templates import NETWORK_ENVIRONMENT

PARTS = ("nose", "left", "tail")
INFERENCE = {
    "pcutoff": 0.1,
    "topktoretain": 2,
    "boundingboxslack": 0,
    "max_age": 1,
    "min_hits": 1,
    "iou_threshold": 0.6,
}
TRACKING = TrackingSettings("DLC", PARTS, (), ("one", "two"), "ellipse", INFERENCE)
SHAPE = np.array([(0, 0), (12, 3), (4, 15)])


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    log = tmp_path_factory.mktemp("log") / "tracking.log"
    child = StageProcess("tracking", log, NETWORK_ENVIRONMENT, load_for_estimation)
    yield child
    child.close()


def found(animals: list[int], batch: int = 4, identity: bool = False) -> list[BatchPredictions]:
    """Predictions of animals that walk side by side; the network finds them in either order."""
    poses = np.full((len(animals), 2, len(PARTS), 3), -1, np.float32)
    for frame, count in enumerate(animals):
        for animal in range(count):
            row = (frame + animal) % count
            poses[frame, row, :, :2] = np.add(SHAPE, (20 + frame, 30 + 90 * animal))
            poses[frame, row, :, 2] = 0.9
    batches: list[BatchPredictions] = []
    for start in range(0, len(animals), batch):
        one: dict[str, Any] = {"bodyparts": poses[start : start + batch]}
        if identity:
            below = one["bodyparts"][..., 1] > 100
            one["identity_scores"] = np.stack([~below, below], axis=3).astype(np.float32)
        batches.append(one)
    return batches


def y_of(table: pd.DataFrame, individual: str) -> list[float]:
    nose: list[float] = table["DLC", individual, "nose", "y"].tolist()
    return nose


def test_animals_that_walk_side_by_side_keep_their_tracks(process: StageProcess) -> None:
    table, told = process.call(torch_child.track_predictions, found([2] * 30), TRACKING)
    assert {frozenset(y_of(table, name)) for name in ("one", "two")} == {
        frozenset({30.0}),
        frozenset({120.0}),
    }
    assert told == ()


def test_identities_say_which_animal_is_which(process: StageProcess) -> None:
    table, told = process.call(
        torch_child.track_predictions, found([2] * 30, identity=True), TRACKING
    )
    assert (set(y_of(table, "one")), set(y_of(table, "two"))) == ({30.0}, {120.0})
    assert told == ()


@pytest.mark.parametrize("frames", [1, 2, 3, 9])
def test_few_frames_are_tracked_with_a_warning(process: StageProcess, frames: int) -> None:
    table, told = process.call(torch_child.track_predictions, found([2] * frames), TRACKING)
    assert len(table) == frames
    assert table.notna().to_numpy().all()
    assert all(len(set(y_of(table, name))) == 1 for name in ("one", "two"))
    assert [text for text in told if "followed for 10 frames" in text] == list(told)
    assert len(told) == 1


def test_an_animal_that_is_never_there_is_named(process: StageProcess) -> None:
    table, told = process.call(torch_child.track_predictions, found([1] * 30), TRACKING)
    assert set(y_of(table, "one")) == {30.0}
    assert np.isnan(y_of(table, "two")).all()
    assert told == ("no track was found for two",)


def test_frames_at_either_end_without_an_animal_have_rows(process: StageProcess) -> None:
    table, told = process.call(
        torch_child.track_predictions, found([0] * 3 + [2] * 20 + [0] * 4), TRACKING
    )
    assert table.index.tolist() == list(range(27))
    assert table.notna().all(axis=1).tolist() == [False] * 3 + [True] * 20 + [False] * 4
    assert told == ()


def test_no_animal_at_all_is_told(process: StageProcess) -> None:
    table, told = process.call(torch_child.track_predictions, found([0] * 20), TRACKING)
    assert table.shape == (20, 2 * len(PARTS) * 3)
    assert table.isna().to_numpy().all()
    assert told == ("no animal is found in any frame",)


def test_the_arena_is_there_without_an_animal(process: StageProcess) -> None:
    predictions = [
        {**one, "unique_bodyparts": np.full((len(one["bodyparts"]), 1, 1, 3), 0.5, np.float32)}
        for one in found([0] * 20)
    ]
    arena = TrackingSettings("DLC", PARTS, ("door",), ("one", "two"), "ellipse", INFERENCE)
    table, told = process.call(torch_child.track_predictions, predictions, arena)
    assert table["DLC", "single", "door", "x"].tolist() == [0.5] * 20
    assert table.shape == (20, 2 * len(PARTS) * 3 + 3)
    assert told == ("no animal is found in any frame",)


# --- animals that were assembled from a TensorFlow network's body parts -----------------------

ARENA_TRACKING = replace(TRACKING, arena_parts=("door",))
NOWHERE = np.full((len(PARTS), 4), np.nan)


def animal(frame: int, y: float, *, x: float = 20, identity: int = -1) -> NDArray[np.float64]:
    pose = np.full((len(PARTS), 4), 0.9)
    pose[:, :2] = np.add(SHAPE, (x + frame, y))
    pose[:, 3] = identity
    return pose


def assembled(frames: list[list[NDArray[Any]]], door: float | None = 0.5) -> list[BatchPredictions]:
    """Batches of four frames, with room for two animals or for as many as are found."""
    found: list[BatchPredictions] = []
    for start in range(0, len(frames), 4):
        some = frames[start : start + 4]
        most = max([2, *map(len, some)])
        assemblies = [animals + [NOWHERE] * (most - len(animals)) for animals in some]
        arena = np.full((len(some), 1, 3), np.nan if door is None else door)
        found.append({"assemblies": np.array(assemblies), "arena": arena})
    return found


def track(
    process: StageProcess, predictions: list[BatchPredictions], tracking: TrackingSettings
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    return process.call(torch_child.track_assemblies, predictions, tracking)


def test_assembled_animals_keep_their_tracks(process: StageProcess) -> None:
    frames = [[animal(i, 30), animal(i, 120)][:: 1 if i % 2 else -1] for i in range(30)]
    table, told = track(process, assembled(frames), ARENA_TRACKING)
    tracks = {frozenset(y_of(table, name)) for name in ("one", "two")}
    assert tracks == {frozenset({30.0}), frozenset({120.0})}
    assert table["DLC", "single", "door", "x"].tolist() == [0.5] * 30
    assert told == ()


def test_identities_of_assembled_animals_say_which_is_which(process: StageProcess) -> None:
    frames = [[animal(i, 120, identity=0), animal(i, 30, identity=1)] for i in range(30)]
    table, _ = track(process, assembled(frames), ARENA_TRACKING)
    assert (set(y_of(table, "one")), set(y_of(table, "two"))) == ({120.0}, {30.0})


def test_points_outside_of_the_picture_are_kept(process: StageProcess) -> None:
    """DeepLabCut's tracker for PyTorch models leaves them out, the one for TensorFlow does not."""
    frames = [[animal(0, 30, x=-8), animal(0, 120)] for _ in range(12)]
    table, _ = track(process, assembled(frames), ARENA_TRACKING)
    x = table.xs("x", axis=1, level="coords").drop(columns="single", level="individuals")
    assert x.notna().to_numpy().all()
    assert x.to_numpy().min() == -8


def test_the_only_animal_is_its_own_track(process: StageProcess) -> None:
    alone = replace(ARENA_TRACKING, individuals=("one",), inference=INFERENCE | {"topktoretain": 1})
    frames = [[animal(i, 30)] if i not in {3, 4} else [] for i in range(20)]
    table, told = track(process, assembled(frames), alone)
    seen = table.xs("one", axis=1, level="individuals").notna().to_numpy().all(axis=1)
    assert seen.tolist() == [i not in {3, 4} for i in range(20)]
    assert told == ()


def test_an_arena_that_is_never_seen_has_columns(process: StageProcess) -> None:
    frames = [[animal(i, 30), animal(i, 120)] for i in range(20)]
    table, _ = track(process, assembled(frames, door=None), ARENA_TRACKING)
    assert table.shape == (20, 2 * len(PARTS) * 3 + 3)
    arena = table.xs("single", axis=1, level="individuals")
    assert arena.isna().to_numpy().all()


def test_batches_may_have_room_for_more_animals_than_others(process: StageProcess) -> None:
    frames = [[animal(i, y) for y in (30, 120, 210)[: 3 if i == 9 else 2]] for i in range(20)]
    predictions = assembled(frames)
    assert len({one["assemblies"].shape[1] for one in predictions}) == 2
    table, _ = track(process, predictions, ARENA_TRACKING)
    assert table.notna().to_numpy().all()


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_few_frames_of_assembled_animals_are_tracked_with_a_warning(
    process: StageProcess, frames: int
) -> None:
    found = [[animal(i, 30), animal(i, 120)] for i in range(frames)]
    table, told = track(process, assembled(found), ARENA_TRACKING)
    assert table.notna().to_numpy().all()
    assert [text for text in told if "followed for 10 frames" in text] == list(told)
    assert len(told) == 1


def test_no_assembled_animal_at_all_is_told(process: StageProcess) -> None:
    table, told = track(process, assembled([[] for _ in range(20)]), ARENA_TRACKING)
    assert table["DLC", "single", "door", "x"].tolist() == [0.5] * 20
    assert table.drop(columns="single", level="individuals").isna().to_numpy().all()
    assert told == ("no animal is found in any frame",)
