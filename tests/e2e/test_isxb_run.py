"""Real recordings of nVision from end to end: the recorder's order, its times, and its counter."""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest

from tasks.pose.movies.start_times import StartSource
from tasks.pose.results.run_record import RunRecord
from tasks.pose.settings import AnnotationsFormat, Crop, Labels, PoseSettings
from tests.support.isxb_files import FIRST_COUNT, write_isxb
from tests.support.paths import SHARED_FOLDER, needs_shared_data

pytestmark = needs_shared_data

MODEL = SHARED_FOLDER / "models" / "openfield-pytorch.zip"
PARTS = ("snout", "leftear", "rightear", "tailbase")
SERIES = "Group-20240111-080531_2024-01-12-08-55-21_sched_{}"
SINGLE = "2023-01-27-10-34-22-camera-1_trimmed_1s"
CROP = Crop(left=640, top=512, width=320, height=240)
COUNTS = ["Frame number", "Movie number", "Local frame number"]
TIMES = ["Time since start (s)", "Hardware counter (us)"]
FIRST_COUNTS = (163_957_519_943, 163_957_851_928)
"""The counter at the first frame of each part of the series."""

LATER, LENGTH, DROPPED, KEPT = "later", 9, [2, 5, 6], [0, 1, 3, 4, 7, 8]
LATER_START_MS = 1_710_000_000_000


@dataclass(frozen=True)
class Delivered:
    output: Path
    record: RunRecord


def real(movie: str) -> Path:
    return SHARED_FOLDER / "movies" / f"{movie}.isxb"


LAB = "subject: {subject_id: m1, species: Mus musculus, sex: F, age: P90D}\n"


def analyzed(movies: list[Path], output: Path, form: AnnotationsFormat, **more: Any) -> Delivered:
    from flows.pose_estimation import pose_estimation

    # IDEAS' labeled movie is as large as the movie: without a strip below it.
    settings = PoseSettings(crop=CROP, annotations_format=form, labels=Labels.NONE, **more)
    pose_estimation(str(MODEL), [str(movie) for movie in movies], str(output), settings)
    record = RunRecord.model_validate_json((output / "run.json").read_text())
    return Delivered(output, record)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Delivered:
    """A series of two, named in the wrong order, and a later recording with dropped frames."""
    folder = tmp_path_factory.mktemp("series")
    later = write_isxb(
        folder / f"{LATER}.isxb",
        LENGTH,
        dropped=DROPPED,
        width=960,
        height=768,
        start_ms=LATER_START_MS,
    )
    movies = [later, *(real(SERIES.format(part)) for part in (1, 0))]
    lab = folder / "lab.yaml"
    lab.write_text(LAB)
    nwb = {"nwb": find_spec("ndx_pose") is not None, "nwb_metadata": str(lab)}
    return analyzed(movies, folder / "results", AnnotationsFormat.PARQUET, **nwb)


@pytest.fixture(scope="module")
def table(series: Delivered) -> pd.DataFrame:
    return pd.read_parquet(series.output / "annotations.parquet")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Delivered:
    return analyzed([real(SINGLE)], tmp_path_factory.mktemp("recording"), AnnotationsFormat.CSV)


class TestSeries:
    def test_is_put_in_order_and_that_is_told(self, series: Delivered) -> None:
        names = [*(SERIES.format(part) for part in (0, 1)), LATER]
        assert [movie.name for movie in series.record.movies] == names
        assert [Path(place).stem for place in series.record.movies_resolved] == names
        (warning,) = [w for w in series.record.warnings if "order of their recording" in w]
        assert warning in (series.output / "report.html").read_text()

    def test_columns_and_types(self, table: pd.DataFrame) -> None:
        coords = [f"{part} {coord}" for part in PARTS for coord in ("x", "y", "likelihood")]
        assert list(table.columns) == [*COUNTS, *TIMES, *coords]
        assert isinstance(table.index, pd.RangeIndex)
        assert set(table[COUNTS].dtypes) == {np.dtype(np.int64)}
        assert set(table[[*TIMES, *coords]].dtypes) == {np.dtype(np.float64)}

    def test_frames_are_counted_through_dropped_ones_included(self, table: pd.DataFrame) -> None:
        assert table["Frame number"].tolist() == [*range(20), *(20 + i for i in KEPT)]
        assert table["Movie number"].tolist() == [0] * 10 + [1] * 10 + [2] * 6
        assert table["Local frame number"].tolist() == [*range(10), *range(10), *KEPT]

    def test_times_are_the_counter_s_through_a_series(self, table: pd.DataFrame) -> None:
        series = table[table["Movie number"] < 2]
        counter = series["Hardware counter (us)"]
        assert (counter[0], counter[10]) == FIRST_COUNTS
        expected = (counter - counter[0]) / 1_000_000
        assert series["Time since start (s)"].tolist() == expected.tolist()

    def test_dropped_frames_leave_their_gap(self, table: pd.DataFrame) -> None:
        later = table[table["Movie number"] == 2]
        assert later["Hardware counter (us)"].tolist() == [FIRST_COUNT + 50_000 * i for i in KEPT]
        seconds = later["Time since start (s)"].to_numpy()
        np.testing.assert_allclose(seconds - seconds[0], [0.05 * i for i in KEPT], atol=1e-8)

    def test_dropped_frames_are_in_record_and_report(self, series: Delivered) -> None:
        movie, report = series.record.movies[2], (series.output / "report.html").read_text()
        assert movie.frames is not None
        assert movie.frames.dropped == ((2, 2), (5, 6))
        assert movie.frames.list_disagreements() == []
        (warning,) = movie.warnings
        assert warning.startswith("3 frames were dropped by the recorder (2, 5–6)")
        assert f"{LATER}: {warning}" in series.record.warnings
        assert warning in report
        assert "9 (3 dropped)" in report

    def test_gaps_between_movies_are_in_the_record(self, series: Delivered) -> None:
        first, second, third = series.record.movies
        assert (first.start, first.start_known_by) == (0, StartSource.FIRST)
        gap = (FIRST_COUNTS[1] - FIRST_COUNTS[0]) / 1_000_000
        assert (second.start, second.start_known_by) == (gap, StartSource.COUNTER)
        assert third.start_known_by == StartSource.RECORDING_START
        assert third.start is not None
        assert third.start > gap + 0.5

    def test_every_frame_is_in_every_result(self, series: Delivered) -> None:
        for movie, declared, frames in zip(
            series.record.movies, (10, 10, 9), (10, 10, 6), strict=True
        ):
            assert movie.frames is not None
            assert movie.frames.is_complete
            assert (movie.frames.declared, movie.frames.decoded) == (declared, frames)
            with av.open(str(series.output / movie.name / "labeled.mp4")) as labeled:
                assert sum(1 for _ in labeled.decode(video=0)) == frames

    def test_coordinates_are_those_of_the_whole_frame(
        self, series: Delivered, table: pd.DataFrame
    ) -> None:
        for movie in series.record.movies:
            assert movie.crop == (640, 512, 320, 240)
            assert movie.pose_file is not None
            poses = pd.read_hdf(series.output / movie.name / movie.pose_file)
            assert isinstance(poses, pd.DataFrame)
            rows = table[table["Movie number"] == movie.number]
            offsets = np.tile([CROP.left, CROP.top, 0], len(PARTS))
            np.testing.assert_allclose(rows.iloc[:, 5:], poses.to_numpy() + offsets)

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_nwb_has_the_annotations_points_and_times(
        self, series: Delivered, table: pd.DataFrame
    ) -> None:
        pynwb = pytest.importorskip("pynwb")
        for movie in series.record.movies:
            rows = table[table["Movie number"] == movie.number]
            with pynwb.NWBHDF5IO(series.output / movie.name / f"{movie.name}.nwb", "r") as io:
                file = io.read()
                poses = file.processing["behavior"]["PoseEstimation"]
                np.testing.assert_allclose(poses["snout"].data[:], rows[["snout x", "snout y"]])
                times = poses["snout"].timestamps[:]
                expected = rows["Time since start (s)"] - rows["Time since start (s)"].iloc[0]
                np.testing.assert_allclose(times - times[0], expected, rtol=0, atol=1e-9)
                start = file.session_start_time.timestamp() + times[0]
            if movie.name == LATER:
                assert start == LATER_START_MS / 1000

    def test_metadata_hold_a_movie_each(self, series: Delivered) -> None:
        metadata = json.loads((series.output / "output_metadata.json").read_text())
        movies = [metadata[f"dlc_labeled_movie.{index}"] for index in range(3)]
        sizes = [{"x": 1920, "y": 1080}] * 2 + [{"x": 960, "y": 768}]
        assert [movie["spacingInfo"]["numPixels"] for movie in movies] == sizes
        assert [movie["timingInfo"]["numTimes"] for movie in movies] == [10, 10, 6]


class TestRecording:
    def test_annotations_begin_as_the_ideas_tool_s_do(self, recording: Delivered) -> None:
        golden = pd.read_csv(SHARED_FOLDER / "reference" / f"{SINGLE}_dlc_annotations.csv")
        table = pd.read_csv(recording.output / "annotations.csv")
        pd.testing.assert_frame_equal(table[COUNTS], golden[COUNTS])
        assert list(table.columns[:5]) == list(golden.columns[:5]) == [*COUNTS, *TIMES]
        # A spreadsheet has shortened the golden file's counter to six digits.
        time, counter = TIMES
        pd.testing.assert_series_equal(table[time], golden[time], rtol=0, atol=1e-12)
        np.testing.assert_allclose(table[counter], golden[counter], rtol=0, atol=500_001)
        assert table[time].tolist() == ((table[counter] - table[counter][0]) / 1_000_000).tolist()

    def test_metadata_are_those_of_the_ideas_tool(self, recording: Delivered) -> None:
        golden = json.loads(
            (SHARED_FOLDER / "reference" / f"{SINGLE}_output_metadata.json").read_text()
        )
        metadata = json.loads((recording.output / "output_metadata.json").read_text())
        assert list(metadata) == list(golden)
        for key, expected in golden.items():
            assert list(metadata[key]) == list(expected)
            assert list(metadata[key]["dlc"]) == list(expected["dlc"])
            assert {**metadata[key], "dlc": 0} == {**expected, "dlc": 0}
