"""The command line with a TensorFlow model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

from tasks.pose.tables.pose_table import read_poses
from tests.support.movie_files import cut_movie
from tests.support.paths import ROOT, SHARED_FOLDER, needs_shared_data
from tests.support.tensorflow_models import needs_tensorflow

SCORER = "DLC_mobnet_35_openfieldOct30shuffle1_1200"
BATCH = 4


@needs_tensorflow
@needs_shared_data
def test_a_tensorflow_model_runs_from_end_to_end(tmp_path: Path) -> None:
    movie = cut_movie(
        SHARED_FOLDER / "movies" / "openfield-300.mp4", tmp_path / "mouse.mp4", 5 * BATCH
    )
    home, output = tmp_path / "home", tmp_path / "results"
    home.mkdir()
    words = [
        "run",
        "--model",
        SHARED_FOLDER / "models" / "openfield-tensorflow.zip",
        "--movies",
        movie,
    ]
    done = subprocess.run(
        [sys.executable, "-m", "flows", *map(str, words), "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"HOME": str(home), "PREFECT_API_URL": ""},
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((output / "run.json").read_text())
    assert record["model"]["engine"] == "tensorflow"
    assert record["estimator"]["scorer"] == SCORER
    assert record["model"]["snapshot"] == "snapshot-1200"
    truth = SHARED_FOLDER / "truth" / "openfield-tensorflow" / f"openfield-300{SCORER}.h5"
    expected = pd.read_hdf(truth)
    assert isinstance(expected, pd.DataFrame)
    raw = read_poses(output / "mouse" / f"mouse{SCORER}.h5")
    # The movie's last batch is filled up, and so differs from the longer movie's.
    pd.testing.assert_frame_equal(raw[: 5 * BATCH], expected[: 5 * BATCH], rtol=0, atol=1e-5)
