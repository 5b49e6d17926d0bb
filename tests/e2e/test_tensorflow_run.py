"""The command line with TensorFlow models."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.pose.results import file_names
from tasks.pose.tables.pose_table import read_poses
from tests.support.blob_movies import write_blobs
from tests.support.movie_files import cut_movie
from tests.support.paths import ROOT, SHARED_FOLDER, needs_shared_data
from tests.support.tensorflow_animals import ARENA_PARTS, INDIVIDUALS, AnimalModels
from tests.support.tensorflow_models import needs_tensorflow

SCORER = "DLC_mobnet_35_openfieldOct30shuffle1_1200"
BATCH = 4

pytestmark = needs_tensorflow


def run_flow(folder: Path, model: Path, movie: Path) -> tuple[Any, Path]:
    """The run's record and its results."""
    home, output = folder / "home", folder / "results"
    home.mkdir()
    words = ["run", "--model", model, "--movies", movie, "--output", output]
    done = subprocess.run(
        [sys.executable, "-m", "flows", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"HOME": str(home), "PREFECT_API_URL": ""},
    )
    assert done.returncode == 0, done.stderr
    return json.loads((output / "run.json").read_text()), output


@needs_shared_data
def test_a_tensorflow_model_runs_from_end_to_end(tmp_path: Path) -> None:
    movie = cut_movie(
        SHARED_FOLDER / "movies" / "openfield-300.mp4", tmp_path / "mouse.mp4", 5 * BATCH
    )
    model = SHARED_FOLDER / "models" / "openfield-tensorflow.zip"
    record, output = run_flow(tmp_path, model, movie)
    assert record["model"]["engine"] == "tensorflow"
    assert record["estimator"]["scorer"] == SCORER
    assert record["model"]["snapshot"] == "snapshot-1200"
    truth = SHARED_FOLDER / "truth" / "openfield-tensorflow" / f"openfield-300{SCORER}.h5"
    expected = pd.read_hdf(truth)
    assert isinstance(expected, pd.DataFrame)
    raw = read_poses(output / "mouse" / f"mouse{SCORER}.h5")
    # The movie's last batch is filled up, and so differs from the longer movie's.
    pd.testing.assert_frame_equal(raw[: 5 * BATCH], expected[: 5 * BATCH], rtol=0, atol=1e-5)


def test_a_multi_animal_tensorflow_model_runs_from_end_to_end(
    animal_models: AnimalModels, tmp_path: Path
) -> None:
    movie = write_blobs(tmp_path / "mice.mp4", [2] * 16 + [1] * 3)
    record, output = run_flow(tmp_path, animal_models.archive_of("EfficientNet"), movie)
    model = record["model"]
    assert (model["engine"], model["net_type"]) == ("tensorflow", "efficientnet-b0")
    assert (model["individuals"], model["unique_body_parts"]) == (INDIVIDUALS, ARENA_PARTS)
    assert (model["track_method"], model["identity"], model["repairs"]) == ("ellipse", True, [])
    scorer = "DLC_effnet_b0_blobsNov29shuffle1_20"
    poses = read_poses(output / "mice" / f"mice{scorer}_el_filtered.h5")
    owners = poses.columns.get_level_values("individuals").unique().tolist()
    assert owners == [*INDIVIDUALS, "single"]
    assert poses.notna().to_numpy()[:16].all()
    made = {path.name for path in (output / "mice").iterdir()}
    previews = {f"histogram-{owner}.svg" for owner in owners}
    assert made >= {file_names.LABELED_MOVIE_FILE, f"mice{scorer}_el.h5", *previews}
    of_run = {path.name for path in output.iterdir()}
    assert of_run >= {"annotations.parquet", file_names.REPORT_FILE}
