"""The file for movement: what it holds, and that movement takes it."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.pose.movies.timing import Timing
from tasks.pose.tables.pose_table import read_poses
from tests.support.exported_movies import example_facts, export_example
from tests.support.pose_tables import SINGLE_ANIMAL, TWO_ANIMALS, make_scattered_poses
from tests.support.records import DIGEST, example_model

CROPPED: dict[str, Any] = {"frame_size": (640, 480), "edges": (100, 420, 40, 280)}
TWO = example_model(
    multi_animal=True,
    track_method="ellipse",
    individuals=("one", "two"),
    unique_body_parts=("corner",),
)

pytestmark = pytest.mark.filterwarnings("ignore:numpy.ndarray size changed:RuntimeWarning")


@pytest.fixture
def open_dataset() -> Any:
    """Opens a file as movement's users do, and has movement check it."""
    xarray = pytest.importorskip("xarray")
    datasets = pytest.importorskip("movement.validators.datasets")

    def read(path: Path) -> Any:
        dataset = xarray.load_dataset(path)
        datasets.ValidPosesInputs.validate(dataset)
        return dataset

    return read


def test_one_animal_is_in_pixels_of_the_whole_frame(tmp_path: Path, open_dataset: Any) -> None:
    facts = example_facts(**CROPPED)
    exports = export_example(tmp_path, facts, movement=True)
    dataset = open_dataset(exports.files["m.movement.nc"])
    poses = read_poses(tmp_path / "pose_estimates.h5")
    assert list(dataset.keypoints.values) == list(SINGLE_ANIMAL[""])
    assert list(dataset.individuals.values) == ["individual_1"]
    found = dataset.position.sel(keypoints="ear", individuals="individual_1", space="y")
    ear = poses.xs("ear", axis=1, level="bodyparts").to_numpy()
    missing = np.isnan(ear).any(axis=1)
    expected = poses.xs(("ear", "y"), axis=1, level=("bodyparts", "coords")).to_numpy()[:, 0] + 40
    np.testing.assert_array_equal(found, np.where(missing, np.nan, expected))
    np.testing.assert_array_equal(dataset.time, np.arange(16) / 30)
    assert dataset.attrs["fps"] == 30
    assert (dataset.attrs["movie_sha256"], dataset.attrs["time_unit"]) == (DIGEST, "seconds")


def test_arena_parts_are_no_animal_s(tmp_path: Path, open_dataset: Any) -> None:
    table = make_scattered_poses(TWO_ANIMALS)
    exports = export_example(
        tmp_path, example_facts(model=TWO), table, movement=True, window_length=0
    )
    dataset = open_dataset(exports.files["m.movement.nc"])
    assert list(dataset.individuals.values) == ["one", "two"]
    assert list(dataset.keypoints.values) == ["nose", "ear", "tail"]
    assert list(dataset.arena_keypoints.values) == ["corner"]
    assert dataset.arena_position.dims == ("time", "space", "arena_keypoints")
    corner = table.xs(("single", "corner"), axis=1, level=("individuals", "bodyparts"))
    column, seen = corner.to_numpy()[:, 0], np.isfinite(corner.to_numpy()).all(axis=1)
    found = dataset.arena_position.sel(arena_keypoints="corner", space="x")
    np.testing.assert_array_equal(found, np.where(seen, column, np.nan))
    one = table.xs(("two", "tail"), axis=1, level=("individuals", "bodyparts")).to_numpy()[:, 2]
    there = dataset.confidence.sel(individuals="two", keypoints="tail").to_numpy()
    np.testing.assert_array_equal(there[np.isfinite(there)], one[np.isfinite(there)])


def test_uneven_times_are_those_of_the_frames_and_no_rate_is_promised(
    tmp_path: Path, open_dataset: Any
) -> None:
    seconds = np.cumsum(np.random.default_rng(1).random(16))
    timing = Timing(seconds, Fraction(30), constant=False)
    exports = export_example(tmp_path, example_facts(timing=timing), movement=True)
    dataset = open_dataset(exports.files["m.movement.nc"])
    np.testing.assert_array_equal(dataset.time, seconds)
    assert "fps" not in dataset.attrs


def test_names_of_any_alphabet_come_back(tmp_path: Path, open_dataset: Any) -> None:
    table = make_scattered_poses({"": ("鼻", "Ohr links", "x")})
    facts = example_facts(name="鼠", file_name="ünï 鼠.mp4", location="/daten/ünï 鼠.mp4")
    exports = export_example(tmp_path, facts, table, movement=True)
    dataset = open_dataset(exports.files["ünï 鼠.movement.nc"])
    assert dataset.attrs["movie_name"] == "ünï 鼠.mp4"
    assert dataset.attrs["source_file"] == "/daten/ünï 鼠.mp4"
    assert list(dataset.keypoints.values) == ["鼻", "Ohr links", "x"]


def test_an_animal_that_is_not_found_is_missing(tmp_path: Path, open_dataset: Any) -> None:
    """Top-down models say so by -1, which is no place in the frame."""
    table = make_scattered_poses(SINGLE_ANIMAL)
    table.iloc[3] = -1
    exports = export_example(
        tmp_path, replace(example_facts(), **CROPPED), table, movement=True, window_length=0
    )
    dataset = open_dataset(exports.files["m.movement.nc"])
    assert not np.isfinite(dataset.position[3]).any()
    assert not np.isfinite(dataset.confidence[3]).any()
