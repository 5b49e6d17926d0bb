"""Traces of a delivered movie: what the files say, thinned without losing a dip."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.errors import BadInput
from tasks.pose.movies.timing import Timing, constant_timing
from tasks.pose.results.playback.annotated_times import AnnotatedTimes, read_annotated_times
from tasks.pose.results.playback.keypoint_traces import QUANTITIES, KeypointTraces
from tasks.pose.results.playback.load_traces import load_traces
from tasks.pose.results.playback.trace_window import select_window
from tasks.pose.settings import AnnotationsFormat
from tasks.pose.tables.annotations import MoviePoses, write_annotations
from tasks.pose.tables.pose_table import write_poses
from tests.support.pose_tables import (
    SINGLE_ANIMAL,
    TWO_ANIMALS,
    build_pose_table,
    make_scattered_poses,
)
from tests.support.records import example_movie, example_output

FRAMES = 40
RATE = Fraction(25)
UNEVEN = np.array([0, 0.04, 0.08, 0.24, 0.28, 3.0, 3.04, 3.08])
"""A frame each 40 ms, three dropped, and then a gap of almost three seconds."""


def unknown_times() -> AnnotatedTimes:
    raise BadInput("there are no annotations")


def write(folder: Path, poses: pd.DataFrame) -> Path:
    write_poses(poses, folder / "poses.h5")
    return folder / "poses.h5"


def load(folder: Path, poses: pd.DataFrame, **movie: Any) -> KeypointTraces:
    return load_traces(write(folder, poses), example_movie(**movie), unknown_times)


def trace(traces: KeypointTraces, name: str, keypoint: int) -> np.ndarray:
    values: np.ndarray = traces.values[QUANTITIES.index(name), keypoint]
    return values


@pytest.mark.parametrize("form", AnnotationsFormat)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_traces_are_what_the_annotations_have(
    tmp_path: Path, form: AnnotationsFormat, dtype: str
) -> None:
    """Crop, times, frame numbers and missing points, of the second of two movies."""
    offset = (7, 30)
    tables = [make_scattered_poses(TWO_ANIMALS, n, dtype=dtype) for n in (FRAMES, len(UNEVEN))]
    tables[1].iloc[2, 3:6] = -1
    movies = []
    timings = [constant_timing(FRAMES, RATE), Timing(UNEVEN, RATE, constant=False)]
    for number, (table, timing) in enumerate(zip(tables, timings, strict=True)):
        write_poses(table, tmp_path / f"{number}.h5")
        movies.append(MoviePoses(number, tmp_path / f"{number}.h5", timing, offset))
    target = tmp_path / f"annotations.{form}"
    write_annotations(movies, target, form)
    annotations = (pd.read_csv if form == "csv" else pd.read_parquet)(target)
    mine = annotations[annotations["Movie number"] == 1].reset_index(drop=True)

    def read_times() -> AnnotatedTimes:
        with target.open("rb") as file:
            return read_annotated_times(file, 1, is_csv=form is AnnotationsFormat.CSV)

    changes: dict[str, Any] = {
        "constant_frame_rate": False,
        "frame_rate": 25.0,
        "start": FRAMES / 25,
    }
    record = example_movie(number=1, crop=(*offset, 100, 60), **changes)
    traces = load_traces(tmp_path / "1.h5", record, read_times)
    assert not traces.clock.is_estimated
    np.testing.assert_array_equal(traces.clock.numbers, mine["Local frame number"])
    np.testing.assert_allclose(traces.clock.seconds, UNEVEN, atol=1e-9)
    np.testing.assert_allclose(
        traces.clock.seconds + FRAMES / 25, mine["Time since start (s)"], atol=1e-9
    )
    for index, part in enumerate(traces.parts):
        owner = traces.individuals[index]
        name = part if owner == "single" else f"{owner} {part}"
        columns = mine[[f"{name} x", f"{name} y", f"{name} likelihood"]]
        columns = columns.mask(columns.isna().any(axis=1))
        np.testing.assert_allclose(traces.values[:3, index], columns.T, rtol=1e-6, atol=1e-5)


def test_speed_goes_by_true_times(tmp_path: Path) -> None:
    values = np.zeros((len(UNEVEN), 3, 3))
    values[..., 2] = 0.9
    values[:, 0, 0] = 100 * UNEVEN
    values[2, 1] = np.nan
    path = write(tmp_path, build_pose_table(values, SINGLE_ANIMAL))
    record = example_movie(constant_frame_rate=False)
    times = AnnotatedTimes(UNEVEN, np.arange(len(UNEVEN)), None)
    traces = load_traces(path, record, lambda: times)
    nan = np.nan
    np.testing.assert_allclose(
        trace(traces, "speed", 0), [nan, 100, 100, 100, 100, nan, 100, 100], rtol=1e-5
    )
    np.testing.assert_array_equal(trace(traces, "speed", 1), [nan, 0, nan, nan, 0, nan, 0, 0])


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(unknown_times, id="no annotations"),
        pytest.param(
            lambda: AnnotatedTimes(np.zeros(3), np.arange(3), None), id="those of another movie"
        ),
    ],
)
def test_without_true_times_frames_go_by_the_rate_and_it_is_said(
    tmp_path: Path, times: Any
) -> None:
    path = write(tmp_path, make_scattered_poses(SINGLE_ANIMAL, FRAMES))
    traces = load_traces(path, example_movie(constant_frame_rate=False, frame_rate=25.0), times)
    assert traces.clock.is_estimated
    np.testing.assert_allclose(traces.clock.axis, np.arange(FRAMES) / 25)


def test_frames_without_a_time_on_the_clock_are_plotted_between_their_neighbors(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, make_scattered_poses(SINGLE_ANIMAL, 5))
    clock = np.array([np.nan, 10.1, np.nan, 10.3, np.nan])
    times = AnnotatedTimes(clock - 10, np.arange(5), clock)
    record = example_movie(times=EXAMPLE_TIMES, start=0.0)
    traces = load_traces(path, record, lambda: times)
    np.testing.assert_allclose(traces.clock.axis, [0.1, 0.1, 0.2, 0.3, 0.3])
    assert traces.clock.experiment is clock
    assert np.isnan(trace(traces, "speed", 0)[[0, 1, 2, 3, 4]]).all()


EXAMPLE_TIMES = {
    "form": "a table",
    "column": "time",
    "unit": "s",
    "unit_known_by": "its name",
    "origin": "its first time",
    "count": 2,
    "matched_by": "their number",
    "first": None,
    "last": None,
    "frame_rate": None,
}


@pytest.mark.parametrize("relative", ["crop", "frame"])
def test_files_without_attributes_go_by_the_record(tmp_path: Path, relative: str) -> None:
    output = example_output("s3://lab/out/m/poses.h5").model_copy(update={"coordinates": relative})
    poses = make_scattered_poses(SINGLE_ANIMAL, FRAMES)
    changes = {"crop": (10, 20, 50, 40), "pose_file": "poses.h5", "outputs": {"poses.h5": output}}
    traces = load(tmp_path, poses, **changes)
    shift = 10 if relative == "crop" else 0
    expected = poses.iloc[:, 0].where(poses.iloc[:, :3].notna().all(axis=1)) + shift
    np.testing.assert_allclose(trace(traces, "x", 0), expected, rtol=1e-6)


# --- windows -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_traces(tmp_path_factory: pytest.TempPathFactory) -> KeypointTraces:
    """Two hundred seconds with a dip of a single frame, and a missing stretch."""
    values = np.full((5000, 3, 3), 0.9, np.float32)
    values[3210, 1, 2] = 0.125
    values[1000:1100, 2] = np.nan
    return load(tmp_path_factory.mktemp("long"), build_pose_table(values, SINGLE_ANIMAL))


def test_a_long_view_keeps_each_dip(long_traces: KeypointTraces) -> None:
    window = select_window(long_traces, range(5000), [1, 2], 100)
    likelihood = QUANTITIES.index("likelihood")
    lowest = window["lowest"][likelihood, 0]
    assert lowest.min() == 0.125
    span = int(lowest.argmin())
    assert window["starts"][span] <= 3210 < window["starts"][span + 1]
    assert window["highest"][likelihood, 0].min() == np.float32(0.9)
    assert window["missing"][1].sum() == 100
    assert window["missing"][0].sum() == 0
    assert np.isnan(window["lowest"][likelihood, 1]).sum() == 2


@pytest.mark.parametrize("frames", [range(5000), range(3000, 3400), range(4999, 5000)])
def test_a_close_view_is_exact(long_traces: KeypointTraces, frames: range) -> None:
    window = select_window(long_traces, frames, [2, 1], max(1, len(frames) // 2))
    part = long_traces.values[:, [2, 1], frames.start : frames.stop]
    np.testing.assert_array_equal(window["values"], part)


def test_reading_a_movie_of_many_keeps_to_its_part_of_the_annotations(tmp_path: Path) -> None:
    """Row groups of other movies are not read."""
    table = make_scattered_poses(SINGLE_ANIMAL, 2000)
    write_poses(table, tmp_path / "m.h5")
    movies = [
        MoviePoses(number, tmp_path / "m.h5", constant_timing(2000, RATE), (0, 0))
        for number in range(12)
    ]
    target = tmp_path / "annotations.parquet"
    write_annotations(movies, target, AnnotationsFormat.PARQUET)
    with target.open("rb", buffering=0) as file:
        counted = CountingFile(file)
        times = read_annotated_times(counted, 7, is_csv=False)  # type: ignore[arg-type]
    np.testing.assert_allclose(times.seconds, 7 * 80 + np.arange(2000) / 25)
    assert counted.count < target.stat().st_size / 8


class CountingFile:
    """Counts the bytes that are read."""

    def __init__(self, file: Any) -> None:
        self._file, self.count = file, 0

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self.count += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_what_is_no_table_of_annotations_is_refused(tmp_path: Path) -> None:
    for name, content in (("a.parquet", b"PAR1"), ("a.csv", b"a,b\n1,2\n"), ("b.csv", b"")):
        (tmp_path / name).write_bytes(content)
        with (tmp_path / name).open("rb") as file, pytest.raises(BadInput, match="annotations"):
            read_annotated_times(file, 0, is_csv=name.endswith("csv"))
