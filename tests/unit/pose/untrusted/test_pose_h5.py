"""Pose files of unknown origin are read as pandas reads them, and run no code."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tasks.errors import BadInput
from tasks.pose.tables.keypoints import Keypoints
from tasks.pose.tables.pose_table import write_poses
from tasks.pose.untrusted.pose_h5 import read_untrusted_poses
from tests.support.pose_tables import SINGLE_ANIMAL, TWO_ANIMALS, make_scattered_poses

TABLE = "df_with_missing/table"
KIND = "values_block_0_kind"


@pytest.fixture
def poses(tmp_path: Path) -> Path:
    write_poses(make_scattered_poses(SINGLE_ANIMAL), tmp_path / "poses.h5")
    return tmp_path / "poses.h5"


@pytest.mark.parametrize("animals", [SINGLE_ANIMAL, TWO_ANIMALS, {"мышь": ("nez é",)}])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_poses_are_those_that_were_written(
    tmp_path: Path, animals: dict[str, tuple[str, ...]], dtype: str
) -> None:
    table = make_scattered_poses(animals, dtype=dtype)
    write_poses(table, tmp_path / "m.h5")
    found, expected = read_untrusted_poses(tmp_path / "m.h5").keypoints, Keypoints(table)
    assert found.keypoint_names == expected.keypoint_names
    assert (found.parts, found.individuals) == (expected.parts, expected.individuals)
    assert found.xy.dtype == dtype
    np.testing.assert_array_equal(found.xy, expected.xy)
    np.testing.assert_array_equal(found.likelihood, expected.likelihood)


class _Harm:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def test_no_pickle_in_it_runs_code(poses: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    harm = pickle.dumps(_Harm(marker), 0)
    with h5py.File(poses, "a") as file:
        for attributes in (file["df_with_missing"].attrs, file[TABLE].attrs):
            for name in list(attributes):
                if name != KIND and attributes[name] is not None:
                    attributes[name] = np.bytes_(harm)
    assert len(read_untrusted_poses(poses).keypoints) == 16
    with h5py.File(poses, "a") as file:
        file[TABLE].attrs[KIND] = np.bytes_(harm)
    with pytest.raises(BadInput, match="mkdir"):
        read_untrusted_poses(poses)
    assert not marker.exists()


def _set_kind(value: Any) -> Any:
    def change(file: h5py.File) -> None:
        file[TABLE].attrs[KIND] = np.bytes_(pickle.dumps(value, 0))

    return change


def _link_elsewhere(file: h5py.File) -> None:
    del file[TABLE]
    file[TABLE] = h5py.ExternalLink("other.h5", TABLE)


def _store_elsewhere(file: h5py.File) -> None:
    kind = file[TABLE].dtype
    del file[TABLE]
    other = [(str(Path(file.filename).with_name("other.h5")), 0, 16 * kind.itemsize)]
    file.create_dataset(TABLE, (16,), kind, external=other)


def _declare_more(file: h5py.File) -> None:
    kind = file[TABLE].dtype
    attributes = dict(file[TABLE].attrs)
    del file[TABLE]
    table = file.create_dataset(TABLE, (10**12,), kind, chunks=(100,))
    table.attrs.update({KIND: attributes[KIND]})


def _remove(file: h5py.File) -> None:
    del file["df_with_missing"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_remove, id="no poses"),
        pytest.param(_link_elsewhere, id="a link to another file"),
        pytest.param(_store_elsewhere, id="numbers in another file"),
        pytest.param(_declare_more, id="more rows than there are"),
        pytest.param(_set_kind([]), id="no columns"),
        pytest.param(_set_kind("text"), id="no list of columns"),
        pytest.param(_set_kind([("s", "nose", "x")] * 9), id="columns of x alone"),
        pytest.param(
            _set_kind([("s", "nose", c) for c in ("x", "y", "likelihood")]), id="too few names"
        ),
        pytest.param(_set_kind([("s", 1, "x")]), id="names that are no text"),
        pytest.param(lambda file: file[TABLE].attrs.pop(KIND), id="no names"),
    ],
)
def test_other_files_are_refused(poses: Path, change: Any) -> None:
    shutil.copy(poses, poses.with_name("other.h5"))
    with h5py.File(poses, "a") as file:
        change(file)
    with pytest.raises(BadInput, match=r"poses\.h5: expected a movie's poses") as caught:
        read_untrusted_poses(poses)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n" + b"\0" * 500, b"no HDF5 at all"])
def test_what_is_no_hdf5_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.h5").write_bytes(content)
    with pytest.raises(BadInput, match="expected a movie's poses"):
        read_untrusted_poses(tmp_path / "m.h5")
