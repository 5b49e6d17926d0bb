"""One movie's results, as tests of what is handed on and kept have them."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tasks.pose.estimate import Estimate
from tasks.pose.finishing import LabeledMovieResult
from tasks.pose.movies.reader import MovieInfo
from tasks.pose.movies.timing import RecordingInfo, Timing
from tasks.pose.network.interface import LoadedModel
from tasks.run_data import AnalyzedMovie, CheckedMovie, FetchedInput, MovieSource
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo
from tests.support.records import example_input, example_output, example_quality

SECONDS = np.cumsum(np.random.default_rng(1).random(50))


def timing(recording: RecordingInfo | None = None) -> Timing:
    return Timing(SECONDS, Fraction(30000, 1001), constant=False, recording=recording)


@pytest.fixture
def analyzed(tmp_path: Path) -> AnalyzedMovie:
    folder = tmp_path / "made"
    folder.mkdir()
    for name in ("pose_estimates.h5", "trajectory.png", "worst-7.jpg"):
        (folder / name).write_bytes(name.encode())
    info = MovieInfo(640, 480, Fraction(30), 50, "h264", "yuv420p")
    found = Estimate(
        frames=50,
        timing=timing(),
        decode_errors=("one is damaged",),
        loaded=LoadedModel("scorer", "snapshot-1.pt", "cuda:0", "device", ("a repair",)),
        batch_size=8,
        seconds=1.25,
        warnings=("a warning",),
    )
    location = Location.parse("s3://lab/in/m.mp4")
    return AnalyzedMovie(
        source=MovieSource(3, "m", ObjectInfo(location, 10, "e", None, None, None)),
        fetched=FetchedInput(folder / "m.mp4", example_input("s3://lab/in/m.mp4")),
        checked=CheckedMovie("m", folder / "m.mp4", info, (0, 640, 0, 480), 2_500_000),
        found=found,
        poses=folder / "pose_estimates.h5",
        quality=example_quality(),
        labeled=LabeledMovieResult(50, Fraction(30), {7: folder / "worst-7.jpg"}),
        previews={"trajectory.png": folder / "trajectory.png"},
        outputs={"labeled.mp4": example_output("s3://lab/out/m/labeled.mp4")},
        seconds={"Fetch movie": 0.5},
    )
