"""`output_metadata.json`: the keys, order and values that the IDEAS tool attaches."""

import json
from fractions import Fraction
from typing import Any

import pytest

from tasks.pose.model.description import Model
from tasks.pose.results.output_metadata import (
    LabeledMovieMetadata,
    render_output_metadata,
    snapshot_number,
)
from tests.support.paths import SHARED_FOLDER, needs_shared_data
from tests.support.records import example_model

MOVIE = LabeledMovieMetadata(1280, 1024, 20, Fraction(1_000_000, 50_050))


def rendered(model: Model, *movies: LabeledMovieMetadata) -> Any:
    return json.loads(render_output_metadata(model, movies))


@needs_shared_data
def test_the_text_is_that_of_the_ideas_tool() -> None:
    (golden,) = (SHARED_FOLDER / "reference").glob("*_output_metadata.json")
    expected = json.loads(golden.read_text())["dlc_annotations"]["dlc"]
    model = example_model(
        task=expected["task"],
        experimenter=expected["scorer"],
        date=expected["date"],
        net_type=expected["model_neural_net_type"],
        body_parts=tuple(expected["body_parts"].split(",")),
        snapshot=f"snapshot-{expected['snapshot']}.pt",
    )
    assert render_output_metadata(model, [MOVIE]) == golden.read_text()


def test_every_output_has_an_entry_in_the_request_s_order() -> None:
    assert list(rendered(example_model(), MOVIE, MOVIE)) == [
        "dlc_pose_estimates.0",
        "dlc_pose_estimates.1",
        "dlc_annotations",
        "dlc_labeled_movie.0",
        "dlc_labeled_movie.1",
    ]


def test_no_movie_leaves_the_annotations() -> None:
    assert list(rendered(example_model())) == ["dlc_annotations"]


def test_each_movie_has_its_own_figures() -> None:
    other = LabeledMovieMetadata(640, 480, 300, Fraction(30000, 1001))
    entry = rendered(example_model(), MOVIE, other)["dlc_labeled_movie.1"]
    assert list(entry) == ["spacingInfo", "timingInfo", "dlc"]
    assert entry["spacingInfo"] == {"numPixels": {"x": 640, "y": 480}}
    assert entry["timingInfo"] == {
        "cropped": [],
        "dropped": [],
        "numTimes": 300,
        "period": {"num": 33366, "den": 1_000_000},
        "sampling_rate": 29.97,
    }


@pytest.mark.parametrize(
    ("rate", "period", "sampling"),
    [(30, 33333, 30.0), (Fraction(1, 2), 2_000_000, 0.5), (1000, 1000, 1000.0), (3, 333333, 3.0)],
)
def test_periods_are_whole_microseconds(rate: Fraction | int, period: int, sampling: float) -> None:
    movie = LabeledMovieMetadata(1, 1, 1, Fraction(rate))
    timing = rendered(example_model(), movie)["dlc_labeled_movie.0"]["timingInfo"]
    assert (timing["period"]["num"], timing["sampling_rate"]) == (period, sampling)


def test_the_snapshot_is_the_one_that_was_used() -> None:
    model = example_model(
        snapshot="snapshot-050.pt", snapshots=("snapshot-050.pt", "snapshot-best-9.pt")
    )
    assert rendered(model)["dlc_annotations"]["dlc"]["snapshot"] == 50


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("snapshot-420000.index", 420000),
        ("snapshot-007.pt", 7),
        ("snapshot-best-030.pt", "best-030"),
        ("snapshot-1.5.pt", "1.5"),
        ("other.pt", "other"),
    ],
)
def test_snapshots_are_told_by_number_or_by_what_stands_there(name: str, number: int | str) -> None:
    assert snapshot_number(name) == number


def test_body_parts_of_the_arena_are_body_parts_too() -> None:
    model = example_model(unique_body_parts=("corner",), multi_animal=True)
    dlc = rendered(model)["dlc_annotations"]["dlc"]
    assert dlc["body_parts"] == "nose,ear,tail,corner"
    assert dlc["multi_animal_project"] is True
