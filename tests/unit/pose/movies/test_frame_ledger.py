"""The frame ledger: counts that agree, and what is said where they do not."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tasks.pose.movies.frame_ledger import (
    FrameLedger,
    decode_warnings,
    filter_window_warnings,
    lost_frame_warnings,
)
from tasks.pose.movies.timing import Timing, constant_timing

WHOLE = FrameLedger(declared=9, decoded=9, poses=9, annotated=9, labeled=9)
FIELDS = ("declared", "poses", "annotated", "labeled")


def test_equal_counts_are_complete_and_agree() -> None:
    assert WHOLE.is_complete
    assert WHOLE.list_disagreements() == []


@pytest.mark.parametrize("field", FIELDS)
def test_each_other_count_is_named_with_both_numbers(field: str) -> None:
    (sentence,) = WHOLE.model_copy(update={field: 8}).list_disagreements()
    assert "8" in sentence.split()
    assert sentence.endswith("but 9 decode")


def test_every_disagreement_is_named() -> None:
    assert len(WHOLE.model_copy(update={"decoded": 7}).list_disagreements()) == len(FIELDS)


@pytest.mark.parametrize("field", ["poses", "annotated", "labeled"])
@pytest.mark.parametrize("count", [None, 0, 8])
def test_a_result_that_lacks_frames_is_not_complete(field: str, count: int | None) -> None:
    assert not WHOLE.model_copy(update={field: count}).is_complete


def test_what_the_container_claims_does_not_make_results_incomplete() -> None:
    cut_off = WHOLE.model_copy(update={"declared": 100})
    assert cut_off.is_complete
    assert cut_off.list_disagreements() == ["the container declares 100 frames, but 9 decode"]


@pytest.mark.parametrize("field", ["declared", "annotated", "labeled"])
def test_a_count_that_is_unknown_disagrees_with_none(field: str) -> None:
    assert WHOLE.model_copy(update={field: None}).list_disagreements() == []


def test_no_frames_declared_is_a_claim_too() -> None:
    assert len(WHOLE.model_copy(update={"declared": 0}).list_disagreements()) == 1


@pytest.mark.parametrize(
    ("errors", "warnings"),
    [
        ((), []),
        (("frame 3 is damaged",), ["the movie is damaged: frame 3 is damaged"]),
        (("first", "second", "third"), ["the movie is damaged: first (and 2 more)"]),
    ],
)
def test_damage_is_told_in_one_sentence(errors: tuple[str, ...], warnings: list[str]) -> None:
    assert decode_warnings(errors) == warnings


@pytest.mark.parametrize(
    ("frames", "window", "warned"),
    [(4, 5, True), (5, 5, False), (1, 3, True), (1, 1, False), (0, 1, False), (1, 0, False)],
)
def test_a_window_longer_than_the_movie_is_warned_of(
    frames: int, window: int, warned: bool
) -> None:
    warnings = filter_window_warnings(frames, window)
    assert bool(warnings) is warned
    assert all(f"{frames} frames" in text and str(window) in text for text in warnings)


DROPPED = FrameLedger(
    declared=11, dropped=((3, 3), (6, 7)), decoded=8, poses=8, annotated=8, labeled=8
)


def test_frames_that_the_recorder_dropped_are_no_disagreement() -> None:
    assert DROPPED.dropped_frame_count == 3
    assert DROPPED.is_complete
    assert DROPPED.list_disagreements() == []


def test_which_frames_were_dropped_is_said() -> None:
    (warning,) = DROPPED.dropped_frame_warnings()
    assert warning.startswith("3 frames were dropped by the recorder (3, 6–7)")
    (warning,) = DROPPED.model_copy(update={"dropped": ((4, 4),)}).dropped_frame_warnings()
    assert warning.startswith("1 frame was dropped by the recorder (4)")
    assert WHOLE.dropped_frame_warnings() == []


def test_frames_that_are_missing_beside_the_dropped_ones_are_one() -> None:
    (sentence,) = DROPPED.model_copy(
        update={"decoded": 7, "poses": 7, "annotated": 7, "labeled": 7}
    ).list_disagreements()
    assert sentence == "the container declares 11 frames of which 3 were dropped, but 7 decode"


def missing(*lost: int, frames: int = 60) -> Timing:
    seconds = np.delete(np.arange(frames) / 30, lost)
    return Timing(seconds, Fraction(30), constant=False)


def test_frames_lost_in_the_middle_are_named() -> None:
    (warning,) = lost_frame_warnings(60, missing(25, 26, 40))
    assert warning.startswith("frames that can't be decoded: 25–26, 40;")


def test_frames_are_not_named_where_times_are_estimates() -> None:
    assert lost_frame_warnings(60, replace(missing(25), warnings=("times are estimates",))) == []


@pytest.mark.parametrize("declared", [None, 57, 61])
def test_frames_are_not_named_where_the_counts_leave_doubt(declared: int | None) -> None:
    assert lost_frame_warnings(declared, missing(25, 26, 40)) == []
    assert lost_frame_warnings(60, constant_timing(57, Fraction(30))) == []
