"""Compares what DeepLabCut finds in the demo movie with where the body parts really are.

Run it as ``python -m deployments.demo.assets.accuracy`` from the root of the checkout.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pandas as pd
import yaml

from deployments.demo.assets.mouse import BODY_PARTS
from tasks.processes.environment import SMALL_HEAP_ENVIRONMENT

DEMO_FOLDER = Path(__file__).parents[1]
MOVIE_FILE = DEMO_FOLDER / "mouse-openfield.mp4"
TRUTH_FILE = DEMO_FOLDER / "mouse-openfield.truth.csv"
MODEL_FILE = DEMO_FOLDER / "mouse-openfield-model.zip"


def measure_accuracy() -> None:
    """Print the accuracy, from a process whose heap does not grow."""
    subprocess.run(
        [sys.executable, "-m", __name__], env=os.environ | SMALL_HEAP_ENVIRONMENT, check=True
    )


def analyze_demo_movie(work: Path) -> tuple[pd.DataFrame, float]:
    """Run DeepLabCut's own analysis on the demo movie, in an empty folder.

    Returns:
        Its table with columns (body part, coordinate), and the seconds that it took.
    """
    import deeplabcut  # noqa: PLC0415 - ten seconds

    with zipfile.ZipFile(MODEL_FILE) as archive:
        archive.extractall(work)
    config = work / "config.yaml"
    settings = yaml.safe_load(config.read_text()) | {"project_path": str(work)}
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    movie = shutil.copy(MOVIE_FILE, work)
    begun = time.monotonic()
    scorer = deeplabcut.analyze_videos(str(config), [str(movie)], device="cpu")
    seconds = time.monotonic() - begun
    found = pd.read_hdf(work / f"{MOVIE_FILE.stem}{scorer}.h5")
    assert isinstance(found, pd.DataFrame)
    return found.droplevel("scorer", axis=1), seconds


def summarize_errors(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Summarize errors: a row for each body part, in pixels and shares of the frames."""
    rows = {}
    for part in BODY_PARTS:
        away = [found[part][axis] - truth[f"{part} {axis}"] for axis in ("x", "y")]
        error = (away[0] ** 2 + away[1] ** 2) ** 0.5
        likely = found[part]["likelihood"]
        rows[part] = {
            "median error": error.median(),
            "95th percentile": error.quantile(0.95),
            "largest": error.max(),
            "likelihood > 0.6": (likely > 0.6).mean(),
            "least likelihood": likely.min(),
        }
    return pd.DataFrame(rows).T.round(3)


def main() -> None:
    """Analyze, compare and print."""
    truth = pd.read_csv(TRUTH_FILE)
    with tempfile.TemporaryDirectory() as work:
        found, seconds = analyze_demo_movie(Path(work).resolve())
    print(summarize_errors(found, truth).to_string())
    print(f"{len(found)} frames in {seconds:.0f} s: {len(found) / seconds:.1f} frames per second")


if __name__ == "__main__":
    main()
