"""Snapshots are looked into before they are loaded: weights pass, code does not."""

import io
import os
import pickle
import re
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import BadInput
from tasks.pose.untrusted.torch_pickle import MAX_PICKLE, check_weights
from tests.support.model_zips import pack_weights
from tests.support.paths import DEMO_MODEL, SHARED_FOLDER


class Calls:
    """Pickled, it is a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def named(module: str, name: str, argument: str = "x") -> bytes:
    """A snapshot whose pickle calls a function by its name."""
    call = f"\x80\x02c{module}\n{name}\n(V{argument}\ntR.".encode("latin-1")
    return zipped(call)


def zipped(data: bytes, name: str = "snapshot/data.pkl") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def legacy(*values: Any) -> bytes:
    """A file as PyTorch saved it before it used zips."""
    header = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    return b"".join(pickle.dumps(value, 2) for value in (*header, *values)) + b"\x00\x01raw"


def check(folder: Path, data: bytes) -> None:
    path = folder / "snapshot-1.pt"
    path.write_bytes(data)
    check_weights(path, "train/snapshot-1.pt")


def refusal(folder: Path, data: bytes) -> str:
    with pytest.raises(BadInput) as caught:
        check(folder, data)
    message = str(caught.value)
    assert message.startswith("train/snapshot-1.pt: ")
    assert len(message.splitlines()) == 1
    return message


GOOD: dict[str, Any] = {
    "model": OrderedDict(a=1),
    "metadata": {"epoch": 1, "losses": [0.5, None, True], "metrics": {"mAP": np.float64(50)}},
}


@pytest.mark.parametrize(
    "data", [pack_weights(GOOD), legacy(GOOD, ["0"]), pack_weights({"set": {1}, "bytes": b"abc"})]
)
def test_weights_and_numbers_pass(tmp_path: Path, data: bytes) -> None:
    check(tmp_path, data)


@pytest.mark.parametrize(
    "name",
    [
        "torch FloatStorage",
        "torch.cuda HalfStorage",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        "torch.nn.parameter Parameter",
        "torch bfloat16",
        "torch float8_e4m3fn",
        "torch.storage UntypedStorage",
        "numpy.core.multiarray scalar",
        "numpy._core.multiarray scalar",
    ],
)
def test_what_tensors_are_made_of_passes(tmp_path: Path, name: str) -> None:
    check(tmp_path, named(*name.split()))


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("__builtin__", "eval"),
        ("builtins", "getattr"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("torch._utils", "os"),
        ("torch.storage", "_load_from_bytes"),
        ("torch.serialization", "load"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "scalar.x"),
        ("numpy.testing", "Storage"),
        ("collections", "OrderedDict.x"),
        ("torch.jit._script", "unpackage_script_module"),
    ],
)
def test_any_other_name_is_refused(tmp_path: Path, module: str, name: str) -> None:
    message = refusal(tmp_path, named(module, name))
    assert "it holds more than weights (" in message
    assert f".{name}" in message


def test_a_pickle_that_would_run_a_command_is_refused_and_not_run(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    attack = {"model": {}, "x": Calls(os.system, f"touch {proof}")}
    assert "posix.system" in refusal(tmp_path, pack_weights(attack))
    assert "posix.system" in refusal(tmp_path, legacy(attack, []))
    assert "posix.system" in refusal(tmp_path, legacy({}, attack))
    assert not proof.exists()


@pytest.mark.parametrize("protocol", [0, 1, 3, 4, 5])
def test_names_of_other_protocols_are_found_too(tmp_path: Path, protocol: int) -> None:
    data = zipped(pickle.dumps(Calls(os.system, "true"), protocol))
    assert re.search("posix.system|STACK_GLOBAL|FRAME", refusal(tmp_path, data))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "found an empty file"),
        (b"weights", "found a file of another kind"),
        (b"PK\x03\x04 but no zip", "found a damaged one"),
        (zipped(b"", "snapshot/other"), "found a zip with 0 files called data.pkl"),
        (zipped(b""), "found a damaged one"),
        (zipped(b"\x80\x02}"), "found a damaged one"),
        (zipped(b"\xff\xff"), "found a damaged one"),
        (zipped(b"\x80\x02X\xff\xff\xff\x7fabc."), "found a damaged one"),
        (zipped(b"\x80\x02" + b"N0" * MAX_PICKLE), "found a data.pkl of"),
        (zipped(b"\x80\x02i os\nsystem\n."), "INST"),
        (legacy(), "found a damaged one"),
        (pack_weights({})[:-30], "found a damaged one"),
    ],
)
def test_what_is_no_snapshot_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    assert said in refusal(tmp_path, data)


@pytest.mark.parametrize(
    "archive",
    [DEMO_MODEL, *sorted((SHARED_FOLDER / "models").glob("*pytorch.zip"))],
    ids=lambda p: p.stem,
)
def test_snapshots_of_real_models_pass(tmp_path: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        (name,) = [name for name in files.namelist() if name.endswith(".pt")]
        check(tmp_path, files.read(name))
