"""`make up`, `make drop`, `make down` and `make reset`, apart from starting the service."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.background import (
    SETTINGS_FILE,
    STATE_FILE,
    ServiceParts,
    read_settings,
    read_start_mark,
    write_settings,
)
from deployments.drop import read_movies
from deployments.service_outline import describe_service
from deployments.up import main
from tasks.environment_variables import INBOX
from tasks.inbox.standing import InboxRun
from tests.support.paths import DEMO_MOVIE

AWKWARD = 'it\'s a "key" of $HOME `x`\nand = more'


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield child
    child.kill()
    child.wait()


def note(folder: Path, name: str, pid: int, mark: str | None) -> None:
    (folder / STATE_FILE).write_text(json.dumps({name: {"pid": pid, "born": mark, "url": ""}}))


def call(folder: Path, word: str, *movies: object) -> int:
    return main([word, *map(str, movies), "--folder", str(folder)])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it says that a service is up, whose inbox is a folder."""
    monkeypatch.setenv(INBOX.name, "")
    is_up(tmp_path, {INBOX.name: f"{tmp_path}/in box"})
    shutil.copy(DEMO_MOVIE, tmp_path / "m1.mp4")
    return tmp_path


def is_up(folder: Path, environment: dict[str, str]) -> None:
    note(folder, "server", os.getpid(), "another-boot 1")
    write_settings(ServiceParts(folder, environment))


def test_down_ends_what_up_started(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]", capsys: pytest.CaptureFixture[str]
) -> None:
    note(tmp_path, "store", sleeper.pid, read_start_mark(sleeper.pid))
    assert call(tmp_path, "down") == 0
    assert "ending store" in capsys.readouterr().out
    with pytest.raises(ProcessLookupError):
        os.kill(sleeper.pid, 0)
    assert not (tmp_path / STATE_FILE).exists()


@pytest.mark.parametrize("mark", [None, "another-boot 1"])
def test_down_leaves_a_stranger_who_has_its_number(
    tmp_path: Path,
    sleeper: "subprocess.Popen[bytes]",
    capsys: pytest.CaptureFixture[str],
    mark: str | None,
) -> None:
    note(tmp_path, "store", sleeper.pid, mark)
    assert call(tmp_path, "down") == 0
    assert "store has ended already" in capsys.readouterr().out
    assert sleeper.poll() is None
    assert not (tmp_path / STATE_FILE).exists()


def test_processes_are_told_apart(sleeper: "subprocess.Popen[bytes]") -> None:
    mark = read_start_mark(sleeper.pid)
    assert mark is not None
    assert mark == read_start_mark(sleeper.pid) != read_start_mark(os.getpid())
    sleeper.kill()
    sleeper.wait()
    assert read_start_mark(sleeper.pid) is None


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    given = {"PREFECT_API_URL": "http://a", "AWS_SECRET_ACCESS_KEY": AWKWARD}
    write_settings(ServiceParts(tmp_path, given | {"MY_AWS_KEY": "no", "HOME": "/"}))
    assert read_settings(tmp_path) == given
    assert (tmp_path / SETTINGS_FILE).stat().st_mode & 0o777 == 0o600
    tell = f"{sys.executable} -c 'import os; print(os.environ[\"AWS_SECRET_ACCESS_KEY\"])'"
    shell = subprocess.check_output(
        ["sh", "-c", f". {tmp_path / SETTINGS_FILE}; {tell}"], text=True
    )
    assert shell == f"{AWKWARD}\n"


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (InboxRun("7", "RUNNING", ""), "its run is running, and no other one starts"),
        (
            InboxRun("7", "COMPLETED", "1 movie, 1 pass"),
            "its run has completed (1 movie, 1 pass), and no other one starts",
        ),
        (
            InboxRun("7", "FAILED", "no frame decodes"),
            "its run has failed (no frame decodes), and no other one starts",
        ),
        (None, "its run has not been started yet: the inbox's page says what it waits for"),
    ],
)
def test_a_movie_is_dropped_into_the_inbox(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    run: InboxRun | None,
    told: str,
) -> None:
    assert call(folder, "drop", folder / "m1.mp4") == 0
    assert (folder / "in box" / "m1.mp4").read_bytes() == DEMO_MOVIE.read_bytes()
    assert f"{folder}/in box/m1.mp4; its run appears" in capsys.readouterr().out
    monkeypatch.setattr("tasks.inbox.start_runs.find_movie_run", lambda _location: run)
    assert call(folder, "drop", folder / "m1.mp4") == 0
    assert capsys.readouterr().out == (
        f"{folder}/in box/m1.mp4 is in the inbox already, unchanged; {told}\n"
    )


def test_a_movie_that_cannot_be_analyzed_is_not_dropped_and_the_others_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "m2.mov").write_bytes(b"x")
    (folder / "m3.mp4").touch()
    assert call(folder, "drop", *(folder / f"m{n}" for n in ("2.mov", "3.mp4", "1.mp4"))) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == (
        "error: m2.mov: expected a movie whose name ends in .mp4, .avi, .isxb, found .mov; "
        "ffmpeg -i m2.mov -c copy m2.mp4, and drop that file"
    )
    assert said[1].startswith("error: m3.mp4: the file is empty (0 bytes)")
    assert "m1.mp4; its run appears" in said[2]
    assert [path.name for path in (folder / "in box").iterdir()] == ["m1.mp4"]


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("", []),
        ("a.mp4", ["a.mp4"]),
        ("a.mp4 'b c.mp4'", ["a.mp4", "b c.mp4"]),
        ("here it is.mp4", ["here it is.mp4"]),
        ("the lab's.mp4", ["the lab's.mp4"]),
    ],
)
def test_names_are_read_as_they_were_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, names: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here it is.mp4").touch()
    assert read_movies(typed) == [Path(name) for name in names]


@pytest.mark.parametrize(
    ("inbox", "movies", "told"),
    [
        (None, ["m1.mp4"], "there is no inbox; `make down`, then `DLCFLOW_INBOX="),
        ("s3://lab/inbox/", [], "no movie is named; `make drop MOVIE="),
        ("s3://lab/inbox/", ["m1.mp4", "gone.mp4"], "there is no file "),
        ("s3:lab", ["m1.mp4"], "s3:lab"),
    ],
)
def test_what_cannot_be_dropped_is_told_in_a_sentence(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    inbox: str | None,
    movies: list[str],
    told: str,
) -> None:
    is_up(folder, {INBOX.name: inbox} if inbox else {})
    assert call(folder, "drop", *(folder / movie for movie in movies)) == 1
    said = capsys.readouterr().out
    assert said.startswith("error: ")
    assert told in said
    assert said.count("\n") == 1


def test_nothing_is_dropped_when_nothing_is_up(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder, "down") == 0
    assert call(folder, "drop", folder / "m1.mp4") == 1
    assert capsys.readouterr().out.endswith("error: nothing is up; `make up` first\n")


@pytest.mark.parametrize(
    ("inbox", "told"),
    [(None, "none, runs start from the form only (DLCFLOW_INBOX="), ("s3://l/i/", "s3://l/i/ (")],
)
def test_up_says_where_the_inbox_and_the_logs_are(
    tmp_path: Path, inbox: str | None, told: str
) -> None:
    environment = {"PREFECT_UI_URL": "http://ui"} | ({INBOX.name: inbox} if inbox else {})
    said = describe_service(ServiceParts(tmp_path, environment), embedded=False)
    assert f"inbox           {told}" in said
    assert "worker.log" in said


def test_reset_asks_before_it_removes_anything(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert call(folder, "reset") == 1
    assert (folder / "m1.mp4").exists()
    assert "nothing was removed" in capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert call(folder, "reset") == 0
    assert not folder.exists()
    assert call(folder, "reset") == 0
    assert "nothing is kept" in capsys.readouterr().out


def test_up_refuses_to_join_parts_that_use_another_store(
    tmp_path: Path,
    sleeper: "subprocess.Popen[bytes]",
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    note(tmp_path, "server", sleeper.pid, read_start_mark(sleeper.pid))
    write_settings(ServiceParts(tmp_path, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4201"}))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.lab")
    assert call(tmp_path, "up") == 1
    said = capsys.readouterr().out
    assert said.startswith("error: the service is up with other settings (AWS_ENDPOINT_URL")
    assert sleeper.poll() is None
