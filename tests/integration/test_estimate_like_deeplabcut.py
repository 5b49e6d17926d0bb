"""Poses are those of DeepLabCut's own API: same index, columns, key, and numbers."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tasks.pose import estimate
from tasks.pose.child_libraries import load_for_estimation
from tasks.pose.model.archive import unpack_model
from tasks.pose.network.following.follow_frames import COMPARED_EVERY
from tasks.pose.network.pytorch.reduced_precision import has_bfloat16
from tasks.pose.settings import Crop, Follow, Precision
from tasks.pose.tables.median_filter import apply_median_filter
from tasks.pose.tables.pose_table import H5_KEY, read_poses
from tasks.processes.bottleneck import EstimationProgress
from tasks.processes.stage_process import StageProcess
from tests.integration.deeplabcut_api import WINDOW_LENGTH
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE, SHARED_FOLDER, needs_shared_data
from tests.support.templates import NETWORK_ENVIRONMENT, run_copy

FRAMES = 16
CROP = Crop(left=61, top=43, width=416, height=388)
# Without a position DeepLabCut pads at random, and its own results differ from run to run.
PADDED = {"pad_height_divisor": 64, "pad_width_divisor": 64, "position": "top_left"}
CASES: dict[str, tuple[Crop | None, dict[str, Any]]] = {
    "whole frame": (None, {}),
    "crop": (CROP, {}),
    # As HRNet's configurations have it: frames go through DeepLabCut's own transforms …
    "padded crop": (CROP, {"auto_padding": PADDED}),
    # … where they need any.
    "nothing to pad": (None, {"auto_padding": PADDED | dict.fromkeys(list(PADDED)[:2], 32)}),
}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    log = tmp_path_factory.mktemp("log") / "estimation.log"
    child = StageProcess("estimation", log, NETWORK_ENVIRONMENT, load_for_estimation)
    yield child
    child.close()


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut_movie(DEMO_MOVIE, tmp_path_factory.mktemp("movie") / "mouse.mp4", FRAMES)


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def crop(case: str) -> Crop | None:
    return CASES[case][0]


@pytest.fixture(scope="module")
def model(case: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model, with transforms of its own where the case has some."""
    transforms = CASES[case][1]
    if not transforms:
        return DEMO_MODEL
    changed = tmp_path_factory.mktemp("model") / "changed.zip"
    with zipfile.ZipFile(DEMO_MODEL) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("pytorch_config.yaml"):
                config = yaml.safe_load(data)
                config["data"]["inference"] |= transforms
                data = yaml.safe_dump(config).encode()
            target.writestr(name, data)
    return changed


@pytest.fixture(scope="module")
def theirs(
    model: Path, movie: Path, crop: Crop | None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with what DeepLabCut's API writes."""
    folder = tmp_path_factory.mktemp("deeplabcut")
    edges = [crop.left, crop.right, crop.top, crop.bottom] if crop else []
    run_copy("tests.integration.deeplabcut_api", model, movie, folder, *edges).check_returncode()
    return folder


@pytest.fixture(scope="module")
def ours(
    process: StageProcess,
    model: Path,
    movie: Path,
    crop: Crop | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("ours")
    return run(process, model, movie, crop, folder)


def run(process: StageProcess, model: Path, movie: Path, crop: Crop | None, folder: Path) -> Path:
    project, target = folder / "project", folder / "raw.h5"
    unpack_model(model, model.name, project)
    process.call(estimate.estimate_movie, project, movie, target, crop, "cpu")
    return target


def table(path: Path) -> pd.DataFrame:
    """Read as anybody would, without our reader."""
    found = pd.read_hdf(path)
    assert isinstance(found, pd.DataFrame)
    return found


def assert_same(ours: pd.DataFrame, theirs: pd.DataFrame, likelihood: float = 1e-5) -> None:
    pd.testing.assert_index_equal(ours.columns, theirs.columns)
    pd.testing.assert_index_equal(ours.index, theirs.index)
    assert ours.dtypes.equals(theirs.dtypes)
    likely = ours.columns.get_level_values("coords") == "likelihood"
    a, b = ours.to_numpy(np.float64), theirs.to_numpy(np.float64)
    np.testing.assert_allclose(a[:, ~likely], b[:, ~likely], rtol=0, atol=1e-3)
    np.testing.assert_allclose(a[:, likely], b[:, likely], rtol=0, atol=likelihood)


def test_raw_poses_are_those_of_analyze_videos(ours: Path, theirs: Path) -> None:
    assert_same(read_poses(ours), table(theirs / "raw.h5"))


def test_the_file_is_laid_out_as_deeplabcut_lays_it_out(ours: Path, theirs: Path) -> None:
    with pd.HDFStore(ours, "r") as a, pd.HDFStore(theirs / "raw.h5", "r") as b:
        assert a.keys() == b.keys() == [f"/{H5_KEY}"]
        storers: list[Any] = [store.get_storer(store.keys()[0]) for store in (a, b)]  # type: ignore[operator]
        assert all(storer.is_table for storer in storers)


def test_filtered_poses_are_those_of_filterpredictions(ours: Path, theirs: Path) -> None:
    filtered = apply_median_filter(read_poses(ours), WINDOW_LENGTH)
    assert_same(filtered, table(theirs / "filtered.h5"))


@needs_shared_data
def test_poses_of_a_real_movie_are_those_of_analyze_videos(
    process: StageProcess, tmp_path: Path
) -> None:
    frames = 24
    name = "openfield-300DLC_Resnet50_openfieldOct30shuffle1_snapshot_best-100"
    truth = SHARED_FOLDER / "truth" / "openfield-pytorch" / f"{name}.h5"
    part = cut_movie(SHARED_FOLDER / "movies" / "openfield-300.mp4", tmp_path / "part.mp4", frames)
    found = run(process, SHARED_FOLDER / "models" / "openfield-pytorch.zip", part, None, tmp_path)
    assert_same(read_poses(found).iloc[:frames], table(truth).iloc[:frames])


def test_the_snapshot_that_was_loaded_is_told(process: StageProcess, tmp_path: Path) -> None:
    model = unpack_model(DEMO_MODEL, DEMO_MODEL.name, tmp_path / "project")
    assert (
        process.call(estimate.preload_model, tmp_path / "project", "cpu").snapshot == model.snapshot
    )


def test_only_plain_normalization_is_done_on_the_device(
    process: StageProcess, model: Path, movie: Path, case: str, tmp_path: Path
) -> None:
    unpack_model(model, model.name, tmp_path / "project")
    part, target = cut_movie(movie, tmp_path / "part.mp4", 2), tmp_path / "poses.h5"
    found = process.call(
        estimate.estimate_movie, tmp_path / "project", part, target, CASES[case][0], "cpu"
    )
    assert found.loaded.path == ("deeplabcut" if case == "padded crop" else "device")


def test_half_precision_on_a_cpu_moves_points_little_and_says_how_much(
    process: StageProcess, movie: Path, tmp_path: Path
) -> None:
    standard = table(run(process, DEMO_MODEL, movie, None, tmp_path))
    target = tmp_path / "half.h5"
    words = (tmp_path / "project", movie, target, None, "cpu", None, Precision.HALF)
    found = process.call(estimate.estimate_movie, *words).arithmetic
    if not has_bfloat16():
        assert found.numbers == "float32"
        assert "no instructions for bfloat16" in found.warnings[0]
        return
    assert (found.numbers, found.frames, found.points) == ("bfloat16", 1, 5)
    apart = np.abs(table(target).to_numpy() - standard.to_numpy()).reshape(len(standard), -1, 3)
    moved = apart[:, :, :2].max(axis=2)
    assert 0.001 < np.median(moved) < 0.1
    assert np.percentile(moved, 90) < 0.25
    assert moved[0].max() == pytest.approx(found.largest, abs=1e-6)


FOLLOWED_FRAMES = 100


@pytest.fixture(scope="module")
def long_movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut_movie(DEMO_MOVIE, tmp_path_factory.mktemp("long") / "mouse.mp4", FOLLOWED_FRAMES)


@pytest.fixture(scope="module")
def whole(
    process: StageProcess, long_movie: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Poses of whole frames."""
    return run(process, DEMO_MODEL, long_movie, None, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def followed(
    process: StageProcess, whole: Path, long_movie: Path
) -> tuple[estimate.Estimate, Path]:
    target = whole.parent / "followed.h5"
    words = follow_words(whole, long_movie, target)
    return process.call(estimate.estimate_movie, *words), target


def follow_words(
    whole: Path, movie: Path, target: Path, checkpoints: Path | None = None
) -> tuple[Any, ...]:
    how = ("cpu", checkpoints, Precision.STANDARD, Follow.AUTO)
    return whole.parent / "project", movie, target, None, *how


class TestFollowing:
    """A window that follows the animal gives the whole frame's poses."""

    def test_poses_are_nearly_those_of_whole_frames(
        self, whole: Path, followed: tuple[estimate.Estimate, Path]
    ) -> None:
        full, poses = (table(path).to_numpy().reshape(-1, 5, 3) for path in (whole, followed[1]))
        moved = np.abs(poses - full)[..., :2].max(axis=2)[full[..., 2] > 0.6]
        assert len(moved) > 4 * FOLLOWED_FRAMES
        assert np.median(moved) <= 0.01
        assert np.percentile(moved, 99) <= 0.1

    def test_the_record_says_how_it_went(self, followed: tuple[estimate.Estimate, Path]) -> None:
        frames, found = followed[0].frames, followed[0].follow
        assert found is not None
        assert found.windows > 0.8 * frames
        assert found.windows + found.full + found.again + found.compared == frames
        assert found.compared == (frames - 1) // COMPARED_EVERY
        assert found.points == 5 * found.compared
        assert found.most is not None
        assert found.most <= 0.1
        assert followed[0].warnings == ()

    def test_one_that_was_killed_goes_on_with_the_same_bytes(
        self,
        whole: Path,
        long_movie: Path,
        followed: tuple[estimate.Estimate, Path],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("DLCFLOW_CHECKPOINT_SECONDS", "0.000001")
        kept, target = tmp_path / "kept", tmp_path / "poses.h5"
        kept.mkdir()
        words = follow_words(whole, long_movie, target, kept)

        def kill_late(progress: EstimationProgress) -> None:
            if progress.done >= FOLLOWED_FRAMES // 2:
                raise KeyboardInterrupt

        child = StageProcess("followed", tmp_path / "log", NETWORK_ENVIRONMENT)
        try:
            with pytest.raises(KeyboardInterrupt):
                child.call(estimate.estimate_movie, *words, on_progress=kill_late)
            found = child.call(estimate.estimate_movie, *words)
        finally:
            child.close()
        assert found.resumed >= FOLLOWED_FRAMES // 2
        assert found.follow == followed[0].follow
        assert target.read_bytes() == followed[1].read_bytes()
