"""The hidden folder: what is removed from it leaves no empty folders on a disk."""

from pathlib import Path

import pytest

from tasks.output.hidden_folder import (
    hidden_location,
    remove_empty_folders,
    remove_objects,
)
from tasks.pose.results.file_names import HIDDEN_FOLDER
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore


@pytest.fixture
def output(tmp_path: Path) -> Location:
    return Location("", f"{tmp_path}/out/")


def put(location: Location) -> Path:
    location.path.parent.mkdir(parents=True, exist_ok=True)
    location.path.touch()
    return location.path


def test_a_prefix_that_is_removed_leaves_no_folders(output: Location) -> None:
    other = put(hidden_location(output, "checkpoints", "m2", "0123", "a.npz"))
    for key in ("0123", "4567"):
        put(hidden_location(output, "checkpoints", "m1", key, "a.npz"))
    assert remove_objects(LocationStore(), hidden_location(output, "checkpoints", "m1/")) == 2
    assert [path.name for path in hidden_location(output, "checkpoints/").path.iterdir()] == ["m2"]
    remove_empty_folders(hidden_location(output, "checkpoints/"))
    assert other.exists()


def test_nothing_but_empty_folders_goes(output: Location) -> None:
    put(output.child("m1.mp4"))
    hidden_location(output, "checkpoints", "m1").path.mkdir(parents=True)
    remove_empty_folders(hidden_location(output, "checkpoints/"))
    assert sorted(path.name for path in output.path.iterdir()) == [HIDDEN_FOLDER, "m1.mp4"]
    assert list(output.child(HIDDEN_FOLDER).path.iterdir()) == []
