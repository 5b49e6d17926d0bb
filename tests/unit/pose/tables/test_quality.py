"""The verdict on poses: pass, look or fail, each with its reasons and figures."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.pose.settings import QualityThresholds
from tasks.pose.tables.quality import Quality, Verdict, assess_poses
from tests.support.pose_tables import TWO_ANIMALS, build_pose_table

SIZE = (100, 100)
FRAMES = 1000


def still(frames: int = FRAMES, parts: int = 1) -> Any:
    """Confident points in the middle of the frame, (frames, parts, 3)."""
    return np.tile([50.0, 50.0, 0.99], (frames, parts, 1))


def judge(values: Any, cutoff: float = 0.6, rate: float = 30, lost: int = 0) -> Quality:
    names = tuple(f"part{index}" for index in range(values.shape[1]))
    return assess_poses(build_pose_table(values, {"": names}), cutoff, SIZE, rate, lost)


def test_confident_steady_points_inside_pass() -> None:
    quality = judge(still(parts=2))
    assert (quality.verdict, quality.reasons) == (Verdict.PASS, ())
    assert [part.name for part in quality.parts] == ["part0", "part1"]
    first = quality.parts[0]
    assert (first.below_cutoff, first.jumps, first.outside) == (0, 0, 0)
    assert first.median_likelihood == 0.99


@pytest.mark.parametrize(
    ("share", "verdict"),
    [(0, "pass"), (0.1, "pass"), (0.101, "look"), (0.499, "look"), (0.5, "fail"), (1, "fail")],
)
def test_points_under_the_cutoff(share: float, verdict: str) -> None:
    values = still()
    values[: round(share * FRAMES), 0, 2] = 0.3
    quality = judge(values)
    assert quality.verdict == verdict
    assert quality.parts[0].below_cutoff == pytest.approx(share)
    assert all("under the cutoff in" in reason for reason in quality.reasons)


@pytest.mark.parametrize(("likelihood", "below"), [(0.6, 1), (0.6000001, 0), (0.5999, 1)])
def test_a_point_at_the_cutoff_is_not_above_it(likelihood: float, below: float) -> None:
    values = still()
    values[:, 0, 2] = likelihood
    assert judge(values, cutoff=0.6).parts[0].below_cutoff == below


def test_the_cutoff_is_the_requests() -> None:
    values = still()
    values[:, 0, 2] = 0.3
    assert judge(values, cutoff=0.2).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("jumps", "verdict"), [(0, "pass"), (9, "pass"), (11, "look"), (99, "look"), (100, "fail")]
)
def test_jumps_between_confident_frames(jumps: int, verdict: str) -> None:
    values = still()
    values[2 : 2 + jumps : 2, 0, 0] = 90  # there and back again
    values[2 + jumps :, 0, 0] = values[1 + jumps, 0, 0]
    quality = judge(values)
    assert quality.parts[0].jumps == pytest.approx(jumps / (FRAMES - 1))
    assert quality.verdict == verdict
    assert all("jumps in" in reason for reason in quality.reasons)


@pytest.mark.parametrize(("step", "jumps"), [(14.1, 0), (14.2, 1)])
def test_a_jump_is_a_tenth_of_the_diagonal(step: float, jumps: int) -> None:
    values = still(2)
    values[1, 0, 0] += step
    assert judge(values).parts[0].jumps == jumps


def test_a_step_to_an_uncertain_point_is_no_jump() -> None:
    values = still(3)
    values[1, 0] = [90, 90, 0.1]
    assert judge(values).parts[0].jumps == 0


@pytest.mark.parametrize(
    ("outside", "verdict"), [(0, "pass"), (1, "pass"), (2, "look"), (49, "look"), (50, "fail")]
)
def test_points_outside_the_frame(outside: int, verdict: str) -> None:
    values = still()
    values[:, 0, :2] = 99, 99  # a step from here to the outside is no jump
    values[:outside, 0, 0] = 100
    quality = judge(values)
    assert quality.parts[0].outside == pytest.approx(outside / FRAMES)
    assert quality.verdict == verdict


@pytest.mark.parametrize(
    ("point", "outside"),
    [((0, 0), 0), ((99.9, 99.9), 0), ((-0.1, 5), 1), ((5, -0.1), 1), ((100, 5), 1), ((5, 100), 1)],
)
def test_the_frames_edges(point: tuple[float, float], outside: float) -> None:
    values = still(1)
    values[:, 0, :2] = point
    assert judge(values).parts[0].outside == outside


def test_an_uncertain_point_outside_is_only_uncertain() -> None:
    values = still()
    values[:200, 0] = [-50, -50, 0.1]
    part = judge(values).parts[0]
    assert (part.outside, part.below_cutoff) == (0, 0.2)


def test_missing_poses_are_uncertain_ones() -> None:
    values = still()
    values[:300] = np.nan
    quality = judge(values)
    part = quality.parts[0]
    assert (part.below_cutoff, part.jumps, part.outside) == (0.3, 0, 0)
    assert part.median_likelihood == 0.99
    assert quality.verdict is Verdict.LOOK


def test_a_missing_coordinate_makes_a_point_uncertain() -> None:
    values = still(4)
    values[1, 0, 1] = np.nan
    assert judge(values).parts[0].below_cutoff == 0.25


def test_nothing_but_missing_poses_fail_without_figures() -> None:
    quality = judge(np.full((5, 1, 3), np.nan))
    part = quality.parts[0]
    assert quality.verdict is Verdict.FAIL
    assert (part.below_cutoff, part.jumps, part.outside, part.median_likelihood) == (1, 0, 0, None)
    assert Quality.model_validate_json(quality.model_dump_json()) == quality


def test_one_frame_can_be_judged() -> None:
    quality = judge(still(1))
    assert (quality.verdict, quality.worst_frames) == (Verdict.PASS, (0,))


def test_one_bad_part_among_good_ones_decides_and_is_named() -> None:
    values = still(parts=3)
    values[:, 1, 2] = 0.1
    quality = judge(values)
    assert quality.verdict is Verdict.FAIL
    assert quality.reasons == ("part1: under the cutoff in 100 % of frames",)


def test_the_worst_reason_comes_first() -> None:
    values = still(parts=3)
    values[:200, 0, 2] = 0.1
    values[:900, 1, 2] = 0.1
    values[:, 2, 0] = 200
    reasons = judge(values).reasons
    assert [reason.partition(":")[0] for reason in reasons] == ["part2", "part1", "part0"]


@pytest.mark.parametrize(
    ("share", "text"), [(0.002, "0.2 %"), (0.0135, "1.4 %"), (0.25, "25 %"), (1, "100 %")]
)
def test_shares_are_told_as_people_say_them(share: float, text: str) -> None:
    values = still(2000)
    values[:, 0, :2] = 99, 99
    values[: round(share * 2000), 0, 0] = 100
    assert judge(values).reasons == (f"part0: outside the frame in {text} of its points",)


def test_several_animals_are_told_apart() -> None:
    values = still(10, sum(map(len, TWO_ANIMALS.values())))
    quality = assess_poses(build_pose_table(values, TWO_ANIMALS), 0.6, SIZE, 30)
    animals = [f"{animal} {part}" for animal in ("one", "two") for part in TWO_ANIMALS[animal]]
    assert [part.name for part in quality.parts] == [*animals, "corner"]


@pytest.mark.parametrize("missing", [np.nan, -1])
def test_frames_without_an_animal_are_under_the_cutoff(missing: float) -> None:
    values = still(10)
    values[:4] = missing
    quality = judge(values)
    assert quality.parts[0].below_cutoff == pytest.approx(0.4)
    assert quality.parts[0].median_likelihood == 0.99
    assert (quality.parts[0].jumps, quality.parts[0].outside) == (0, 0)


@pytest.mark.parametrize("missing", [np.nan, -1])
def test_an_animal_that_is_never_there_has_no_likelihood(missing: float) -> None:
    quality = judge(np.full((10, 1, 3), missing))
    assert quality.verdict is Verdict.FAIL
    assert quality.parts[0].median_likelihood is None
    assert "NaN" not in quality.model_dump_json()


class TestWorstFrames:
    def test_are_those_of_the_lowest_mean_likelihood(self) -> None:
        values = still(300, 2)
        values[[50, 150, 250], :, 2] = 0.1
        assert judge(values).worst_frames == (50, 150, 250)

    def test_are_a_second_apart(self) -> None:
        values = still(300)
        values[100:200, 0, 2] = np.linspace(0.1, 0.2, 100)
        assert judge(values, rate=30).worst_frames == (100, 130, 160)

    def test_may_be_missing_ones(self) -> None:
        values = still(200)
        values[120] = np.nan
        values[20, 0, 2] = 0.2
        assert set(judge(values).worst_frames) >= {20, 120}

    @pytest.mark.parametrize(("frames", "rate"), [(1, 30), (31, 30), (5, 0.1), (3, 1000), (2, 0.5)])
    def test_are_fewer_in_short_movies(self, frames: int, rate: float) -> None:
        worst = judge(still(frames), rate=rate).worst_frames
        apart = max(1, round(rate))
        assert 1 <= len(worst) <= min(3, frames)
        assert all(later - earlier >= apart for earlier, later in pairwise(worst))
        assert set(worst) <= set(range(frames))


def test_poses_are_never_changed() -> None:
    values = still(50)
    values[3:9] = np.nan
    table = build_pose_table(values, {"": ("part0",)})
    before = table.copy()
    assess_poses(table, 0.6, SIZE, 30)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    ("lost", "verdict"), [(0, "pass"), (1, "look"), (111, "look"), (112, "fail"), (9000, "fail")]
)
def test_frames_that_cannot_be_decoded(lost: int, verdict: str) -> None:
    quality = judge(still(), lost=lost)
    assert quality.verdict == verdict
    expected = f"{verdict}: {lost} of {lost + FRAMES} frames that the movie declares cannot be"
    assert quality.verdict_summary.startswith(expected if lost else "pass")


@pytest.mark.parametrize(
    ("thresholds", "verdict"),
    [
        ({"low_look": 0.4, "low_fail": 0.6}, "pass"),
        ({"low_look": 0.2, "low_fail": 0.6}, "look"),
        ({"low_look": 0.1, "low_fail": 0.3}, "fail"),
        ({"low_look": 0, "low_fail": 0}, "fail"),
    ],
)
def test_the_thresholds_are_the_requests(thresholds: dict[str, float], verdict: str) -> None:
    values = still()
    values[:300, 0, 2] = 0.3
    poses = build_pose_table(values, {"": ("part0",)})
    quality = assess_poses(poses, 0.6, SIZE, 30, 0, QualityThresholds.model_validate(thresholds))
    assert quality.verdict == verdict


def test_what_counts_as_a_jump_is_the_requests() -> None:
    values = still()
    values[::2, 0, 0] = 60  # 10 pixels, in a frame whose diagonal has 141
    poses = build_pose_table(values, {"": ("part0",)})
    shares = [
        assess_poses(poses, 0.6, SIZE, 30, 0, QualityThresholds(jump_length=length)).parts[0].jumps
        for length in (0.05, 0.1)
    ]
    assert shares == [1, 0]


class TestGaps:
    @staticmethod
    def gapped() -> Any:
        """Two keypoints, of which one is there from frame 10 to frame 19 of 30."""
        values = still(30, 2)
        values[:10, 0] = values[20:, 0] = np.nan
        return values

    def assessed(self, values: Any, window_length: int) -> Quality:
        table = build_pose_table(values, {"": ("part0", "part1")})
        return assess_poses(table, 0.6, SIZE, 30, window_length=window_length)

    def test_missing_points_and_those_beside_them_are_counted(self) -> None:
        gaps = self.assessed(self.gapped(), 5).gaps
        assert gaps is not None
        assert gaps.model_dump() == {"points": 60, "missing": 20, "partial": 4}
        (warning,) = gaps.filter_warnings(5)
        assert warning.startswith("20 of 60 points were not found, and stay missing")
        assert "4 points beside them are medians of those frames in their window of 5" in warning

    def test_where_nothing_is_missing_or_filtered_nothing_is_said(self) -> None:
        for values, window in ((still(30, 2), 5), (self.gapped(), 1), (self.gapped(), 0)):
            gaps = self.assessed(values, window).gaps
            assert gaps is not None
            assert (gaps.partial, gaps.filter_warnings(window)) == (0, [])
