"""What is written down of an estimation, and how much of it can be read again."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import BadInput
from tasks.pose.network.checkpoint_files import (
    CheckpointWriter,
    count_frames_in_row,
    is_checkpoint,
    read_checkpoints,
)

RANDOM = np.random.default_rng(3)


def poses(frames: int) -> Any:
    return RANDOM.random((frames, 2, 3)).astype(np.float32)


def named(frames: int) -> Any:
    return {"bodyparts": poses(frames), "identity_scores": RANDOM.random((frames, 2, 4))}


def joined(found: Any, name: str | None) -> Any:
    return np.concatenate([one if name is None else one[name] for _, one in found])


@pytest.mark.parametrize("make", [poses, named])
def test_come_back_bit_for_bit(make: Any, tmp_path: Path) -> None:
    kept = CheckpointWriter(tmp_path, 4)
    batches = [(4, make(4)), (4, make(4)), (2, make(2))]
    kept.add_batch(batches[0])
    kept.write()
    for batch in batches[1:]:
        kept.add_batch(batch)
    kept.write()
    kept.write()  # nothing has come since
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "000000000-000000004-4-cpu.npz",
        "000000004-000000010-4-cpu.npz",
    ]
    past = read_checkpoints(tmp_path, "cpu")
    assert (past.frames, past.batch_size) == (10, 4)
    for name in (None,) if make is poses else ("bodyparts", "identity_scores"):
        found, expected = joined(past.found, name), joined(batches, name)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


def test_are_written_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    kept = CheckpointWriter(tmp_path, 2, _written=0.0)
    for second in range(50):
        now[0] = float(second)
        kept.add_batch((2, poses(2)))
    assert kept.frames == 2 * 41  # after 20 and 40 seconds
    assert len(list(tmp_path.iterdir())) == 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of four frames each."""
    kept = CheckpointWriter(tmp_path, 4)
    for _ in range(3):
        kept.add_batch((4, poses(4)))
        kept.write()
    return tmp_path


def test_end_at_a_gap(folder: Path) -> None:
    (folder / "000000004-000000008-4-cpu.npz").unlink()
    assert read_checkpoints(folder, "cpu").frames == 4
    (folder / "000000000-000000004-4-cpu.npz").unlink()
    assert read_checkpoints(folder, "cpu").frames == 0


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_end_at_a_damaged_file(folder: Path, content: bytes) -> None:
    (folder / "000000008-000000012-4-cpu.npz").write_bytes(content)
    assert read_checkpoints(folder, "cpu").frames == 8


def test_end_where_a_file_holds_other_than_its_name_says(folder: Path) -> None:
    (folder / "000000008-000000012-4-cpu.npz").rename(folder / "000000008-000000099-4-cpu.npz")
    assert read_checkpoints(folder, "cpu").frames == 8


def test_of_other_batches_are_not_mixed(folder: Path) -> None:
    (folder / "000000004-000000008-4-cpu.npz").rename(folder / "000000004-000000008-2-cpu.npz")
    assert (read_checkpoints(folder, "cpu").frames, read_checkpoints(folder, "cpu").batch_size) == (
        4,
        4,
    )


def test_of_another_kind_of_device_are_not_taken(folder: Path) -> None:
    assert read_checkpoints(folder, "cuda").frames == 0


@pytest.mark.parametrize("text", ["soon", "5 s"])
def test_the_pace_is_a_number(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLCFLOW_CHECKPOINT_SECONDS", text)
    with pytest.raises(BadInput, match="DLCFLOW_CHECKPOINT_SECONDS: expected seconds"):
        CheckpointWriter(folder, 4).add_batch((4, poses(4)))


def test_what_holds_objects_is_not_read(folder: Path) -> None:
    np.savez(folder / "000000008-000000012-4-cpu.npz", poses=np.array([{}] * 4, dtype=object))
    assert read_checkpoints(folder, "cpu").frames == 8


def test_other_files_are_none(folder: Path) -> None:
    (folder / "estimate.zip").touch()
    (folder / "000000012-000000016-4.partial").touch()
    assert read_checkpoints(folder, "cpu").frames == 12
    assert is_checkpoint("000000012-000000016-4-cpu.npz")
    assert not is_checkpoint("../000000012-000000016-4-cpu.npz")


def test_without_a_folder_nothing_is_written() -> None:
    kept = CheckpointWriter(None, 4)
    kept.add_batch((4, poses(4)))
    kept.write()
    assert kept.frames == 0


@pytest.mark.parametrize(
    ("names", "frames"),
    [
        ([], 0),
        (["000000000-000000004-4-cpu.npz", "000000004-000000010-4-cpu.npz"], 10),
        (["000000004-000000010-4-cpu.npz", "000000000-000000004-4-cpu.npz"], 10),
        (["000000004-000000010-4-cpu.npz"], 0),
        (["000000000-000000004-4-cpu.npz", "000000008-000000010-4-cpu.npz"], 4),
        (["000000000-000000004-4-cpu.npz", "000000000-000000008-4-cpu.npz"], 8),
        (["000000000-000000004-4-cpu.npz", "000000004-000000010-8-cuda.npz"], 4),
        (["000000000-000000004-4-cpu.partial", "notes.txt"], 0),
    ],
)
def test_names_tell_how_many_frames_from_the_first_on_are_known(
    names: list[str], frames: int
) -> None:
    assert count_frames_in_row(names) == frames
