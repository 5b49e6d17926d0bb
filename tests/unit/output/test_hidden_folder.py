"""The hidden folder: what is removed from it leaves no empty folders on a disk."""

from pathlib import Path

import pytest

from tasks.output.hidden_folder import HIDDEN, hidden, remove_empty, removed
from tasks.storage.location import Location


@pytest.fixture
def output(tmp_path: Path) -> Location:
    return Location("", f"{tmp_path}/out/")


def put(location: Location) -> Path:
    location.path.parent.mkdir(parents=True, exist_ok=True)
    location.path.touch()
    return location.path


def test_a_prefix_that_is_removed_leaves_no_folders(output: Location) -> None:
    other = put(hidden(output, "checkpoints", "m2", "0123", "a.npz"))
    for key in ("0123", "4567"):
        put(hidden(output, "checkpoints", "m1", key, "a.npz"))
    assert removed(hidden(output, "checkpoints", "m1/")) == 2
    assert [path.name for path in hidden(output, "checkpoints/").path.iterdir()] == ["m2"]
    remove_empty(hidden(output, "checkpoints/"))
    assert other.exists()


def test_nothing_but_empty_folders_goes(output: Location) -> None:
    put(output.child("m1.mp4"))
    hidden(output, "checkpoints", "m1").path.mkdir(parents=True)
    remove_empty(hidden(output, "checkpoints/"))
    assert sorted(path.name for path in output.path.iterdir()) == [HIDDEN, "m1.mp4"]
    assert list(output.child(HIDDEN).path.iterdir()) == []
