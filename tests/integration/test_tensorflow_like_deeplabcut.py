"""Poses of TensorFlow models are those of DeepLabCut's own API, the last batch's too."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.errors import BadInput
from tasks.pose import estimate
from tasks.pose.model.archive import unpack_model
from tasks.pose.settings import Crop
from tasks.pose.tables.median_filter import apply_median_filter
from tasks.pose.tables.pose_table import read_poses
from tasks.processes.stage_process import StageProcess
from tests.integration import deeplabcut_api
from tests.support import tensorflow_models
from tests.support.movie_files import write_movie
from tests.support.paths import SHARED_FOLDER, needs_shared_data
from tests.support.tensorflow_models import needs_tensorflow

pytestmark = needs_tensorflow

BATCH = 4
FRAMES = 2 * BATCH + 2
# Fractions of the frame, as DeepLabCut has them for other models, would begin a pixel before.
CROP = Crop(left=55, top=23, width=73, height=80)
# A name, and its batch size and crop.
CASES: dict[str, tuple[int, Crop | None]] = {
    "whole frame": (BATCH, None),
    "crop": (BATCH, CROP),
    "one at a time": (1, None),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tensorflow")


@pytest.fixture
def process(tensorflow_estimation: StageProcess) -> StageProcess:
    return tensorflow_estimation


@pytest.fixture(scope="module")
def movie(folder: Path) -> Path:
    """Not a whole number of batches."""
    return write_movie(folder / "mouse.mp4", FRAMES, width=150, height=118)


@pytest.fixture(scope="module")
def models(folder: Path, tensorflow_process: StageProcess) -> dict[int, Path]:
    """Model archives by their batch size."""
    write = tensorflow_models.write_tensorflow_zip
    return {
        size: tensorflow_process.call(write, folder / f"{size}.zip", size) for size in (1, BATCH)
    }


@pytest.fixture(scope="module", params=CASES)
def results(
    request: pytest.FixtureRequest,
    models: dict[int, Path],
    movie: Path,
    tensorflow_estimation: StageProcess,
    tensorflow_process: StageProcess,
    folder: Path,
) -> tuple[Path, Path]:
    """Our poses, and the folder with DeepLabCut's."""
    size, crop = CASES[request.param]
    theirs = folder / f"{request.param} theirs"
    edges = [crop.left, crop.right, crop.top, crop.bottom] if crop else []
    tensorflow_process.call(deeplabcut_api.main, *map(str, [models[size], movie, theirs, *edges]))
    ours = run(tensorflow_estimation, models[size], movie, crop, folder / f"{request.param} ours")
    return ours, theirs


def run(process: StageProcess, model: Path, movie: Path, crop: Crop | None, folder: Path) -> Path:
    project, target = folder / "project", folder / "raw.h5"
    unpack_model(model, model.name, project)
    process.call(estimate.estimate_movie, project, movie, target, crop, "cpu")
    return target


def assert_same(ours: pd.DataFrame, theirs: Path) -> None:
    # Read as anybody would, without our reader.
    expected = pd.read_hdf(theirs)
    assert isinstance(expected, pd.DataFrame)
    pd.testing.assert_frame_equal(ours, expected, rtol=0, atol=1e-5)


def test_raw_poses_are_those_of_analyze_videos(results: tuple[Path, Path]) -> None:
    ours, theirs = results
    assert_same(read_poses(ours), theirs / "raw.h5")


def test_filtered_poses_are_those_of_filterpredictions(results: tuple[Path, Path]) -> None:
    ours, theirs = results
    filtered = apply_median_filter(read_poses(ours), deeplabcut_api.WINDOW_LENGTH)
    assert_same(filtered, theirs / "filtered.h5")


def test_a_movie_shorter_than_a_batch_is_filled_up_with_black(
    process: StageProcess, models: dict[int, Path], movie: Path, folder: Path
) -> None:
    """Whatever movie was estimated before it."""
    project = folder / "short"
    unpack_model(models[BATCH], "mouse.zip", project)
    short = write_movie(folder / "short.mp4", 1, width=150, height=118)
    found = []
    for index, source in enumerate((short, movie, short)):
        target = folder / f"short-{index}.h5"
        process.call(estimate.estimate_movie, project, source, target, None, "cpu")
        found.append(read_poses(target).iloc[:1])
    pd.testing.assert_frame_equal(found[0], found[2], check_exact=True)
    assert not found[0].equals(found[1]), "what else is in a batch changes nothing"


def test_what_was_loaded_is_told(
    process: StageProcess, models: dict[int, Path], tmp_path: Path
) -> None:
    model = unpack_model(models[BATCH], "mouse.zip", tmp_path / "project")
    loaded = process.call(estimate.preload_model, tmp_path / "project", "cpu")
    assert loaded.snapshot == model.snapshot == tensorflow_models.SNAPSHOT
    assert loaded.scorer == tensorflow_models.SCORER
    assert (loaded.device, loaded.path) == ("cpu", "deeplabcut")


@pytest.mark.parametrize(
    ("end", "old", "new"),
    [
        ("pose_cfg.yaml", b"mobilenet_v2_0.35", b"mobilenet_v2_0.75"),
        ("pose_cfg.yaml", b"mobilenet_v2_0.35", b"resnet_50"),
        (".data-00000-of-00001", b"", b""),
        (".index", b"\x00", b"\x01"),
    ],
    ids=["other width", "other network", "cut weights", "changed index"],
)
def test_weights_that_do_not_fit_are_refused_in_a_sentence(
    process: StageProcess, models: dict[int, Path], tmp_path: Path, end: str, old: bytes, new: bytes
) -> None:
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(models[BATCH]) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith(end):
                data = data.replace(old, new) if old else data[: len(data) // 2]
            target.writestr(name, data)
    unpack_model(changed, "changed.zip", tmp_path / "project")
    with pytest.raises(BadInput, match=r"snapshot-30: its weights cannot be loaded") as raised:
        process.call(estimate.preload_model, tmp_path / "project", "cpu")
    assert "\n" not in str(raised.value)


@needs_shared_data
def test_poses_of_a_real_movie_are_those_of_analyze_videos(
    process: StageProcess, tmp_path: Path
) -> None:
    scorer = "DLC_mobnet_35_openfieldOct30shuffle1_1200"
    truth = SHARED_FOLDER / "truth" / "openfield-tensorflow" / f"openfield-300{scorer}"
    model = SHARED_FOLDER / "models" / "openfield-tensorflow.zip"
    found = run(process, model, SHARED_FOLDER / "movies" / "openfield-300.mp4", None, tmp_path)
    raw = read_poses(found)
    assert set(raw.dtypes) == {np.dtype(np.float64)}
    assert_same(raw, Path(f"{truth}.h5"))
    filtered = apply_median_filter(raw, deeplabcut_api.WINDOW_LENGTH)
    assert_same(filtered, Path(f"{truth}_filtered.h5"))
