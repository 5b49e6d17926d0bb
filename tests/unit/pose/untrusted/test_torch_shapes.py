"""Tensors of a snapshot are told by name and shape, without loading them."""

import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.pose.untrusted.torch_shapes import Shapes, read_weight_shapes
from tests.support.hostile_weights import build_oversized_tensor
from tests.support.model_zips import pack_weights
from tests.support.paths import DEMO_MODEL, SHARED_FOLDER, needs_shared_data


def shapes_of(folder: Path, data: bytes) -> Shapes:
    path = folder / "snapshot-1.pt"
    path.write_bytes(data)
    return read_weight_shapes(path, "train/snapshot-1.pt")


def snapshot_in(archive: Path) -> bytes:
    with zipfile.ZipFile(archive) as files:
        (name,) = [name for name in files.namelist() if name.endswith(".pt")]
        return files.read(name)


def test_the_tensors_of_the_demo_model_are_told_in_order(tmp_path: Path) -> None:
    shapes = shapes_of(tmp_path, snapshot_in(DEMO_MODEL))
    names = list(shapes)
    assert names[0].startswith("backbone.")
    assert names[-1] == "heads.bodypart.locref_head.deconv_layers.0.bias"
    assert shapes["backbone.model.bn1.num_batches_tracked"] == ()


@needs_shared_data
def test_the_shapes_are_those_that_were_saved(tmp_path: Path) -> None:
    archive = SHARED_FOLDER / "models" / "openfield-pytorch.zip"
    shapes = shapes_of(tmp_path, snapshot_in(archive))
    assert shapes["heads.bodypart.heatmap_head.deconv_layers.0.weight"] == (512, 4, 3, 3)
    assert shapes["heads.bodypart.heatmap_head.deconv_layers.0.bias"] == (4,)


def test_the_old_format_is_read_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "new", "w") as archive:
        archive.writestr("x", build_oversized_tensor(4, 4))
    member = zipfile.ZipFile(tmp_path / "new").read("x")
    path = tmp_path / "new.pt"
    path.write_bytes(member)
    with zipfile.ZipFile(path) as files:
        body = files.read("snapshot/data.pkl")
    header = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    old = b"".join(pickle.dumps(value, 2) for value in header) + body + pickle.dumps(["0"], 2)
    assert shapes_of(tmp_path, old) == {"w": (4,)}


@pytest.mark.parametrize("value", [{}, [], {"model": {}}, {"model": OrderedDict(a=1)}, {"a": {}}])
def test_what_holds_no_tensors_has_no_shapes(tmp_path: Path, value: Any) -> None:
    assert shapes_of(tmp_path, pack_weights(value)) == {}


@pytest.mark.parametrize(("numbers", "shape"), [(4, 2**50), (4, -4), (2**50, 2**50)])
def test_a_tensor_larger_than_its_file_is_refused(tmp_path: Path, numbers: int, shape: int) -> None:
    with pytest.raises(BadInput, match=r"train/snapshot-1\.pt: expected a snapshot"):
        shapes_of(tmp_path, build_oversized_tensor(numbers, shape))


def zipped(folder: Path, data: bytes) -> bytes:
    with zipfile.ZipFile(folder / "made", "w") as archive:
        archive.writestr("snapshot/data.pkl", data)
    return (folder / "made").read_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02R.",
        b"\x80\x02.",
        b"\x80\x02h\x05.",
        b"\x80\x02u.",
        b"\x80\x02(}t\x85R.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\0\x8a\x08" + struct.pack("<q", 3) + b"tR.",
    ],
)
def test_a_program_that_makes_no_sense_is_damage(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BadInput, match="found a damaged one"):
        shapes_of(tmp_path, zipped(tmp_path, data))
