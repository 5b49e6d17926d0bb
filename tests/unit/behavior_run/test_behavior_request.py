"""Behavior requests resolved on local files, and what is refused before any work."""

from pathlib import Path
from typing import Any

import pytest

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior_run.behavior_request import BehaviorRequest, resolve_behavior
from tasks.errors import BadInput
from tests.support.records import example_model, example_movie, example_output, example_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pose run of one mouse, a table of somebody else, and a movie."""
    session = tmp_path / "session7"
    session.mkdir()
    (session / "annotations.csv").write_text("x\n1\n")
    outputs = {"annotations.csv": example_output("s3://elsewhere/annotations.csv")}
    run = example_run(example_movie(), model=example_model(), outputs=outputs)
    (session / "run.json").write_text(run.to_json())
    (tmp_path / "mouse_dlc_annotations.PARQUET").write_bytes(b"x")
    (tmp_path / "movie.mp4").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(b"x")
    return tmp_path


def resolve(folder: Path, *names: str, output: str = "out", **settings: Any) -> BehaviorRequest:
    places = [f"{folder}/{name}" for name in names]
    return resolve_behavior(places, f"{folder}/{output}", BehaviorSettings(**settings))


def test_a_pose_run_is_found_by_its_record_its_folder_or_its_table(folder: Path) -> None:
    for name in ("session7/run.json", "session7/", "session7/annotations.csv", "*/annotations.csv"):
        (table,) = resolve(folder, name).tables
        assert table.name == "session7"
        assert table.info.location.name == "annotations.csv"
        assert table.pose_run is not None
        assert table.pose_run.location == f"{folder}/session7/run.json"
        assert table.pose_run.movies == {0: "s3://lab/in/mouse1.mp4"}
        assert table.individuals == ()


def test_a_table_of_anybody_has_no_pose_run(folder: Path) -> None:
    (table,) = resolve(folder, "mouse_dlc_annotations.PARQUET").tables
    assert table.name == "mouse_dlc_annotations"
    assert table.pose_run is None


def test_what_is_named_twice_counts_once(folder: Path) -> None:
    assert len(resolve(folder, "session7/", "session7/run.json").tables) == 1


def test_several_animals_are_those_of_the_model(folder: Path) -> None:
    model = example_model(individuals=("a", "b"), multi_animal=True)
    outputs = {"annotations.csv": example_output("s3://elsewhere/annotations.csv")}
    text = example_run(example_movie(), model=model, outputs=outputs).to_json()
    (folder / "session7" / "run.json").write_text(text)
    assert resolve(folder, "session7/").tables[0].individuals == ("a", "b")


@pytest.mark.parametrize(
    ("names", "chosen", "told"),
    [
        (["nothing.csv"], {}, "nothing.csv"),
        (["notes.txt"], {}, "expected run.json of a pose run, or a table"),
        ([""], {}, "there is no run.json at"),
        (["session7/"], {"output": "session7"}, "holds the results of a pose run"),
        (["session7/"], {"zones": "nowhere.csv"}, "nowhere.csv"),
        (["session7/"], {"zones": "ZONES"}, "expected a CSV with the columns"),
        (["mouse_dlc_annotations.PARQUET"], {"labeled_movie": True}, "give movies"),
        (
            ["mouse_dlc_annotations.PARQUET"],
            {"labeled_movie": True, "movies": ["notes.txt"]},
            "expected .mp4, .avi, .isxb, found notes.txt",
        ),
        (
            ["session7/", "mouse_dlc_annotations.PARQUET"],
            {"labeled_movie": True, "movies": ["movie.mp4"]},
            "they can be given for one table only",
        ),
    ],
)
def test_what_cannot_work_is_refused(
    names: list[str], chosen: dict[str, Any], told: str, folder: Path
) -> None:
    if chosen.get("zones") == "ZONES":
        chosen = chosen | {"zones": str(folder / "notes.txt")}
    with pytest.raises(BadInput, match=told):
        resolve(folder, *names, **chosen)


def test_records_that_are_none_are_refused(folder: Path) -> None:
    for text in ("{}", "[]", "no json", '{"kind": "behavior"}'):
        (folder / "session7" / "run.json").write_text(text)
        with pytest.raises(BadInput, match="record"):
            resolve(folder, "session7/run.json")


def test_movies_are_those_that_are_given(folder: Path) -> None:
    request = resolve(
        folder,
        "mouse_dlc_annotations.PARQUET",
        labeled_movie=True,
        movies=[str(folder / "movie.mp4")],
    )
    assert request.tables[0].movies[0].location.name == "movie.mp4"
