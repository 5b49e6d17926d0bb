"""Poses are those of DeepLabCut's own API: same index, columns, key, and numbers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.pose import estimate
from tasks.pose.median_filter import median_filter
from tasks.pose.model_archive import open_model
from tasks.pose.processes import OFFLINE, SMALL_HEAP, StageProcess
from tasks.pose.settings import Crop
from tests.integration.deeplabcut_api import WINDOW_LENGTH
from tests.movie_files import cut_movie
from tests.paths import DEMO_MODEL, DEMO_MOVIE, ROOT, SHARED, needs_shared

FRAMES = 40
CROP = Crop(left=61, top=43, width=416, height=388)
CROPS = {"whole frame": None, "crop": CROP}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    log = tmp_path_factory.mktemp("log") / "estimation.log"
    child = StageProcess("estimation", log, SMALL_HEAP | OFFLINE)
    yield child
    child.close()


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut_movie(DEMO_MOVIE, tmp_path_factory.mktemp("movie") / "mouse.mp4", FRAMES)


@pytest.fixture(scope="module", params=CROPS)
def crop(request: pytest.FixtureRequest) -> Crop | None:
    return CROPS[request.param]


@pytest.fixture(scope="module")
def theirs(movie: Path, crop: Crop | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what DeepLabCut's API writes."""
    folder = tmp_path_factory.mktemp("deeplabcut")
    edges = [crop.left, crop.right, crop.top, crop.bottom] if crop else []
    words = [DEMO_MODEL, movie, folder, *edges]
    command = [sys.executable, "-m", "tests.integration.deeplabcut_api", *map(str, words)]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ | SMALL_HEAP | OFFLINE)
    return folder


@pytest.fixture(scope="module")
def ours(
    process: StageProcess,
    movie: Path,
    crop: Crop | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("ours")
    return run(process, DEMO_MODEL, movie, crop, folder)


def run(
    process: StageProcess, model: Path, movie: Path, crop: Crop | None, folder: Path
) -> Path:
    project, target = folder / "project", folder / "raw.h5"
    open_model(model, model.name, project)
    process.call(estimate.estimate, project, movie, target, crop, "cpu")
    return target


def assert_same(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    pd.testing.assert_index_equal(ours.columns, theirs.columns)
    pd.testing.assert_index_equal(ours.index, theirs.index)
    assert ours.dtypes.equals(theirs.dtypes)
    likely = ours.columns.get_level_values("coords") == "likelihood"
    a, b = ours.to_numpy(np.float64), theirs.to_numpy(np.float64)
    np.testing.assert_allclose(a[:, ~likely], b[:, ~likely], rtol=0, atol=1e-3)
    np.testing.assert_allclose(a[:, likely], b[:, likely], rtol=0, atol=1e-5)


def test_raw_poses_are_those_of_analyze_videos(ours: Path, theirs: Path) -> None:
    assert_same(estimate.read_poses(ours), pd.read_hdf(theirs / "raw.h5"))


def test_the_file_is_laid_out_as_deeplabcut_lays_it_out(ours: Path, theirs: Path) -> None:
    with pd.HDFStore(ours, "r") as a, pd.HDFStore(theirs / "raw.h5", "r") as b:
        assert a.keys() == b.keys() == [f"/{estimate.H5_KEY}"]
        assert a.get_storer(a.keys()[0]).is_table
        assert b.get_storer(b.keys()[0]).is_table


def test_filtered_poses_are_those_of_filterpredictions(ours: Path, theirs: Path) -> None:
    filtered = median_filter(estimate.read_poses(ours), WINDOW_LENGTH)
    assert_same(filtered, pd.read_hdf(theirs / "filtered.h5"))


@needs_shared
def test_poses_of_a_real_movie_are_those_of_analyze_videos(
    process: StageProcess, tmp_path: Path
) -> None:
    frames = 24
    name = "openfield-300DLC_Resnet50_openfieldOct30shuffle1_snapshot_best-100"
    truth = SHARED / "truth" / "openfield-pytorch" / f"{name}.h5"
    part = cut_movie(SHARED / "movies" / "openfield-300.mp4", tmp_path / "part.mp4", frames)
    found = run(process, SHARED / "models" / "openfield-pytorch.zip", part, None, tmp_path)
    expected = pd.read_hdf(truth)
    assert isinstance(expected, pd.DataFrame)
    assert_same(estimate.read_poses(found).iloc[:frames], expected.iloc[:frames])


def test_the_snapshot_that_was_loaded_is_told(process: StageProcess, tmp_path: Path) -> None:
    model = open_model(DEMO_MODEL, DEMO_MODEL.name, tmp_path / "project")
    assert process.call(estimate.load, tmp_path / "project", "cpu").snapshot == model.snapshot
