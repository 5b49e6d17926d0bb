"""Scratch folders: gone after success, failure, and, at the next run, after a kill."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tasks.run.scratch_folder import (
    SCRATCH_PREFIX,
    WORK_PREFIX,
    create_scratch_folder,
    remove_abandoned_folders,
    share_folder,
)
from tests.support.commands import start_waiting_process
from tests.support.paths import ROOT

HOLD = """
import sys
from tasks.run.scratch_folder import create_scratch_folder
with create_scratch_folder() as folder:
    (folder / "movie.mp4").write_text("large")
    print(folder, flush=True)
    sys.stdin.read()
"""

SHARE = """
import os, sys
from pathlib import Path
from tasks.run.scratch_folder import share_folder
share_folder(Path({folder!r}))
# As a run's command becomes Prefect's engine.
wait = "print('here', flush=True); import sys; sys.stdin.read()"
os.execv(sys.executable, [sys.executable, "-c", wait])
"""

KILLED_WHILE_IT_REMOVES = """
import os, signal, sys
from tasks.run.scratch_folder import create_scratch_folder
removals = []
def look(event, args):
    if event in {"os.remove", "os.rmdir"}:
        removals.append(args)
        if len(removals) == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
with create_scratch_folder() as folder:
    (folder / "0").mkdir()
    for name in ("movie.mp4", "0/movie.mp4"):
        (folder / name).touch()
    sys.addaudithook(look)
"""


def other_run() -> "subprocess.Popen[str]":
    process, told = start_waiting_process(HOLD)
    assert SCRATCH_PREFIX in told
    return process


def test_a_folder_is_gone_after_success_and_after_failure(place: Path) -> None:
    with create_scratch_folder() as folder:
        (folder / "file").touch()
        assert folder.parent == place
    with pytest.raises(ValueError, match="broken"), create_scratch_folder():
        raise ValueError("broken")
    assert list(place.iterdir()) == []


def test_the_folder_of_a_killed_run_goes_with_the_next_one(place: Path) -> None:
    killed = other_run()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(list(place.iterdir())) == 1
    with create_scratch_folder() as folder:
        assert list(place.iterdir()) == [folder]


def test_the_folder_of_a_run_that_lives_stays(place: Path) -> None:
    other = other_run()
    remove_abandoned_folders()
    (folder,) = place.iterdir()
    assert (folder / "movie.mp4").read_text() == "large"
    other.communicate()
    assert list(place.iterdir()) == []


def test_a_folder_stays_while_a_run_is_in_it_whose_worker_was_killed(place: Path) -> None:
    worker = other_run()
    (folder,) = place.iterdir()
    run, _ = start_waiting_process(SHARE.format(folder=str(folder)))
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    remove_abandoned_folders()
    assert (folder / "movie.mp4").exists()
    run.communicate()
    remove_abandoned_folders()
    assert list(place.iterdir()) == []


def test_folders_that_runs_begin_in_go_too(place: Path) -> None:
    share_folder(place)  # nobody's scratch folder
    with create_scratch_folder(WORK_PREFIX) as folder:
        remove_abandoned_folders()
        assert folder.name.startswith(WORK_PREFIX)
    abandoned = place / f"{WORK_PREFIX}12345678"
    abandoned.mkdir()
    (abandoned / ".held").touch()
    remove_abandoned_folders()
    assert list(place.iterdir()) == []


def test_folders_of_others_stay(place: Path) -> None:
    for name in ("dlcflow-run-of-a-person", "something"):
        (place / name).mkdir()
        os.utime(place / name, (0, 0))
    remove_abandoned_folders()
    assert len(list(place.iterdir())) == 2


def test_what_a_run_left_that_was_killed_before_it_had_its_mark_goes_in_the_end(
    place: Path,
) -> None:
    unmarked = [Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX)) for _ in range(3)]
    for folder in unmarked:
        (folder / ".held.new").touch()
    for path in (unmarked[0] / ".held.new", unmarked[0], unmarked[1]):
        os.utime(path, (0, 0))
    remove_abandoned_folders()
    assert set(place.iterdir()) == set(unmarked[1:])


@pytest.mark.parametrize("step", [1, 2, 3])
def test_what_is_left_by_a_kill_during_the_removal_goes_with_the_next_run(
    place: Path, step: int
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_IT_REMOVES, str(step)], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(list(place.iterdir())) == 1
    remove_abandoned_folders()
    assert list(place.iterdir()) == []
