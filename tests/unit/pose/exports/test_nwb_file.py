"""The NWB file: true times, whole frames, each animal apart."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.pose.clock.experiment_clock import ExperimentClock, TimesRecord
from tasks.pose.clock.listed_times import (
    EPOCH_ORIGIN,
    FILE_ORIGIN,
    GUESSED_EPOCH_ORIGIN,
    LOCAL_ORIGIN,
    MIDNIGHT_ORIGIN,
)
from tasks.pose.movies.timing import RecordingInfo, Timing
from tasks.pose.tables.pose_table import read_poses
from tests.support.exported_movies import SCORER, example_facts, export_example
from tests.support.pose_tables import TWO_ANIMALS, make_scattered_poses
from tests.support.records import DIGEST, example_model

LAB: dict[str, Any] = {
    "session_start_time": "2026-01-27T15:20:34+01:00",
    "experimenter": ["Doe, Jane"],
    "institution": "Institute",
    "keywords": ["open field"],
    "subject": {"subject_id": "m1", "species": "Mus musculus", "sex": "F", "age": "P90D"},
}
CROPPED: dict[str, Any] = {"frame_size": (640, 480), "edges": (100, 420, 40, 280)}
TWO = example_model(
    multi_animal=True,
    track_method="ellipse",
    individuals=("one", "two"),
    unique_body_parts=("corner",),
    skeleton=(("nose", "ear"), ("ear", "tail")),
)

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def read() -> Any:
    """Opens an NWB file; its content is there while the test runs."""
    pynwb = pytest.importorskip("pynwb")
    pytest.importorskip("ndx_pose")
    opened: list[Any] = []

    def open_file(path: Path) -> Any:
        opened.append(pynwb.NWBHDF5IO(path, "r"))
        return opened[-1].read()

    yield open_file
    for io in opened:
        io.close()


def write(folder: Path, facts: Any, **options: Any) -> Path:
    lab = options.pop("lab", LAB)
    settings = {"nwb": True, "nwb_metadata": "lab.yaml", **options}
    return export_example(folder, facts, lab=lab, **settings).files["m.nwb"]


def test_one_animal_is_in_pixels_of_the_whole_frame(tmp_path: Path, read: Any) -> None:
    file = read(write(tmp_path, example_facts(**CROPPED)))
    poses = file.processing["behavior"]["PoseEstimation"]
    series = poses["ear"]
    table = read_poses(tmp_path / "pose_estimates.h5")
    ear = table.xs("ear", axis=1, level="bodyparts").to_numpy(dtype=np.float64)
    missing = np.isnan(ear).any(axis=1)
    expected = np.where(missing[:, None], np.nan, ear[:, :2] + (100, 40))
    np.testing.assert_array_equal(series.data[:], expected)
    np.testing.assert_array_equal(series.confidence[:], np.where(missing, np.nan, ear[:, 2]))
    assert (series.unit, series.starting_time, series.rate) == ("pixels", 0, 30)
    assert "0 to 1" in series.confidence_definition
    assert poses.scorer == SCORER
    assert poses.source_software == "DeepLabCut"
    assert poses.source_software_version == "3.0.2"
    assert "s3://lab/in/m.mp4" in poses.description
    assert DIGEST in poses.description
    assert "320×240 pixels at column 100, row 40" in poses.description
    assert list(poses.skeleton.nodes[:]) == ["nose", "ear", "tail"]
    np.testing.assert_array_equal(poses.skeleton.edges[:], [[0, 1]])
    assert poses.skeleton.subject.subject_id == "m1"
    assert file.session_start_time == datetime(2026, 1, 27, 14, 20, 34, tzinfo=UTC)


def test_animals_and_arena_are_apart(tmp_path: Path, read: Any) -> None:
    table = make_scattered_poses(TWO_ANIMALS)
    file = read(write(tmp_path, example_facts(model=TWO), table=table, window_length=0))
    found = file.processing["behavior"].data_interfaces
    assert set(found) == {
        "Skeletons",
        "PoseEstimation_one",
        "PoseEstimation_two",
        "PoseEstimationArena",
    }
    assert list(found["PoseEstimationArena"].pose_estimation_series) == ["corner"]
    tail = table.xs(("two", "tail"), axis=1, level=("individuals", "bodyparts")).to_numpy()
    seen = np.isfinite(tail).all(axis=1)
    np.testing.assert_array_equal(found["PoseEstimation_two"]["tail"].data[:][seen], tail[seen, :2])
    assert found["PoseEstimation_one"].skeleton.name == "Skeleton_one"


def test_uneven_times_are_the_frames_own(tmp_path: Path, read: Any) -> None:
    seconds = np.cumsum(np.random.default_rng(1).random(16))
    facts = example_facts(timing=Timing(seconds, Fraction(30), constant=False))
    poses = read(write(tmp_path, facts)).processing["behavior"]["PoseEstimation"]
    for part in ("nose", "tail"):
        np.testing.assert_array_equal(poses[part].timestamps[:], seconds)
        assert poses[part].rate is None


START = datetime.fromisoformat(LAB["session_start_time"])


@pytest.mark.parametrize(
    ("first", "origin", "since_start"),
    [
        (START.timestamp() + 12.5, EPOCH_ORIGIN, 12.5),
        (START.timestamp() + 12.5, GUESSED_EPOCH_ORIGIN, 12.5),
        (START.timestamp() - 3600, EPOCH_ORIGIN, 0),
        (START.timestamp() + 86_400, EPOCH_ORIGIN, 0),
        (START.replace(tzinfo=UTC).timestamp() + 12.5, LOCAL_ORIGIN, 12.5),
        (15 * 3600 + 20 * 60 + 34 + 12.5, MIDNIGHT_ORIGIN, 12.5),
        (15 * 3600 + 20 * 60 + 33, MIDNIGHT_ORIGIN, 0),
        (3600, MIDNIGHT_ORIGIN, 3600 + 86_400 - (15 * 3600 + 20 * 60 + 34)),
        (712.5, FILE_ORIGIN, 712.5),
    ],
)
def test_times_of_the_experiment_s_clock_count_from_the_session_s_start(
    tmp_path: Path, read: Any, first: float, origin: str, since_start: float
) -> None:
    steps = np.cumsum(np.random.default_rng(3).uniform(0.03, 0.04, 16))
    steps -= steps[0]
    record = TimesRecord(
        form="text", column=None, unit="s", unit_known_by="the file", origin=origin, count=16,
        matched_by="one time for each frame", first=first, last=first + steps[-1], frame_rate=30,
    )  # fmt: skip
    facts = example_facts(clock=ExperimentClock(first + steps, record))
    poses = read(write(tmp_path, facts)).processing["behavior"]["PoseEstimation"]
    np.testing.assert_allclose(poses["nose"].timestamps[:], steps + since_start, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dropped", [0, 3])
def test_a_recording_tells_its_start_and_the_counter_its_times(
    tmp_path: Path, read: Any, dropped: int
) -> None:
    counter = np.cumsum(np.random.default_rng(2).integers(33_000, 34_000, 16)).astype(float)
    recording = RecordingInfo(
        start=Fraction(1_700_000_000),
        system=None,
        length=20,
        positions=np.arange(dropped, dropped + 16),
        counter=counter,
        dropped=((0, dropped - 1),) if dropped else (),
    )
    timing = Timing(np.arange(16) / 30, Fraction(30), constant=False, recording=recording)
    file = read(write(tmp_path, example_facts(timing=timing)))
    assert file.session_start_time == datetime.fromtimestamp(1_700_000_000, UTC)
    times = file.processing["behavior"]["PoseEstimation"]["nose"].timestamps[:]
    np.testing.assert_allclose(
        times, (counter - counter[0]) / 1e6 + dropped / 30, rtol=0, atol=1e-9
    )


def test_what_is_said_of_a_movie_comes_before_what_is_said_of_all(
    tmp_path: Path, read: Any
) -> None:
    other = {"subject_id": "m2", "species": "Rattus norvegicus", "sex": "M", "age": "P1Y"}
    movies = {"m.mp4": {"subject": other, "session_id": "two"}, "n.mp4": {}}
    file = read(write(tmp_path, example_facts(), lab=LAB | {"movies": movies}))
    assert (file.subject.subject_id, file.session_id) == ("m2", "two")
    assert file.institution == "Institute"
    assert list(file.experimenter) == ["Doe, Jane"]


def test_names_that_nwb_does_not_take_are_changed(tmp_path: Path, read: Any) -> None:
    table = make_scattered_poses({"": ("paw/left", "a:b", "tail")})
    model = example_model(skeleton=(("paw/left", "a:b"),))
    facts = replace(example_facts(), model=model, location="/daten/ünï 鼠.mp4")
    poses = read(write(tmp_path, facts, table=table)).processing["behavior"]["PoseEstimation"]
    assert set(poses.pose_estimation_series) == {"paw_left", "a_b", "tail"}
    assert "/daten/ünï 鼠.mp4" in poses.description
    np.testing.assert_array_equal(poses.skeleton.edges[:], [[0, 1]])
