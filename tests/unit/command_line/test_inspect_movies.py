"""`inspect --movie`: what is printed, where sheets go, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.__main__ import main
from tasks.command_line.inspect_movies import SheetChoice
from tasks.errors import BadInput
from tests.support.movie_files import write_movie


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two movies and one that is none, and an empty present folder."""
    (tmp_path / "in").mkdir()
    (tmp_path / "here").mkdir()
    write_movie(tmp_path / "in" / "GX010001.MP4", 3)
    write_movie(tmp_path / "in" / "GX020001.MP4", 4)
    (tmp_path / "in" / "GX010002.MP4").write_text("notes")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_movies_are_told_one_after_the_other_and_the_worst_counts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "--movie", f"{folder}/in/"]) == 2
    told = capsys.readouterr()
    firsts = [line for line in told.out.splitlines() if line.endswith("be used")]
    assert firsts == [
        "GX010001.MP4 can be used",
        "GX020001.MP4 can be used",
        "GX010002.MP4 cannot be used",
    ]
    assert "2 of 3 movies can be used, with 7 frames" in told.out
    assert "order: by name, with the chapters of each recording together (GoPro)" in told.out
    (error,) = told.err.splitlines()
    assert error.startswith("error: GX010002.MP4: expected an MP4 or AVI movie")
    assert {path.name for path in Path.cwd().iterdir()} == {
        "GX010001-sheet.png",
        "GX020001-sheet.png",
    }


def test_programs_get_one_object(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    movie = f"{folder}/in/GX010001.MP4"
    words = ["inspect", "--movie", movie, "--json", "--decode", "--no-sheet"]
    assert main(words) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert (found["usable"], told.err) == (True, "")
    (facts,) = found["movies"]
    assert (facts["location"], facts["frames"], facts["decoded"]) == (movie, 3, True)
    assert list(Path.cwd().iterdir()) == []


def inspect_times(
    movie: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, dict[str, Any]]:
    status = main(["inspect", "--movie", str(movie), "--json", "--no-sheet", *words])
    (facts,) = json.loads(capsys.readouterr().out)["movies"]
    return status, facts


def test_a_times_file_is_found_and_matched_as_in_a_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    movie = folder / "in" / "GX020001.MP4"
    times = movie.with_name("GX020001_times.csv")
    times.write_text("Time (ms),n\n1000,a\n1033,b\n1067,c\n")
    status, facts = inspect_times(movie, capsys)
    assert (status, facts["times_file"]) == (0, str(times))
    found = facts["times"]
    assert (found["unit"], found["unit_known_by"]) == ("ms", "the file")
    assert (found["origin"], found["count"]) == ("the times file's own zero", 3)
    assert (found["first"], found["frames_without_time"]) == (1.0, [[3, 3]])
    (warning,) = facts["warnings"]
    assert "has 3 times for 4 frames; frames without a time: 3;" in warning
    assert main(["inspect", "--movie", str(movie), "--no-sheet"]) == 0
    rows = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "times file  GX020001_times.csv: 3 times (text, Time (ms))" in rows
    assert "no time     frames 3" in rows


def test_a_times_file_is_named_as_for_a_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    movie = folder / "in" / "GX010001.MP4"
    movie.with_name("cam_GX010001.txt").write_text("7 0.5\n8 0.6\n9 0.7\n")
    named = ("--times", "file=cam_{stem}.txt", "column=2")
    status, facts = inspect_times(movie, capsys, *named, "unit=s")
    assert (status, facts["times"]["first"], facts["times"]["unit"]) == (0, 0.5, "s")
    assert inspect_times(movie, capsys)[1]["times_file"] is None
    status, facts = inspect_times(movie, capsys, "--times", "file={stem}.npy")
    assert (status, facts["usable"]) == (2, False)
    assert "expected GX010001.npy beside" in facts["problems"][0]
    assert main(["inspect", "--movie", str(movie), "--times", "colunm=2"]) == 2
    assert "--times (colunm): there is no such setting" in capsys.readouterr().err


def test_a_times_file_that_cannot_be_used_is_warned_of_and_refused_where_it_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    movie = folder / "in" / "GX010001.MP4"
    movie.with_name("GX010001_times.csv").write_text("t\n3\n2\n1\n")
    status, facts = inspect_times(movie, capsys)
    assert (status, facts["usable"], facts["times"]) == (0, True, None)
    assert facts["warnings"][0].startswith("its times file is not used: GX010001_times.csv: ")
    status, facts = inspect_times(movie, capsys, "--times", "file={stem}_times.csv")
    assert (status, facts["usable"]) == (2, False)
    assert facts["problems"][0].startswith("times: GX010001_times.csv: ")


@pytest.mark.parametrize("words", [["nowhere/"], ["GX010001.MP4", "nothing.mp4"], ["../here/"]])
def test_what_names_no_movie_ends_with_2(
    folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", "--movie", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1


def test_sheets_go_where_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = SheetChoice().place_all(["m", "n", "M"])
    assert place == [tmp_path / name for name in ("m-sheet.png", "n-sheet.png", "M-2-sheet.png")]
    assert SheetChoice().place_all(["a\x1b[1m"]) == [tmp_path / "a_[1m-sheet.png"]
    folder = tmp_path / "sheets"
    assert SheetChoice(folder).place_all(["m"]) == [folder / "m-sheet.png"]
    assert folder.is_dir()
    assert SheetChoice(tmp_path / "a.svg").place_all(["m"]) == [tmp_path / "a.svg"]
    assert SheetChoice(is_wanted=False).place_all(["m", "n"]) == [None, None]
    with pytest.raises(BadInput, match="expected a folder for the sheets of 2 movies"):
        SheetChoice(tmp_path / "a.png").place_all(["m", "n"])


def test_a_folder_that_cannot_be_written_to_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # root may write everywhere
    assert main(["inspect", "--movie", f"{folder}/in/GX010001.MP4"]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: --sheet: nothing can be written to ")
