"""Which errors are worth another try, and which the user must deal with."""

import errno
import os
import shutil
from pathlib import Path
from tempfile import gettempdir
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.states import Completed, Failed

from tasks.errors import BadInput, FullDisk, PoseError, Retriable, StageFailed
from tasks.full_disk import FEW_FREE_BYTES
from tasks.stages.retries import is_retriable
from tasks.stages.stage import to_pose_error
from tasks.stages.stage_times import time_stages


@pytest.mark.parametrize(
    ("state", "again"),
    [
        (Failed(message="x", data=Retriable("x")), True),
        (Failed(message="x", data=BadInput("x")), False),
        (Failed(message="x", data=StageFailed("x")), False),
        (Failed(message="x", data=ValueError("x")), False),
        (Failed(message="x"), False),
        (Completed(message="x", data="value"), False),
    ],
)
def test_only_the_errors_type_decides_about_another_try(state: Any, again: bool) -> None:
    task: Any = SimpleNamespace()
    assert is_retriable(task, task, state) is again


@pytest.mark.parametrize("error", [BadInput("m.mp4: empty"), Retriable("busy"), StageFailed("x")])
def test_our_own_errors_explain_themselves(error: PoseError) -> None:
    assert to_pose_error(error) is error


def test_other_errors_are_explained_in_one_line_with_their_traceback_beside_it() -> None:
    def look_up() -> None:
        raise KeyError("nose\ntail")

    with pytest.raises(KeyError) as caught:
        look_up()
    told = to_pose_error(caught.value)
    assert type(told) is StageFailed
    assert str(told) == "KeyError: 'nose\\ntail'"
    assert told.output is not None
    assert told.output.startswith("Traceback")


def full(path: object = None) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def test_a_full_disk_is_that_of_the_file_that_was_written(tmp_path: Path) -> None:
    told = to_pose_error(full(f"{tmp_path.root}data/out/labeled.mp4"))
    assert isinstance(told, FullDisk)
    assert told.folder == Path("/data/out")
    assert str(told) == (
        "/data/out/labeled.mp4 could not be written: No space left on device; make room on that "
        "disk"
    )


def test_the_scratch_folder_is_blamed_for_what_lies_there() -> None:
    told = to_pose_error(full(f"{gettempdir()}/dlcflow-run-x/m.mp4"))
    assert f"the disk of the scratch folder {gettempdir()} is full" in str(told)


def test_the_scratch_folder_is_not_blamed_while_it_has_room() -> None:
    assert shutil.disk_usage(gettempdir()).free > FEW_FREE_BYTES
    told = to_pose_error(full())
    assert type(told) is Retriable
    assert "No space left" in str(told)
    assert "scratch" not in str(told)


def test_stage_times_are_collected_by_whoever_asks() -> None:
    with time_stages() as outer, time_stages() as inner:
        inner["Fetch"] = 1.0
    assert (outer, inner) == ({}, {"Fetch": 1.0})
