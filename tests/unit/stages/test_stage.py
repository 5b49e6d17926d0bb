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

from tasks.errors import BadInput, PoseError, Retriable, StageFailed
from tasks.processes.full_disk import FEW_FREE_BYTES
from tasks.stages.stage import is_retriable, to_pose_error
from tasks.stages.stage_times import time_stages
from tasks.storage.user_errors import convert_store_errors


def turned(error: BaseException) -> PoseError:
    with pytest.raises(PoseError) as caught, convert_store_errors():
        raise error
    assert caught.value.__cause__ is error
    return caught.value


def system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("the store cannot be reached"),
        ConnectionResetError("the connection broke"),
        BrokenPipeError("the connection broke"),
        TimeoutError("the store did not answer in time"),
        system(errno.ECONNREFUSED),
        system(errno.ETIMEDOUT),
        system(errno.ENOSPC),
        system(errno.ESTALE),
        system(errno.EIO),
        system(errno.EMFILE),
        system(errno.EDQUOT),
        OSError("something that nobody foresaw"),
    ],
)
def test_what_the_store_or_the_disk_may_allow_later_is_worth_another_try(error: OSError) -> None:
    assert type(turned(error)) is Retriable


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("s3://lab/m.mp4: there is no such object"),
        PermissionError("s3://lab: access denied"),
        IsADirectoryError("/data: expected a file, found a folder"),
        NotADirectoryError("/data/m.zip/x: expected a folder"),
        ValueError("ftp://x: found the scheme 'ftp:'"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        system(errno.ENOENT),
        system(errno.EACCES),
        system(errno.EROFS),
        system(errno.ENAMETOOLONG),
        system(errno.EFBIG),
    ],
)
def test_what_the_request_must_change_is_never_tried_again(error: Exception) -> None:
    assert type(turned(error)) is BadInput


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError("s3://lab/m.mp4: no such object"), "s3://lab/m.mp4: no such object"),
        (OSError(errno.ENOSPC, "/scratch: 5 bytes are needed"), "/scratch: 5 bytes are needed"),
        (ConnectionError("try again later"), "try again later"),
        (ValueError("no location"), "no location"),
    ],
)
def test_messages_stay_as_the_store_wrote_them(error: Exception, message: str) -> None:
    assert str(turned(error)) == message


def test_a_file_that_the_system_names_is_named() -> None:
    assert "/data/m.mp4" in str(turned(FileNotFoundError(2, "No such file", "/data/m.mp4")))


@pytest.mark.parametrize(
    "error", [BadInput("x"), Retriable("x"), KeyError("x"), KeyboardInterrupt()]
)
def test_other_errors_pass_as_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, convert_store_errors():
        raise error
    assert caught.value is error


def test_nothing_happens_where_nothing_fails() -> None:
    with convert_store_errors():
        pass


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
    assert type(told) is Retriable
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
