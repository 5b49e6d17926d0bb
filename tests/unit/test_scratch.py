"""Scratch folders: gone after success, failure, and, at the next run, after a kill."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.staging import SCRATCH, scratch_folder, sweep
from tests.paths import ROOT

HOLD = """
import sys
from tasks.staging import scratch_folder
with scratch_folder() as folder:
    (folder / "movie.mp4").write_text("large")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    tempfile.tempdir = None


def other_run() -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert SCRATCH in process.stdout.readline()
    return process


def test_a_folder_is_gone_after_success_and_after_failure(place: Path) -> None:
    with scratch_folder() as folder:
        (folder / "file").touch()
        assert folder.parent == place
    with pytest.raises(ValueError, match="broken"), scratch_folder():
        raise ValueError("broken")
    assert list(place.iterdir()) == []


def test_the_folder_of_a_killed_run_goes_with_the_next_one(place: Path) -> None:
    killed = other_run()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(list(place.iterdir())) == 1
    with scratch_folder() as folder:
        assert list(place.iterdir()) == [folder]


def test_the_folder_of_a_run_that_lives_stays(place: Path) -> None:
    other = other_run()
    sweep()
    (folder,) = place.iterdir()
    assert (folder / "movie.mp4").read_text() == "large"
    other.communicate()
    assert list(place.iterdir()) == []


def test_folders_of_others_stay(place: Path) -> None:
    (place / "dlcflow-run-of-a-person").mkdir()
    (place / "something").mkdir()
    sweep()
    assert len(list(place.iterdir())) == 2
