"""A movie's outcome goes to another run, and comes out as it went in."""

import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tasks.estimation import CheckedMovie
from tasks.parts import read_part, write_part
from tasks.pose.errors import StageFailed
from tasks.pose.estimate import Estimate
from tasks.pose.finishing import Labeled
from tasks.pose.movies import MovieInfo
from tasks.pose.network import Loaded
from tasks.pose.timing import Recording, Timing
from tasks.recording import Analysed
from tasks.staging import Fetched, MovieSource
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo
from tests.records import a_failed_movie, a_quality, an_input, an_output

SECONDS = np.cumsum(np.random.default_rng(1).random(50))


def timing(recording: Recording | None = None) -> Timing:
    return Timing(SECONDS, Fraction(30000, 1001), constant=False, recording=recording)


@pytest.fixture
def analysed(tmp_path: Path) -> Analysed:
    folder = tmp_path / "made"
    folder.mkdir()
    for name in ("pose_estimates.h5", "trajectory.png", "worst-7.jpg"):
        (folder / name).write_bytes(name.encode())
    info = MovieInfo(640, 480, Fraction(30), 50, "h264", "yuv420p")
    found = Estimate(
        frames=50,
        timing=timing(),
        decode_errors=("one is damaged",),
        loaded=Loaded("scorer", "snapshot-1.pt", "cuda:0", "device", ("a repair",)),
        batch_size=8,
        seconds=1.25,
        warnings=("a warning",),
    )
    location = Location.parse("s3://lab/in/m.mp4")
    return Analysed(
        source=MovieSource(3, "m", ObjectInfo(location, 10, "e", None, None, None)),
        fetched=Fetched(folder / "m.mp4", an_input("s3://lab/in/m.mp4")),
        checked=CheckedMovie("m", folder / "m.mp4", info, (0, 640, 0, 480)),
        found=found,
        poses=folder / "pose_estimates.h5",
        quality=a_quality(),
        labeled=Labeled(50, Fraction(30), {7: folder / "worst-7.jpg"}),
        previews={"trajectory.png": folder / "trajectory.png"},
        outputs={"labeled.mp4": an_output("s3://lab/out/m/labeled.mp4")},
        seconds={"Fetch movie": 0.5},
    )


def there_and_back(outcome: Analysed, folder: Path) -> Analysed:
    write_part(outcome, folder / "part.zip")
    back = read_part(folder / "part.zip", folder / "read")
    assert isinstance(back, Analysed)
    return back


def test_results_come_back_with_their_files(analysed: Analysed, tmp_path: Path) -> None:
    back = there_and_back(analysed, tmp_path)
    for path in (back.poses, *back.previews.values(), *back.labeled.worst.values()):
        assert path.parent == tmp_path / "read"
        assert path.read_bytes() == path.name.encode()
    assert back.quality == analysed.quality
    assert back.checked.info == analysed.checked.info
    assert back.outputs == analysed.outputs
    assert back.labeled.frame_rate == Fraction(30)
    assert back.found.loaded == analysed.found.loaded
    assert back.source == analysed.source


def test_times_come_back_bit_for_bit(analysed: Analysed, tmp_path: Path) -> None:
    back = there_and_back(analysed, tmp_path).found.timing
    assert back.seconds.dtype == np.float64
    np.testing.assert_array_equal(back.seconds, SECONDS)
    assert back.frame_rate == Fraction(30000, 1001)
    back.seconds[0] = 1  # an array of its own, that can be written to


def test_a_recording_comes_back(analysed: Analysed, tmp_path: Path) -> None:
    from dataclasses import replace

    counter = np.array([1.0, np.nan, 3.0])
    recording = Recording(
        Fraction(10, 3), "system", 5, np.array([0, 2, 4]), counter, ((1, 1), (3, 3)), (), "name"
    )
    found = replace(analysed.found, timing=timing(recording))
    back = there_and_back(replace(analysed, found=found), tmp_path).found.timing.recording
    assert back is not None
    assert (back.start, back.dropped, back.name) == (Fraction(10, 3), ((1, 1), (3, 3)), "name")
    np.testing.assert_array_equal(back.counter, counter)
    np.testing.assert_array_equal(back.positions, [0, 2, 4])
    assert back.positions.dtype == np.int64


def test_a_failure_comes_back(tmp_path: Path) -> None:
    failed = a_failed_movie(failed_stage="Check movie")
    write_part(failed, tmp_path / "part.zip")
    assert read_part(tmp_path / "part.zip", tmp_path) == failed


@pytest.mark.parametrize("content", [b"", b"no zip", b'{"number": 1}'])
def test_what_is_no_part_is_refused(content: bytes, tmp_path: Path) -> None:
    part = tmp_path / "part.zip"
    if content.startswith(b"{"):
        with zipfile.ZipFile(part, "w") as archive:
            archive.writestr("movie.json", content)
    else:
        part.write_bytes(content)
    with pytest.raises(StageFailed, match=r"part\.zip: expected one movie's results"):
        read_part(part, tmp_path / "read")


def test_a_part_writes_nowhere_but_into_its_folder(analysed: Analysed, tmp_path: Path) -> None:
    write_part(analysed, tmp_path / "part.zip")
    with zipfile.ZipFile(tmp_path / "part.zip", "a") as archive:
        archive.writestr("../outside", b"x")
    read_part(tmp_path / "part.zip", tmp_path / "read")
    assert not (tmp_path / "outside").exists()
