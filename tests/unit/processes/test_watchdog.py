"""How long a stage may be silent, by what it told last."""

from typing import Any

import pytest

from tasks.environment_variables import PATIENCE
from tasks.processes.bottleneck import EstimationProgress, queued_progress
from tasks.processes.watchdog import Patience

EIGHT_HOURS = 864_000


@pytest.mark.parametrize(
    "last", [1, EIGHT_HOURS - 1, EstimationProgress(1, "decoding"), EstimationProgress(700_000, "")]
)
def test_between_two_frames_the_movie_s_length_does_not_count(last: Any) -> None:
    assert Patience("m", EIGHT_HOURS).compute_limit(last) == float(PATIENCE.default)


@pytest.mark.parametrize("last", [None, 0, queued_progress(on_gpu=True), EIGHT_HOURS])
def test_a_hang_before_the_first_frame_is_noticed_within_the_hour(last: Any) -> None:
    assert float(PATIENCE.default) < Patience("m", EIGHT_HOURS).compute_limit(last) < 3600


@pytest.mark.parametrize("declared", [EIGHT_HOURS, EIGHT_HOURS + 1, 0])
def test_animals_of_a_long_movie_may_be_followed_for_hours(declared: int) -> None:
    """However many frames it declares, which need not be those that it has."""
    told = EstimationProgress(EIGHT_HOURS, "", combines=True)
    assert (
        Patience("m", declared).compute_limit(told) == float(PATIENCE.default) + 0.05 * EIGHT_HOURS
    )
