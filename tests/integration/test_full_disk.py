"""A disk that becomes full while a stage writes: the file is whole, or the stage says why not."""

import errno
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import Retriable
from tasks.full_disk import describe_full_disk, explain_full_disk
from tasks.pose.child_libraries import load_for_finishing
from tasks.pose.finishing import draw_preview_files, label_movie_file
from tasks.pose.movies.reader import open_movie
from tasks.pose.settings import AnnotationsFormat, PoseSettings
from tasks.pose.tables.annotations import MoviePoses, write_annotations
from tasks.pose.tables.median_filter import filter_pose_file
from tasks.pose.tables.pose_table import write_poses
from tasks.processes.stage_process import StageProcess
from tests.support.movie_files import write_movie
from tests.support.pose_tables import PLAIN_STYLE, SINGLE_ANIMAL, make_scattered_poses
from tests.support.records import example_model
from tests.support.small_disk import mount_small_disk, resize_disk
from tests.unit.processes import in_child

FRAMES = 400
PAGE = 4096
LARGE = 64 << 20
LOG = 256 << 10


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mount_small_disk(tmp_path / "disk", LARGE) as folder:
        yield folder


@pytest.fixture
def process(tmp_path: Path, disk: Path) -> Iterator[StageProcess]:
    """A child whose scratch folder is that disk; its log lies elsewhere, to be read by people."""
    environment = {"TMPDIR": str(disk)}
    process = StageProcess("finishing", tmp_path / "log", environment, load_for_finishing)
    yield process
    process.close()


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    write_poses(make_scattered_poses(SINGLE_ANIMAL, FRAMES, (96, 64)), tmp_path / "poses.h5")
    return tmp_path / "poses.h5"


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return write_movie(tmp_path / "m.mp4", FRAMES)


def timing_of(movie: Path) -> Any:
    reader = open_movie(movie)
    for _ in reader:
        pass
    return reader.compute_timing()


def annotations(form: AnnotationsFormat) -> Any:
    def call(process: StageProcess, poses: Path, movie: Path, target: Path) -> None:
        share = MoviePoses(0, poses, timing_of(movie), (0, 0))
        process.call(write_annotations, [share], target, form)

    return call


def filtered(process: StageProcess, poses: Path, movie: Path, target: Path) -> None:
    process.call(filter_pose_file, poses, target, 5)


def labeled(process: StageProcess, poses: Path, movie: Path, target: Path) -> None:
    timing = timing_of(movie)
    process.call(label_movie_file, movie, poses, target, PLAIN_STYLE, timing, None, (0, 0), ())


def drawn(process: StageProcess, poses: Path, movie: Path, target: Path) -> None:
    model, settings = example_model(), PoseSettings()
    process.call(draw_preview_files, poses, target.parent, model, settings, (0, 0), (96, 64))


def files_in(folder: Path) -> dict[str, str]:
    files = [path for path in folder.iterdir() if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (filtered, "poses.h5"),
        (labeled, "labeled.mp4"),
        (annotations(AnnotationsFormat.PARQUET), "annotations.parquet"),
        (annotations(AnnotationsFormat.CSV), "annotations.csv"),
        (drawn, "histogram.svg"),
    ],
    ids=["poses", "labeled movie", "parquet", "csv", "previews"],
)
def test_whatever_room_there_is_a_file_is_whole_or_the_stage_says_why_not(
    process: StageProcess,
    poses: Path,
    movie: Path,
    disk: Path,
    write: Callable[..., None],
    name: str,
) -> None:
    folder = disk / "movie"
    folder.mkdir()
    write(process, poses, movie, folder / name)
    whole = files_in(folder)
    pages = sum(-(-path.stat().st_size // PAGE) for path in folder.iterdir())
    refused = []
    for room in [pages // 4, pages // 2, pages + LARGE // PAGE]:
        for path in folder.iterdir():
            path.unlink()
        used = sum(-(-path.stat().st_size // PAGE) for path in disk.rglob("*") if path.is_file())
        resize_disk(disk, (used + 2 + max(1, room)) * PAGE)
        try:
            write(process, poses, movie, folder / name)
            assert files_in(folder) == whole
        except Retriable as error:
            refused.append(str(error))
        resize_disk(disk, LARGE)
    assert len(refused) >= 2
    said = f"the disk of the scratch folder {disk} is full, "
    assert all(text.startswith(said) and "let TMPDIR name" in text for text in refused)
    assert files_in(folder) == whole


def test_python_s_own_error_is_told(process: StageProcess, disk: Path) -> None:
    resize_disk(disk, LOG)
    with pytest.raises(Retriable, match=r"is full, 0 bytes are free now; make room there"):
        process.call(in_child.fill, disk / "file")
    assert process.call(in_child.add, 2, 3) == 5


def test_a_share_that_is_used_up_is_told_apart(tmp_path: Path) -> None:
    with (
        pytest.raises(
            Retriable, match=r"^this user's share of the disk of the scratch .* is full, "
        ),
        explain_full_disk(tmp_path),
    ):
        raise OSError(errno.EDQUOT, "quota")


def test_what_was_needed_is_told(tmp_path: Path) -> None:
    told = describe_full_disk(OSError(errno.ENOSPC, "m.mp4: 7 bytes are needed"), tmp_path)
    assert "free now (m.mp4: 7 bytes are needed); make room" in str(told)


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="broken"), explain_full_disk(tmp_path):
        raise OSError(errno.EIO, "broken")


def test_on_a_full_disk_a_wrong_argument_is_still_wrong(disk: Path) -> None:
    resize_disk(disk, PAGE)
    (disk / "file").write_bytes(bytes(PAGE))
    assert describe_full_disk(KeyError("nose"), disk) is None
    assert describe_full_disk(RuntimeError("HDF5 cannot write"), disk) is not None


def test_of_a_folder_that_is_gone_its_disk_is_told(disk: Path) -> None:
    told = describe_full_disk(OSError(errno.ENOSPC, "no room"), disk / "run" / "movie")
    assert f" is full, {shutil.disk_usage(disk).free:,} bytes are free now" in str(told)
