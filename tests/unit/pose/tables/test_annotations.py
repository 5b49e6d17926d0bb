"""The annotations table: columns, counts, times and coordinates over several movies."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from tasks.pose.movies.timing import RecordingInfo, Timing, timing_from_stamps
from tasks.pose.settings import AnnotationsFormat
from tasks.pose.tables import annotations
from tasks.pose.tables.annotations import MoviePoses, column_name, write_annotations
from tasks.pose.tables.pose_table import read_poses_in_parts, write_poses
from tests.support.paths import SHARED_FOLDER, needs_shared_data
from tests.support.pose_tables import SINGLE_ANIMAL, TWO_ANIMALS, make_scattered_poses

NTSC = Fraction(30000, 1001)
COUNTS = ["Frame number", "Movie number", "Local frame number"]
TIME = "Time since start (s)"


def constant(frames: int, rate: Fraction | int = 30) -> Timing:
    return timing_from_stamps(list(range(frames)), 1 / Fraction(rate), [Fraction(rate)])


def varying(*milliseconds: int, rate: int = 10) -> Timing:
    seconds = np.array(milliseconds) / 1000
    return Timing(seconds, Fraction(rate), constant=False)


@pytest.fixture
def poses(tmp_path: Path) -> Any:
    """Makes an H5 of so many frames; its table is ``.table``, its share of a request the call."""

    def make(
        number: int,
        timing: Timing,
        offset: tuple[int, int] = (0, 0),
        individuals: Any = SINGLE_ANIMAL,
    ) -> MoviePoses:
        path = tmp_path / f"{number}.h5"
        table = make_scattered_poses(individuals, frames=len(timing.seconds), dtype="float32")
        write_poses(table, path)
        return MoviePoses(number, path, timing, offset)

    return make


@pytest.fixture(params=list(AnnotationsFormat))
def form(request: pytest.FixtureRequest) -> AnnotationsFormat:
    return AnnotationsFormat(request.param)


def written(movies: Any, folder: Path, form: AnnotationsFormat) -> pd.DataFrame:
    target = folder / f"annotations.{form}"
    rows = write_annotations(movies, target, form)
    if form is AnnotationsFormat.PARQUET:
        table = pd.read_parquet(target)
    else:
        table = pd.read_csv(target, float_precision="round_trip")  # the faster parser is inexact
    assert sum(rows.values()) == len(table)
    assert table.groupby("Movie number").size().to_dict() == rows
    return table


def test_columns_are_in_order_and_of_the_right_types(
    poses: Any, tmp_path: Path, form: AnnotationsFormat
) -> None:
    table = written([poses(0, constant(5))], tmp_path, form)
    parts = [f"{p} {c}" for p in ("nose", "ear", "tail") for c in ("x", "y", "likelihood")]
    assert list(table.columns) == [*COUNTS, TIME, *parts]
    assert {str(table[name].dtype) for name in COUNTS} == {"int64"}
    assert {str(table[name].dtype) for name in [TIME, *parts]} == {"float64"}


def test_values_are_those_of_the_poses_to_the_last_bit(
    poses: Any, tmp_path: Path, form: AnnotationsFormat
) -> None:
    table = written([poses(0, constant(20))], tmp_path, form)
    raw = make_scattered_poses(SINGLE_ANIMAL, frames=20, dtype="float32").to_numpy(dtype=np.float64)
    assert np.isnan(raw).any()
    np.testing.assert_array_equal(table.iloc[:, 4:].to_numpy(), raw)


def test_parquet_and_csv_hold_the_same(poses: Any, tmp_path: Path) -> None:
    movies = [poses(0, constant(7, NTSC), (3, 4)), poses(1, varying(0, 10, 95))]
    pd.testing.assert_frame_equal(
        written(movies, tmp_path, AnnotationsFormat.PARQUET),
        written(movies, tmp_path, AnnotationsFormat.CSV),
        check_exact=True,
    )


def test_parquet_has_a_range_index_over_all_movies(poses: Any, tmp_path: Path) -> None:
    movies = [poses(0, constant(5)), poses(1, constant(3))]
    table = written(movies, tmp_path, AnnotationsFormat.PARQUET)
    assert isinstance(table.index, pd.RangeIndex)
    assert (table.index.start, table.index.stop, table.index.step) == (0, 8, 1)
    assert table.index.name is None


def test_a_long_movie_is_written_piece_by_piece(
    poses: Any, tmp_path: Path, form: AnnotationsFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    movies = [poses(0, constant(23), (3, 4)), poses(1, varying(0, 10, 95)), poses(2, constant(8))]
    whole = written(movies, tmp_path, form)
    monkeypatch.setattr(annotations, "ROWS_PER_CHUNK", 5)
    in_pieces = written(movies, tmp_path, form)
    pd.testing.assert_frame_equal(in_pieces, whole, check_exact=True)
    if form is AnnotationsFormat.PARQUET:
        assert parquet.ParquetFile(tmp_path / "annotations.parquet").num_row_groups == 5 + 1 + 2


def test_csv_has_one_header_and_no_index(poses: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    write_annotations([poses(0, constant(2)), poses(1, constant(3))], target, AnnotationsFormat.CSV)
    lines = target.read_bytes().decode().split("\n")
    assert lines[0].startswith("Frame number,Movie number,")
    assert [line.split(",")[:3] for line in lines[1:]] == [
        ["0", "0", "0"],
        ["1", "0", "1"],
        ["2", "1", "0"],
        ["3", "1", "1"],
        ["4", "1", "2"],
        [""],
    ]


def test_movies_are_counted_as_in_the_request_and_frames_through_all(
    poses: Any, tmp_path: Path, form: AnnotationsFormat
) -> None:
    """Movie 1 of the request failed."""
    table = written([poses(0, constant(3)), poses(2, constant(2))], tmp_path, form)
    assert table["Movie number"].tolist() == [0, 0, 0, 2, 2]
    assert table["Frame number"].tolist() == [0, 1, 2, 3, 4]
    assert table["Local frame number"].tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("rate", [30, 25, NTSC, Fraction(24000, 1001), Fraction(999, 50), 7])
def test_times_are_index_over_rate_exactly_through_all_movies(
    poses: Any, tmp_path: Path, rate: Fraction | int
) -> None:
    lengths = (7, 1, 100, 33)
    movies = [poses(number, constant(frames, rate)) for number, frames in enumerate(lengths)]
    table = written(movies, tmp_path, AnnotationsFormat.PARQUET)
    assert table[TIME].tolist() == [float(i / Fraction(rate)) for i in range(sum(lengths))]


def test_the_next_movie_starts_one_frame_period_after_the_last(
    poses: Any, tmp_path: Path, form: AnnotationsFormat
) -> None:
    movies = [
        poses(0, constant(2, 10)),
        poses(1, varying(0, 30, 400, rate=5)),
        poses(2, constant(2, 30)),
        poses(3, varying(0, 1)),
    ]
    expected = [0, 0.1, 0.2, 0.23, 0.6, 0.8, 0.8 + 1 / 30, 0.8 + 2 / 30, 0.8 + 2 / 30 + 0.001]
    table = written(movies, tmp_path, form)
    np.testing.assert_allclose(table[TIME], expected, rtol=0, atol=1e-12)


def test_errors_of_rounding_do_not_add_up(poses: Any, tmp_path: Path) -> None:
    movies = [poses(number, constant(1, 10)) for number in range(30)]
    table = written(movies, tmp_path, AnnotationsFormat.PARQUET)
    assert table[TIME].tolist() == [number / 10 for number in range(30)]


def test_the_crop_is_added_to_coordinates_only(
    poses: Any, tmp_path: Path, form: AnnotationsFormat
) -> None:
    plain = written([poses(0, constant(9))], tmp_path, form)
    moved = written([poses(0, constant(9), (100, 7))], tmp_path, form)
    for part in ("nose", "ear", "tail"):
        np.testing.assert_array_equal(moved[f"{part} x"], plain[f"{part} x"] + 100)
        np.testing.assert_array_equal(moved[f"{part} y"], plain[f"{part} y"] + 7)
        np.testing.assert_array_equal(moved[f"{part} likelihood"], plain[f"{part} likelihood"])


@pytest.mark.parametrize("offset", [(0, 0), (100, 7)])
def test_an_animal_that_was_not_found_has_no_place(
    tmp_path: Path, form: AnnotationsFormat, offset: tuple[int, int]
) -> None:
    """A top-down model marks it by -1; a point that lies there by chance has a likelihood."""
    raw = make_scattered_poses(SINGLE_ANIMAL, frames=4, dtype="float32").fillna(3.0)
    raw.iloc[1] = -1
    raw.iloc[2, 3:6] = -1
    raw.iloc[3, :3] = (-1, -1, 0.5)
    write_poses(raw, tmp_path / "poses.h5")
    movie = MoviePoses(0, tmp_path / "poses.h5", constant(4), offset)
    table = written([movie], tmp_path, form).iloc[:, 4:].to_numpy()
    expected = raw.to_numpy(dtype=np.float64) + (*offset, 0) * 3
    expected[1] = expected[2, 3:6] = np.nan
    np.testing.assert_array_equal(table, expected)


def test_each_movie_has_its_own_crop(poses: Any, tmp_path: Path) -> None:
    movies = [poses(0, constant(2), (100, 7)), poses(1, constant(2))]
    table = written(movies, tmp_path, AnnotationsFormat.PARQUET)
    np.testing.assert_array_equal(table["nose x"][:2].to_numpy(), table["nose x"][2:] + 100)


def test_individuals_come_first_and_the_arenas_parts_keep_their_name(
    poses: Any, tmp_path: Path, form: AnnotationsFormat
) -> None:
    individuals = {"one": ("nose",), "two": ("nose",), "single": ("corner",)}
    table = written([poses(0, constant(4), individuals=individuals)], tmp_path, form)
    assert list(table.columns[4:]) == [
        f"{name} {coord}"
        for name in ("one nose", "two nose", "corner")
        for coord in ("x", "y", "likelihood")
    ]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (("scorer", "nose", "x"), "nose x"),
        (("scorer", "single", "y"), "single y"),
        (("scorer", "mouse1", "left ear", "likelihood"), "mouse1 left ear likelihood"),
        (("scorer", "single", "corner", "x"), "corner x"),
    ],
)
def test_column_names(label: tuple[str, ...], name: str) -> None:
    assert column_name(label) == name


@pytest.mark.parametrize("name", ['left, "ear"', "Ohr\u00e4", "a;b", " nose "])
def test_odd_body_parts_survive(
    poses: Any, tmp_path: Path, form: AnnotationsFormat, name: str
) -> None:
    table = written([poses(0, constant(2), individuals={"": (name,)})], tmp_path, form)
    assert list(table.columns[4:]) == [f"{name} x", f"{name} y", f"{name} likelihood"]


def test_movies_are_taken_from_any_iterable(poses: Any, tmp_path: Path) -> None:
    def stream() -> Iterator[MoviePoses]:
        yield poses(0, constant(2))
        yield poses(1, constant(1))

    assert len(written(stream(), tmp_path, AnnotationsFormat.CSV)) == 3


@pytest.mark.parametrize("individuals", [SINGLE_ANIMAL, TWO_ANIMALS])
def test_one_movie_at_a_time_is_in_memory(
    poses: Any, tmp_path: Path, individuals: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each movie's poses are read only when those before it are written."""
    movies = [poses(number, constant(50), individuals=individuals) for number in range(3)]
    target = tmp_path / "a.parquet"
    sizes: list[int] = []
    original = read_poses_in_parts

    def spy(path: Path, rows: int) -> Iterator[pd.DataFrame]:
        sizes.append(target.stat().st_size if target.exists() else -1)
        return original(path, rows)

    monkeypatch.setattr(annotations, "read_poses_in_parts", spy)
    write_annotations(movies, target, AnnotationsFormat.PARQUET)
    assert sizes == sorted(set(sizes))
    assert sizes[0] == -1


def recorded(*positions: int, first: int, length: int = 0) -> Timing:
    """Frames of a recording, 32.003 ms apart, whose counter begins with `first`."""
    places = np.array(positions, dtype=np.int64)
    counter = first + (places - places[0]) * 32_003.0
    recording = RecordingInfo(
        start=Fraction(0),
        system="GA-1-0",
        length=length or positions[-1] + 1,
        positions=places,
        counter=counter,
        dropped=(),
    )
    seconds = (counter - counter[0]) / 1e6
    return Timing(seconds, Fraction(125, 4), constant=False, recording=recording)


def test_recordings_have_their_counter_and_skip_dropped_frames(
    poses: Any, tmp_path: Path, form: AnnotationsFormat
) -> None:
    kept = (0, 1, 2, 4, 5, 8, 9, 10)
    first, second = 163_957_519_943, 163_958_000_001
    movies = [poses(0, recorded(*kept, first=first)), poses(1, recorded(0, 1, first=second))]
    table = written(movies, tmp_path, form)
    assert list(table.columns[:6]) == [*COUNTS, TIME, "Hardware counter (us)", "nose x"]
    assert table["Hardware counter (us)"].dtype == np.float64
    assert table["Local frame number"].tolist() == [*kept, 0, 1]
    assert table["Frame number"].tolist() == [*kept, 11, 12]
    counter = [*(first + 32_003 * i for i in kept), second, second + 32_003]
    assert table["Hardware counter (us)"].tolist() == counter
    assert table[TIME].tolist() == [(count - first) / 1e6 for count in counter]


def test_a_recording_without_a_counter_has_an_empty_column(
    poses: Any, tmp_path: Path, form: AnnotationsFormat
) -> None:
    timing = recorded(0, 1, 2, first=0)
    assert timing.recording is not None
    unknown = replace(timing.recording, counter=np.full(3, np.nan))
    table = written([poses(0, replace(timing, recording=unknown))], tmp_path, form)
    assert table["Hardware counter (us)"].isna().all()
    assert table[TIME].tolist() == timing.seconds.tolist()


@needs_shared_data
def test_the_columns_are_those_that_ideas_delivers(poses: Any, tmp_path: Path) -> None:
    (golden,) = (SHARED_FOLDER / "reference").glob("*_annotations.csv")
    expected = pd.read_csv(golden)
    names = tuple(c.removesuffix(" x") for c in expected.columns if c.endswith(" x"))
    movie = poses(0, recorded(0, 1, 2, first=7), individuals={"": names})
    table = written([movie], tmp_path, AnnotationsFormat.PARQUET)
    kinds = expected.dtypes
    kinds[TIME] = np.dtype(np.float64)
    assert table.dtypes.to_dict() == kinds.to_dict()
    assert list(table.columns) == list(kinds.index)
