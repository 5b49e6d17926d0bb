"""Snapshots that attack whoever loads them, as bytes."""

import json
import pickle
import struct
from pathlib import Path
from typing import Any

from tests.support.hostile_cases import HostileCase, make_case_with_files
from tests.support.model_zips import SNAPSHOT_NAME, TRAIN_FOLDER, pack_weights
from tests.support.raw_zips import DEFLATED, STORED, ZipEntry, build_zip

MARKER_NAME = "owned"


class TouchesOnUnpickling:
    """Unpickled, it makes a file in the current folder, and wherever its name leads."""

    def __init__(self, marker: str) -> None:
        self._marker = marker

    def __reduce__(self) -> Any:
        import os

        return os.system, (f"touch {self._marker}",)


def build_snapshot_with_code(marker: str) -> bytes:
    """A snapshot as PyTorch saves it, whose pickle runs a command."""
    return pack_weights({"model": {}, "metadata": TouchesOnUnpickling(marker)})


def build_legacy_snapshot(marker: str) -> bytes:
    """The same, as PyTorch saved it before it used zips."""
    header = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    values = [*header, {"model": TouchesOnUnpickling(marker)}, []]
    return b"".join(pickle.dumps(value, 2) for value in values)


def build_torchscript(marker: str) -> bytes:
    """A TorchScript archive; its code is compiled when it is loaded."""
    code = f"def forward(self, x):\n  return torch.system('touch {marker}')\n"
    names = {
        "snapshot/data.pkl": pickle.dumps({}, 2),
        "snapshot/constants.pkl": pickle.dumps((), 2),
        "snapshot/code/__torch__.py": code.encode(),
        "snapshot/version": b"3\n",
    }
    return build_zip([ZipEntry(n.encode(), data, method=STORED) for n, data in names.items()])


def build_oversized_tensor(numbers: int, shape: int) -> bytes:
    """Weights whose one tensor claims more numbers than the file holds."""
    long = b"\x8a\x08" + struct.pack("<q", numbers)
    size = b"\x8a\x08" + struct.pack("<q", shape)
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + b"0X\x03\0\0\0cpu" + long
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((" + storage[1:] + b"tQK\0" + size
    tensor += b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR"
    model = b"\x80\x02}X\x05\0\0\0model}X\x01\0\0\0w" + tensor + b"ss."
    names = {"data.pkl": model, "data/0": bytes(16), "version": b"3\n", "byteorder": b"little"}
    return build_zip(
        [ZipEntry(f"snapshot/{n}".encode(), data, method=STORED) for n, data in names.items()]
    )


def build_zip_bomb() -> bytes:
    """A snapshot in a zip whose one tensor unpacks to a thousand times its size."""
    zeros = ZipEntry(b"snapshot/data/0", bytes(16 * 2**20), method=DEFLATED)
    return build_zip([ZipEntry(b"snapshot/data.pkl", pickle.dumps({"model": {}}, 2)), zeros])


def broken_snapshots() -> dict[str, bytes]:
    header = json.dumps({"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    return {
        "nothing": b"",
        "a web page": b"<!DOCTYPE html><html><body>404 not found</body></html>",
        "a pointer of git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "safetensors": struct.pack("<Q", len(header)) + header + bytes(16),
        "a tar": bytes(257) + b"ustar" + bytes(250),
        "half of it": pack_weights({"model": {}})[:80],
        "a zip with no pickle": build_zip([ZipEntry(b"snapshot/version", b"3")]),
        "a zip bomb": build_zip_bomb(),
        "with code": build_snapshot_with_code(MARKER_NAME),
        "with code, in the old format": build_legacy_snapshot(MARKER_NAME),
        "a program": build_torchscript(MARKER_NAME),
        "a text pickle with code": b"cos\nsystem\n(S'touch owned'\ntR.",
    }


def weights_cases() -> list[HostileCase]:
    """Refused before anything loads them."""
    says = {
        "nothing": "an empty file",
        "a zip bomb": "a zip bomb of",
        "with code": "it holds more than weights",
        "with code, in the old format": "it holds more than weights",
        "a program": "TorchScript",
    }
    return [
        make_case_with_files(
            f"snapshot: {name}",
            {f"{TRAIN_FOLDER}/{SNAPSHOT_NAME}": data},
            says.get(name, SNAPSHOT_NAME),
        )
        for name, data in broken_snapshots().items()
    ]


def loader_cases(marker: Path) -> dict[str, bytes]:
    """What a loader must refuse by itself."""
    return {
        "code": build_snapshot_with_code(str(marker)),
        "code in the old format": build_legacy_snapshot(str(marker)),
        "program": build_torchscript(str(marker)),
        "petabytes in the storage": build_oversized_tensor(2**50, 4),
        "petabytes in the tensor": build_oversized_tensor(4, 2**50),
        "a negative size": build_oversized_tensor(4, -(2**40)),
    }
