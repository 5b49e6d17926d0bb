"""Several animals, arenas, identities and detectors: tracks are those of DeepLabCut's own API."""

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tasks.errors import BadInput
from tasks.pose import estimate
from tasks.pose.child_libraries import load_for_estimation
from tasks.pose.estimate import Estimate
from tasks.pose.model.archive import unpack_model
from tasks.pose.model.selection import ModelChoice
from tasks.pose.network.pytorch.frozen import SIMCC_LIKELIHOOD_TOLERANCE
from tasks.pose.tables.median_filter import apply_median_filter, find_missing_points
from tasks.pose.tables.pose_table import read_poses
from tasks.processes.stage_process import StageProcess
from tests.integration.deeplabcut_api import WINDOW_LENGTH
from tests.integration.test_estimate_like_deeplabcut import assert_same, table
from tests.support import torch_child
from tests.support.blob_movies import write_blobs
from tests.support.conditional_models import BOTTOM_UP, BOTTOM_UP_SHUFFLE, CONDITIONAL
from tests.support.model_zips import copy_with_changes, format_yaml, write_zip
from tests.support.paths import SHARED_FOLDER, needs_shared_data
from tests.support.templates import NETWORK_ENVIRONMENT, run_copy
from tests.support.torch_models import MODEL_KINDS

# Both animals, one, none for a while, both again, and none at the end.
ANIMALS = [2] * 24 + [1] * 8 + [0] * 5 + [2] * 12 + [0] * 3


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    log = tmp_path_factory.mktemp("log") / "estimation.log"
    child = StageProcess("estimation", log, NETWORK_ENVIRONMENT, load_for_estimation)
    yield child
    child.close()


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blobs(tmp_path_factory.mktemp("movie") / "blobs.mp4", ANIMALS)


@pytest.fixture(scope="module")
def theirs(movie: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of each kind, and what DeepLabCut's API writes for it."""
    folder = tmp_path_factory.mktemp("deeplabcut")
    run_copy("tests.integration.multi_animal_api", movie, folder).check_returncode()
    return folder


def run(process: StageProcess, model: Path, movie: Path, folder: Path) -> tuple[Estimate, Path]:
    project, target = folder / "project", folder / "raw.h5"
    unpack_model(model, model.name, project)
    return process.call(estimate.estimate_movie, project, movie, target, None, "cpu"), target


def every_frame(tracks: pd.DataFrame) -> pd.DataFrame:
    """DeepLabCut's tracks end with their last animal; all else must be the same."""
    return tracks.reindex(range(len(ANIMALS)))


@pytest.mark.parametrize("name", MODEL_KINDS)
def test_poses_are_those_of_analyze_videos(
    process: StageProcess, theirs: Path, movie: Path, tmp_path: Path, name: str
) -> None:
    found, ours = run(process, theirs / name / "model.zip", movie, tmp_path)
    expected, poses = every_frame(table(theirs / name / "raw.h5")), read_poses(ours)
    if MODEL_KINDS[name].conditional:
        # DeepLabCut leaves out frames at the end in which its bottom-up model finds nothing.
        seen = len(table(theirs / name / "raw.h5"))
        assert (poses.iloc[seen:] == -1).all(axis=None)
        expected, poses = expected.iloc[:seen], poses.iloc[:seen]
        assert_same(poses, expected, SIMCC_LIKELIHOOD_TOLERANCE)
    else:
        assert_same(poses, expected)
    assert found.frames == len(ANIMALS)
    assert found.loaded.scorer == expected.columns[0][0]
    detector = "snapshot-detector-003.pt" if MODEL_KINDS[name].detector else None
    assert found.loaded.detector == detector
    assert found.loaded.repairs == ()


@pytest.mark.parametrize("name", MODEL_KINDS)
def test_filtered_poses_are_those_of_filterpredictions(theirs: Path, name: str) -> None:
    """Where nothing is missing; and where something is, it is missing in both raw and filtered."""
    raw = read_poses(theirs / name / "raw.h5")
    filtered, expected = (
        apply_median_filter(raw, WINDOW_LENGTH),
        table(theirs / name / "filtered.h5"),
    )
    for first in range(0, raw.shape[1], 3):
        keypoint = slice(first, first + 3)
        missing = find_missing_points(raw.iloc[:, keypoint].to_numpy())
        if not missing.any():
            assert_same(filtered.iloc[:, keypoint], expected.iloc[:, keypoint])
        after = find_missing_points(filtered.iloc[:, keypoint].to_numpy())
        np.testing.assert_array_equal(after, missing)


def test_the_comparison_has_gaps_and_an_arena(theirs: Path) -> None:
    tracks = table(theirs / "arena and identity" / "raw.h5")
    assert tracks.columns.get_level_values("individuals").unique().tolist() == [
        "one",
        "two",
        "single",
    ]
    assert tracks.drop(columns="single", level="individuals").isna().to_numpy().any()
    assert len(table(theirs / "top-down" / "raw.h5")) < len(ANIMALS)
    assert (table(theirs / "top-down, one animal" / "raw.h5") == -1).all(axis=1).any()


def test_with_memory_replay_the_body_parts_are_the_outputs_of_the_conversion(
    process: StageProcess, theirs: Path, movie: Path, tmp_path: Path
) -> None:
    """The same weights, as a model that was fine-tuned from one with these three outputs."""
    kind, parts, columns = "top-down, one animal", ["rear", "front"], [2, 0]
    with zipfile.ZipFile(theirs / kind / "model.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name[-1] != "/"}
    (place,) = [name for name in files if name.endswith("pytorch_config.yaml")]
    weights = {"with_decoder": True, "memory_replay": True, "conversion_array": columns}
    network = copy_with_changes(
        yaml.safe_load(files[place]),
        metadata__bodyparts=parts,
        train_settings__weight_init=weights,
    )
    project = copy_with_changes(yaml.safe_load(files["config.yaml"]), bodyparts=parts, skeleton=[])
    files |= {place: format_yaml(network), "config.yaml": format_yaml(project)}
    model = write_zip(tmp_path / "replay.zip", files)
    _, target = run(process, model, movie, tmp_path)
    ours, expected = read_poses(target), table(theirs / kind / "raw.h5")
    outputs = list(MODEL_KINDS[kind].parts)
    assert ours.columns.get_level_values("bodyparts").unique().tolist() == parts
    for part, column in zip(parts, columns, strict=True):
        one, other = (
            values.xs(name, axis="columns", level="bodyparts").to_numpy()
            for values, name in ((ours, part), (expected, outputs[column]))
        )
        np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_movie_of_a_few_frames_has_poses_and_a_warning(
    process: StageProcess, theirs: Path, tmp_path: Path, frames: int
) -> None:
    short = write_blobs(tmp_path / "short.mp4", [2] * frames)
    model = theirs / "arena and identity" / "model.zip"
    found, ours = run(process, model, short, tmp_path)
    poses = read_poses(ours)
    assert len(poses) == frames
    assert poses.notna().to_numpy().all(axis=1).any()
    assert any("followed for 10 frames" in warning for warning in found.warnings)


def test_a_movie_without_an_animal_has_empty_poses_and_a_warning(
    process: StageProcess, theirs: Path, tmp_path: Path
) -> None:
    empty = write_blobs(tmp_path / "empty.mp4", [0] * 12)
    found, ours = run(process, theirs / "top-down" / "model.zip", empty, tmp_path)
    poses = read_poses(ours)
    assert poses.shape == (12, 2 * 4 * 3)
    assert poses.isna().to_numpy().all()
    assert found.warnings == ("no animal is found in any frame",)


def test_a_single_animal_that_is_not_detected_is_where_deeplabcut_puts_it(
    process: StageProcess, theirs: Path, tmp_path: Path
) -> None:
    empty = write_blobs(tmp_path / "empty.mp4", [0, 2, 0])
    _, ours = run(process, theirs / "top-down, one animal" / "model.zip", empty, tmp_path)
    assert (read_poses(ours) == -1).all(axis=1).tolist() == [True, False, True]


def test_a_conditional_model_starts_from_the_bottom_up_one_in_its_zip(
    theirs: Path, tmp_path: Path
) -> None:
    model = unpack_model(theirs / "conditional" / "model.zip", "model.zip", tmp_path / "project")
    assert (model.method, model.conditions) == ("ctd", BOTTOM_UP)
    assert (model.snapshot, model.repairs, model.warnings) == (CONDITIONAL, (), ())
    other = unpack_model(
        theirs / "conditional" / "model.zip",
        "model.zip",
        tmp_path / "other",
        choice=ModelChoice(BOTTOM_UP_SHUFFLE),
    )
    assert (other.method, other.snapshot, other.conditions) == ("bu", BOTTOM_UP, None)


def test_simcc_networks_are_compared_by_their_likelihoods(
    process: StageProcess, theirs: Path, tmp_path: Path
) -> None:
    limits = {}
    for name in ("conditional", "one individual"):
        unpack_model(theirs / name / "model.zip", "model.zip", tmp_path / name)
        limits[name] = process.call(torch_child.find_limits, tmp_path / name)
    factor = 150 * 5.66  # decode_beta and sigma of this network
    limit = limits["conditional"].pop("bodypart")
    assert limits == {"conditional": {}, "one individual": {}}
    # Two outputs alike, of which one grows and the other shrinks: the most that a softmax moves.
    moved = 1 / (1 + math.exp(-factor * 2 * limit)) - 0.5
    assert moved == pytest.approx(SIMCC_LIKELIHOOD_TOLERANCE, rel=1e-3)


def test_a_top_down_model_needs_its_detector(
    process: StageProcess, theirs: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    unpack_model(theirs / "top-down" / "model.zip", "model.zip", project)
    (snapshot,) = project.rglob("snapshot-detector-*.pt")
    snapshot.unlink()
    with pytest.raises(BadInput, match="which needs a detector"):
        process.call(estimate.preload_model, project, "cpu")


@pytest.mark.parametrize(
    "detector",
    [
        "ssdlite",
        "fasterrcnn_mobilenet_v3_large_fpn",
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_resnet50_fpn_v2",
    ],
)
def test_a_detector_is_built_without_asking_for_weights(
    process: StageProcess, detector: str
) -> None:
    assert process.call(torch_child.record_detector_lookups, detector) == []


@needs_shared_data
def test_tracks_of_a_real_movie_are_those_of_analyze_videos(
    process: StageProcess, tmp_path: Path
) -> None:
    truth = SHARED_FOLDER / "truth" / "blobs-multianimal-pytorch"
    model = SHARED_FOLDER / "models" / "blobs-multianimal-pytorch.zip"
    found, ours = run(process, model, SHARED_FOLDER / "movies" / "blobs2_200.mp4", tmp_path)
    assert_same(read_poses(ours), table(next(truth.glob("*_el.h5"))))
    filtered = apply_median_filter(read_poses(ours), WINDOW_LENGTH)
    assert_same(filtered, table(next(truth.glob("*_el_filtered.h5"))))
    assert found.warnings == ()
    assert np.isfinite(filtered.to_numpy()).all()
