"""The terminal shows what a scientist asks about; the log file has all of it."""

import logging
from pathlib import Path

import pytest

from tasks.command_line.run_log import KEPT_LOGS, log_run, shorten_record


@pytest.mark.parametrize(
    ("stage", "message", "line"),
    [
        (
            "check model · m.zip",
            "Finished in state Completed('dlc, 5 body parts')",
            "model: dlc, 5 body parts",
        ),
        ("check · m1", "Finished in state Completed('h264, 640×480')", "m1: h264, 640×480"),
        (
            "movie · the lab's",
            'Finished in state Completed("pass: it\'s fine")',
            "the lab's: pass: it's fine",
        ),
        ("movie · m1", "Beginning task run", ""),
        ("keep poses · m1", "Finished in state Completed('3 bytes')", ""),
        ("", "Finished in state Completed('1 movie')", ""),
    ],
)
def test_a_record_is_shortened_for_people(stage: str, message: str, line: str) -> None:
    assert shorten_record(stage, message) == line


@pytest.mark.parametrize("is_verbose", [False, True])
def test_the_file_has_every_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_verbose: bool,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    # Where another test has loaded Prefect, this one would send its lines to a server.
    monkeypatch.setattr(logging.getLogger("prefect.task_runs"), "handlers", [])
    log = logging.getLogger("prefect.task_runs.test")
    log.setLevel(logging.INFO)
    with log_run(is_verbose=is_verbose) as file:
        log.info("Beginning", extra={"task_run_name": "movie · m1"})
        log.info("Finished in state Completed('pass')", extra={"task_run_name": "movie · m1"})
    assert file is not None
    assert [line.partition(" - ")[2] for line in file.read_text().splitlines()] == [
        "Beginning",
        "Finished in state Completed('pass')",
    ]
    assert ("m1: pass\n" in capsys.readouterr().err) is not is_verbose


def test_old_log_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "dlcflow"
    folder.mkdir()
    for number in range(KEPT_LOGS + 5):
        (folder / f"20200101-000000-{number:03}.log").touch()
    with log_run(is_verbose=True) as file:
        pass
    left = sorted(folder.iterdir())
    assert len(left) == KEPT_LOGS
    assert left[-1] == file
    assert left[0].name == "20200101-000000-006.log"


def test_where_no_home_can_be_written_the_file_is_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with log_run(is_verbose=True) as file:
        assert file is not None
        assert file.parent == tmp_path
