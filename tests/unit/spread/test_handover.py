"""A movie's outcome goes to another run, and comes out as it went in."""

import zipfile
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tasks.errors import StageFailed
from tasks.pose.movies.timing import RecordingInfo
from tasks.run_data import AnalyzedMovie
from tasks.spread.handover import read_handover, write_handover
from tests.support.records import example_failed_movie
from tests.unit.conftest import SECONDS, timing


def there_and_back(outcome: AnalyzedMovie, folder: Path) -> AnalyzedMovie:
    write_handover(outcome, folder / "part.zip")
    back = read_handover(folder / "part.zip", folder / "read")
    assert isinstance(back, AnalyzedMovie)
    return back


def test_results_come_back_with_their_files(analyzed: AnalyzedMovie, tmp_path: Path) -> None:
    back = there_and_back(analyzed, tmp_path)
    for path in (back.poses, *back.previews.values(), *back.labeled.worst.values()):
        assert path.parent == tmp_path / "read"
        assert path.read_bytes() == path.name.encode()
    assert back.quality == analyzed.quality
    assert back.checked.info == analyzed.checked.info
    assert back.outputs == analyzed.outputs
    assert back.labeled.frame_rate == Fraction(30)
    assert back.found.loaded == analyzed.found.loaded
    assert back.source == analyzed.source


def test_times_come_back_bit_for_bit(analyzed: AnalyzedMovie, tmp_path: Path) -> None:
    back = there_and_back(analyzed, tmp_path).found.timing
    assert back.seconds.dtype == np.float64
    np.testing.assert_array_equal(back.seconds, SECONDS)
    assert back.frame_rate == Fraction(30000, 1001)
    back.seconds[0] = 1  # an array of its own, that can be written to


def test_a_recording_comes_back(analyzed: AnalyzedMovie, tmp_path: Path) -> None:
    from dataclasses import replace

    counter = np.array([1.0, np.nan, 3.0])
    recording = RecordingInfo(
        Fraction(10, 3), "system", 5, np.array([0, 2, 4]), counter, ((1, 1), (3, 3)), (), "name"
    )
    found = replace(analyzed.found, timing=timing(recording))
    back = there_and_back(replace(analyzed, found=found), tmp_path).found.timing.recording
    assert back is not None
    assert (back.start, back.dropped, back.name) == (Fraction(10, 3), ((1, 1), (3, 3)), "name")
    np.testing.assert_array_equal(back.counter, counter)
    np.testing.assert_array_equal(back.positions, [0, 2, 4])
    assert back.positions.dtype == np.int64


def test_a_failure_comes_back(tmp_path: Path) -> None:
    failed = example_failed_movie(failed_stage="Check movie")
    write_handover(failed, tmp_path / "part.zip")
    assert read_handover(tmp_path / "part.zip", tmp_path) == failed


@pytest.mark.parametrize("content", [b"", b"no zip", b'{"number": 1}'])
def test_what_is_no_part_is_refused(content: bytes, tmp_path: Path) -> None:
    part = tmp_path / "part.zip"
    if content.startswith(b"{"):
        with zipfile.ZipFile(part, "w") as archive:
            archive.writestr("movie.json", content)
    else:
        part.write_bytes(content)
    with pytest.raises(StageFailed, match=r"part\.zip: expected one movie's results"):
        read_handover(part, tmp_path / "read")


def test_a_part_writes_nowhere_but_into_its_folder(analyzed: AnalyzedMovie, tmp_path: Path) -> None:
    write_handover(analyzed, tmp_path / "part.zip")
    with zipfile.ZipFile(tmp_path / "part.zip", "a") as archive:
        archive.writestr("../outside", b"x")
    read_handover(tmp_path / "part.zip", tmp_path / "read")
    assert not (tmp_path / "outside").exists()


def test_whatever_byte_is_damaged_it_is_refused_or_of_no_account(
    analyzed: AnalyzedMovie, tmp_path: Path
) -> None:
    part = tmp_path / "part.zip"
    write_handover(example_failed_movie(), part)
    whole = part.read_bytes()
    for place in range(len(whole)):
        for flip in (1, 8, 255):
            damaged = bytearray(whole)
            damaged[place] ^= flip
            part.write_bytes(damaged)
            with suppress(StageFailed):
                assert read_handover(part, tmp_path / "read") == example_failed_movie()
