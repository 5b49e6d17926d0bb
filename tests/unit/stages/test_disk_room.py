"""A run that nobody looks on at waits for room on a full disk, and fails only in the end."""

import errno
import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.states import Failed

from tasks.errors import FullDisk
from tasks.full_disk import FULL_DISK_REMEDY, full_disk_error
from tasks.run.scratch_space import check_output_space
from tasks.stages import disk_room
from tasks.stages.disk_room import run_with_room
from tasks.stages.progress import cancel_work_at_exit
from tasks.stages.retries import is_retriable
from tests.support.small_disk import mount_small_disk, resize_disk
from tests.unit.run.test_scratch_space import a_movie

SMALL, LARGE = 64 << 10, 32 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mount_small_disk(tmp_path / "disk", SMALL) as folder:
        yield folder


@pytest.fixture
def unattended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A worker has started this run; returns what it shows of its waits."""
    shown: list[str] = []
    monkeypatch.setattr(disk_room, "is_unattended", lambda: True)
    monkeypatch.setattr(disk_room, "POLL_INTERVAL", 0.01)
    monkeypatch.setattr(
        disk_room, "show_task_state", lambda name, text: shown.append(f"{name}: {text}")
    )
    return shown


class Writer:
    """Writes a file for which the disk has no room at first.

    Attributes:
        calls: How often it was tried.
        makes_room: Whether there is room after the first try.
    """

    def __init__(self, disk: Path, *, makes_room: bool = True) -> None:
        self.calls = 0
        self.makes_room = makes_room
        self._disk = disk

    def __call__(self) -> str:
        self.calls += 1
        try:
            (self._disk / "file").write_bytes(bytes(1 << 20))
        except OSError as error:
            if self.makes_room:
                # What was half written goes, and so does what others had there.
                threading.Timer(0.05, resize_disk, (self._disk, LARGE)).start()
            raise full_disk_error(f"{self._disk} is full.", self._disk) from error
        return "written"


def test_it_goes_on_once_there_is_room(disk: Path, unattended: list[str]) -> None:
    write = Writer(disk)
    assert run_with_room(write) == "written"
    assert write.calls == 2
    assert unattended == [
        f"Waiting: {disk} is full; waiting for room, 15 minutes at the most",
        "Running: there is room on the disk again",
    ]


@pytest.mark.usefixtures("unattended")
def test_so_it_does_where_python_itself_finds_no_room(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(disk))
    calls = []

    def write() -> None:
        calls.append(1)
        if len(calls) == 1:
            threading.Timer(0.05, resize_disk, (disk, LARGE)).start()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(disk / "file"))

    run_with_room(write)
    assert len(calls) == 2


@pytest.mark.usefixtures("unattended")
def test_it_fails_where_there_never_is_any(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_room, "LONGEST_WAIT", 0.05)
    write = Writer(disk, makes_room=False)
    with pytest.raises(FullDisk) as caught:
        run_with_room(write)
    # Whatever it is a part of has waited with it.
    task: Any = None
    assert not is_retriable(task, task, Failed(data=caught.value))
    with pytest.raises(FullDisk):
        run_with_room(lambda: run_with_room(write))
    assert write.calls == 2


@pytest.mark.usefixtures("unattended")
def test_a_run_that_ends_waits_no_longer(disk: Path) -> None:
    ended = threading.Event()
    with cancel_work_at_exit(ended):
        ended.set()
        with pytest.raises(Exception, match="ended with its run"):
            run_with_room(Writer(disk, makes_room=False))


def test_who_looks_on_is_told_at_once(disk: Path) -> None:
    write = Writer(disk, makes_room=False)
    with pytest.raises(FullDisk):
        run_with_room(write)
    assert write.calls == 1
    task: Any = None
    assert is_retriable(task, task, Failed(data=FullDisk("full")))


def test_what_a_disk_could_never_hold_is_not_waited_for(disk: Path, tmp_path: Path) -> None:
    movie = tmp_path / "m.mp4"
    movie.write_bytes(bytes(1000))
    (disk / "others").write_bytes(bytes(SMALL // 2))
    with pytest.raises(FullDisk, match=FULL_DISK_REMEDY) as caught:
        check_output_space("m", movie, a_movie(declared_frames=25), disk)
    assert caught.value.folder == disk
    with pytest.raises(Exception, match=FULL_DISK_REMEDY) as refused:
        check_output_space("m", movie, a_movie(declared_frames=100_000), disk)
    assert not isinstance(refused.value, FullDisk)


def test_a_child_process_tells_which_disk(disk: Path) -> None:
    told = pickle.loads(pickle.dumps(full_disk_error("full", disk)))
    assert (str(told), told.folder) == ("full", disk)
