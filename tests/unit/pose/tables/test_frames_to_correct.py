"""The frames that a person should correct first."""

import numpy as np
import pytest

from tasks.pose.settings import QualityThresholds
from tasks.pose.tables import frames_to_correct
from tasks.pose.tables.frames_to_correct import (
    FrameRatings,
    FrameToCorrect,
    PointToCorrect,
    choose_frames_to_correct,
)
from tasks.pose.tables.keypoints import Keypoints
from tests.support.pose_tables import SINGLE_ANIMAL, TWO_ANIMALS, build_pose_table

FRAMES = 200
SIZE = (120, 90)


def still_poses(frames: int = FRAMES) -> np.ndarray:
    """An animal that sits still and is seen well: (frames, 3 body parts, 3)."""
    values = np.zeros((frames, 3, 3))
    values[...] = (60, 45, 0.95)
    return values


def choose(values: np.ndarray, count: int, rate: float = 10) -> tuple[FrameToCorrect, ...]:
    keypoints = Keypoints(build_pose_table(values, SINGLE_ANIMAL))
    return choose_frames_to_correct(keypoints, count, 0.6, SIZE, rate, QualityThresholds())


def indices(chosen: tuple[FrameToCorrect, ...]) -> list[int]:
    return [frame.index for frame in chosen]


def test_each_reason_of_the_verdict_makes_a_frame_bad() -> None:
    values = still_poses()
    values[20, 0, 2] = 0.1
    values[60, 1, :2] = (10, 10)
    values[100:, 2, :2] = (119, 45)
    values[100, 2, 0] = 120
    values[150, 0] = np.nan
    chosen = choose(values, 4)
    assert indices(chosen) == [20, 60, 100, 150]
    assert [tuple(map(str, frame.points)) for frame in chosen] == [
        ("nose 0.10 (low)",),
        ("ear 0.95 (jump)",),
        ("tail 0.95 (jump, outside)",),
        ("nose (missing)",),
    ]
    assert chosen[0].points == (PointToCorrect(0, "nose", 0.1, ("low",)),)
    assert chosen[3].points == (PointToCorrect(0, "nose", None, ("missing",)),)


def test_a_rating_has_the_worst_first_however_many_frames_are_rated_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(5).random((FRAMES, 3, 3)) * (140, 90, 1)
    keypoints = Keypoints(build_pose_table(values, SINGLE_ANIMAL))
    found = []
    for at_once in (FRAMES, 7, 1):
        monkeypatch.setattr(frames_to_correct, "_FRAMES_AT_ONCE", at_once)
        found.append(FrameRatings(keypoints, 0.6, SIZE, QualityThresholds()).choose(9, 10))
    assert found[0] == found[1] == found[2]
    assert indices(found[0]) != sorted(indices(found[0]))
    assert sum(len(frame.points) for frame in found[0][:3]) == 9


def test_frames_are_spread_over_the_movie() -> None:
    """A bout of bad frames must not take all places."""
    values = still_poses(1000)
    values[100:160, :, 2] = 0.05
    values[[400, 700, 950], 0, 2] = 0.5
    chosen = indices(choose(values, 5))
    assert {400, 700, 950} <= set(chosen)
    assert np.diff(chosen).min() >= 50


@pytest.mark.parametrize(("frames", "count", "expected"), [(5, 3, 3), (3, 9, 3), (1, 1, 1)])
def test_a_short_movie_gives_as_many_as_it_has(frames: int, count: int, expected: int) -> None:
    chosen = choose(still_poses(frames), count)
    assert len(set(indices(chosen))) == expected
    assert all(frame.points == () for frame in chosen)


def test_of_frames_that_are_equally_bad_the_least_certain_come_first() -> None:
    values = still_poses()
    values[70, :, 2] = 0.7
    assert indices(choose(values, 1)) == [70]


def test_an_animal_that_a_top_down_model_does_not_find_is_missing() -> None:
    values = np.full((FRAMES, 7, 3), 0.9)
    values[..., :2] = 30
    values[40, 3:6] = -1
    keypoints = Keypoints(build_pose_table(values, TWO_ANIMALS))
    (frame,) = choose_frames_to_correct(keypoints, 1, 0.6, SIZE, 10, QualityThresholds())
    assert frame.index == 40
    assert list(map(str, frame.points)) == [
        "two nose (missing)",
        "two ear (missing)",
        "two tail (missing)",
    ]


def test_what_is_chosen_does_not_depend_on_the_type_of_numbers() -> None:
    values = np.random.default_rng(3).random((FRAMES, 3, 3)) * (120, 90, 1)
    tables = [build_pose_table(values.astype(kind), SINGLE_ANIMAL) for kind in ("f4", "f8")]
    one, other = (
        choose_frames_to_correct(Keypoints(table), 9, 0.6, SIZE, 10, QualityThresholds())
        for table in tables
    )
    assert indices(one) == indices(other)
