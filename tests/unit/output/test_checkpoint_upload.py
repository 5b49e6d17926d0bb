"""An estimation's checkpoints in the store: asked for and cleared away only where there are any."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from tasks.output import checkpoint_upload
from tasks.output.checkpoint_upload import CheckpointStore
from tasks.output.kept_progress import KeptProgress
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectStore
from tests.support.waiting import wait_for

NAME = "000000000-000000008-8-poses.npz"


@pytest.fixture
def everything(tmp_path: Path) -> Location:
    return Location("", f"{tmp_path}/out/.dlcflow/checkpoints/m1/")


def of(
    everything: Location, folder: Path, *, is_empty: bool, store: ObjectStore | None = None
) -> CheckpointStore:
    own = everything.child("0123/")
    return CheckpointStore(store or LocationStore(), folder, everything, own, is_empty=is_empty)


def kept(everything: Location) -> list[str]:
    return sorted(path.name for path in everything.path.rglob("*.npz"))


def test_what_is_there_is_brought_and_cleared_away(everything: Location, tmp_path: Path) -> None:
    for key in ("0123", "4567"):
        path = everything.child(key, NAME).path
        path.parent.mkdir(parents=True)
        path.write_bytes(b"poses")
    store = of(everything, tmp_path / "scratch", is_empty=False)
    with store.sync_with_store() as folder:
        assert (folder / NAME).read_bytes() == b"poses"
    store.remove()
    assert kept(everything) == []


def test_of_what_is_known_to_be_absent_nothing_is_asked(
    everything: Location, tmp_path: Path
) -> None:
    asked = Mock(spec=LocationStore)
    store = of(everything, tmp_path / "scratch", is_empty=True, store=asked)
    with store.sync_with_store() as folder:
        assert list(folder.iterdir()) == []
    store.remove()
    assert asked.mock_calls == []
    assert not store.folder.exists()


def test_what_was_sent_meanwhile_is_cleared_away(
    everything: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_upload, "UPLOAD_INTERVAL", 0.01)
    store = of(everything, tmp_path / "scratch", is_empty=True)
    progress = KeptProgress(total=1)
    monkeypatch.setattr(checkpoint_upload, "kept_progress", progress)
    with store.sync_with_store() as folder:
        (folder / NAME).write_bytes(b"poses")
        wait_for(lambda: kept(everything))
        wait_for(lambda: "to go on from frame 8" in progress.describe_continuation())
    store.remove()
    assert kept(everything) == []
