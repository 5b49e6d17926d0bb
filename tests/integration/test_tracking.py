"""Tracks where DeepLabCut's own tracking gives up: few frames, few animals, none."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

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
