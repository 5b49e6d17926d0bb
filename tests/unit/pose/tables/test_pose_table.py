"""DeepLabCut's table of poses, and its files."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.errors import BadInput
from tasks.pose.tables.pose_table import (
    H5_KEY,
    TRACKS_KEY,
    build_multi_animal_columns,
    build_pose_table,
    read_poses,
    write_poses,
)
from tests.support.paths import SHARED_FOLDER, needs_shared_data

PARTS = ("nose", "left ear")


def poses(frames: int = 4) -> pd.DataFrame:
    values = np.arange(frames * 6, dtype=np.float32).reshape(frames, 2, 3)
    return build_pose_table(values, "DLC_Resnet50", PARTS)


def test_poses_are_labeled_as_deeplabcut_labels_them() -> None:
    table = poses()
    assert table.columns.names == ["scorer", "bodyparts", "coords"]
    assert [tuple(label) for label in table.columns[:4]] == [
        ("DLC_Resnet50", "nose", "x"),
        ("DLC_Resnet50", "nose", "y"),
        ("DLC_Resnet50", "nose", "likelihood"),
        ("DLC_Resnet50", "left ear", "x"),
    ]
    assert table["DLC_Resnet50", "left ear", "likelihood"].tolist() == [5, 11, 17, 23]
    assert table.index.tolist() == [0, 1, 2, 3]


def test_poses_survive_a_file(tmp_path: Path) -> None:
    write_poses(poses(), tmp_path / "p.h5")
    pd.testing.assert_frame_equal(read_poses(tmp_path / "p.h5"), poses())


def test_a_file_of_poses_replaces_an_older_one(tmp_path: Path) -> None:
    write_poses(poses(9), tmp_path / "p.h5")
    write_poses(poses(2), tmp_path / "p.h5")
    assert len(read_poses(tmp_path / "p.h5")) == 2


def test_the_same_poses_make_the_same_file_at_any_time(tmp_path: Path) -> None:
    write_poses(poses(), tmp_path / "first.h5")
    time.sleep(1.1)  # HDF5 tells times in seconds
    write_poses(poses(), tmp_path / "second.h5")
    assert (tmp_path / "first.h5").read_bytes() == (tmp_path / "second.h5").read_bytes()


@needs_shared_data
def test_files_have_the_form_of_deeplabcuts_own(tmp_path: Path) -> None:
    (truth,) = (SHARED_FOLDER / "truth" / "openfield-pytorch").glob("*best-100.h5")
    theirs = read_poses(truth)
    scorer, parts = theirs.columns[0][0], tuple(dict.fromkeys(c[1] for c in theirs.columns))
    ours = build_pose_table(theirs.to_numpy().reshape(len(theirs), -1, 3), scorer, parts)
    pd.testing.assert_frame_equal(ours, theirs)
    write_poses(ours, tmp_path / "p.h5")
    for path in (truth, tmp_path / "p.h5"):
        with pd.HDFStore(str(path), "r") as store:
            assert list(store) == [f"/{H5_KEY}"]
        some = pd.read_hdf(path, key=H5_KEY, where="index < 3")  # the table format alone can that
        assert len(some) == 3


@pytest.mark.parametrize("key", [H5_KEY, TRACKS_KEY])
def test_poses_are_read_under_either_of_deeplabcuts_keys(tmp_path: Path, key: str) -> None:
    poses().to_hdf(tmp_path / "p.h5", key=key, format="table", mode="w")
    pd.testing.assert_frame_equal(read_poses(tmp_path / "p.h5"), poses())


def test_a_file_without_poses_is_refused(tmp_path: Path) -> None:
    poses().to_hdf(tmp_path / "p.h5", key="other", format="table", mode="w")
    with pytest.raises(BadInput, match=r"p\.h5: expected poses under .* found other;"):
        read_poses(tmp_path / "p.h5")


def test_several_animals_come_before_the_arena() -> None:
    columns = build_multi_animal_columns("DLC", ("one", "two"), ("nose",), ("door",))
    assert columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    assert columns[::3].droplevel("scorer").tolist() == [
        ("one", "nose", "x"),
        ("two", "nose", "x"),
        ("single", "door", "x"),
    ]


@needs_shared_data
def test_deeplabcuts_own_tracks_are_read() -> None:
    folder = SHARED_FOLDER / "truth" / "blobs-multianimal-pytorch"
    assert [len(read_poses(file)) for file in folder.glob("*.h5")] == [200, 200]
