"""Several animals with TensorFlow: tracks are those of DeepLabCut's own API."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tasks.pose import estimate
from tasks.pose.estimate import Estimate
from tasks.pose.model.archive import unpack_model
from tasks.pose.settings import Crop
from tasks.pose.tables.median_filter import apply_median_filter, find_missing_points
from tasks.pose.tables.pose_table import read_poses
from tasks.processes.stage_process import StageProcess
from tests.integration import deeplabcut_api
from tests.integration.test_estimate_like_deeplabcut import assert_same, table
from tests.support.blob_movies import write_blobs
from tests.support.tensorflow_animals import MODEL_KINDS, AnimalModels
from tests.support.tensorflow_models import needs_tensorflow

pytestmark = needs_tensorflow

# Both animals, one, none for a while (a whole batch of four, too), and both again; the last batch
# is not full.
ANIMALS = [2] * 14 + [1] * 5 + [0] * 7 + [2] * 12
ALWAYS = [2] * 18
# Through fractions of the frame, as DeepLabCut goes, it begins in column 6.
CROP = Crop(left=7, top=9, width=139, height=100)


class Case(NamedTuple):
    """What is compared: a kind of model, a movie, and a crop."""

    kind: str
    movie: str = "gaps"
    crop: Crop | None = None


CASES = {
    "EfficientNet": Case("EfficientNet"),
    "EfficientNet, crop": Case("EfficientNet", "odd", CROP),
    "EfficientNet, odd sizes": Case("EfficientNet", "odd"),
    "ResNet": Case("ResNet"),
    "DLCRNet": Case("DLCRNet"),
    "MobileNet": Case("MobileNet"),
    "one point, box, one at a time": Case("one point, box, one at a time", "always"),
    "one animal, skeleton": Case("one animal, skeleton"),
}

COMES_AND_GOES = {"EfficientNet", "ResNet", "MobileNet"}
"""Networks good enough to lose an animal that is not there."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tensorflow")


@pytest.fixture(scope="module")
def movies(folder: Path) -> dict[str, Path]:
    return {
        "gaps": write_blobs(folder / "gaps.mp4", ANIMALS),
        "always": write_blobs(folder / "always.mp4", ALWAYS),
        "odd": write_blobs(folder / "odd.mp4", ALWAYS, width=153, height=121),
    }


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def theirs(
    case: str,
    animal_models: AnimalModels,
    movies: dict[str, Path],
    tensorflow_process: StageProcess,
    folder: Path,
) -> Path:
    """A folder with what DeepLabCut's API writes."""
    kind, movie, crop = CASES[case]
    edges = [crop.left, crop.right, crop.top, crop.bottom] if crop else []
    words = [animal_models.archive_of(kind), movies[movie], folder / f"{case} theirs", *edges]
    tensorflow_process.call(deeplabcut_api.main, *map(str, words))
    return folder / f"{case} theirs"


@pytest.fixture(scope="module")
def ours(
    case: str,
    animal_models: AnimalModels,
    movies: dict[str, Path],
    tensorflow_estimation: StageProcess,
    folder: Path,
) -> tuple[Estimate, Path]:
    """What is found, and the file with our poses."""
    kind, movie, crop = CASES[case]
    project, target = folder / f"{kind} project", folder / f"{case}.h5"
    if not project.exists():
        unpack_model(animal_models.archive_of(kind), "m.zip", project)
    call = (estimate.estimate_movie, project, movies[movie], target, crop, "cpu")
    return tensorflow_estimation.call(*call), target


def test_raw_poses_are_those_of_analyze_videos(
    ours: tuple[Estimate, Path], theirs: Path, case: str
) -> None:
    found, file = ours
    expected, poses = table(theirs / "raw.h5"), read_poses(file)
    # DeepLabCut's tracks end with their last animal; all else must be the same.
    assert_same(poses, expected.reindex(range(len(poses))))
    assert found.frames == len(ANIMALS if CASES[case].movie == "gaps" else ALWAYS)
    assert found.loaded.scorer == expected.columns[0][0]


def test_filtered_poses_are_those_of_filterpredictions(theirs: Path) -> None:
    """Where nothing is missing; and where something is, it is missing in both raw and filtered."""
    raw, expected = read_poses(theirs / "raw.h5"), table(theirs / "filtered.h5")
    filtered = apply_median_filter(raw, deeplabcut_api.WINDOW_LENGTH)
    for first in range(0, raw.shape[1], 3):
        keypoint = slice(first, first + 3)
        missing = find_missing_points(raw.iloc[:, keypoint].to_numpy())
        if not missing.any():
            assert_same(filtered.iloc[:, keypoint], expected.iloc[:, keypoint])
        after = find_missing_points(filtered.iloc[:, keypoint].to_numpy())
        np.testing.assert_array_equal(after, missing)


def test_the_comparison_has_animals_that_come_and_go(theirs: Path, case: str) -> None:
    kind, movie, _ = CASES[case]
    found = table(theirs / "raw.h5").droplevel("scorer", axis=1)
    followed = {name: found[name].notna().to_numpy() for name in MODEL_KINDS[kind].individuals}
    assert any(points.any() for points in followed.values())
    if MODEL_KINDS[kind].arena:
        assert found["single"].notna().to_numpy().any()
    if kind in COMES_AND_GOES and movie == "gaps":
        seen = [points.any(axis=1) for points in followed.values()]
        assert any(frames.any() and not frames.all() for frames in seen)


@pytest.mark.parametrize("known", [12, 36])
def test_an_estimation_that_ended_early_goes_on(
    animal_models: AnimalModels,
    movies: dict[str, Path],
    tensorflow_estimation: StageProcess,
    tmp_path: Path,
    known: int,
) -> None:
    """A MobileNet's last batch is as it was: filled up with frames of the one before."""
    project, kept = tmp_path / "project", tmp_path / "kept"
    unpack_model(animal_models.archive_of("MobileNet"), "m.zip", project)
    kept.mkdir()
    found = []
    for target in (tmp_path / "whole.h5", tmp_path / "rest.h5"):
        call = (estimate.estimate_movie, project, movies["gaps"], target, None, "cpu", kept)
        found.append((tensorflow_estimation.call(*call).resumed, target.read_bytes()))
        for file in kept.iterdir():
            if int(file.name.split("-")[1]) > known:
                file.unlink()
    assert [resumed for resumed, _ in found] == [0, known]
    assert found[0][1] == found[1][1]
