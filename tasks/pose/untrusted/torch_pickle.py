"""Objects that a PyTorch snapshot would build, found without loading it.

A snapshot is a pickle, and a pickle can name any function to call. DeepLabCut loads snapshots with
PyTorch's safe reader (``weights_only=True``), which refuses all but tensors; to know that before a
GPU is asked for, the names in the pickle are compared with those that the reader allows
(``torch._weights_only_unpickler``).
"""

import io
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_list, format_value
from tasks.pose.untrusted.zip_structure import ZipSource, check_structure

MAX_PICKLE = 4 * 2**20
"""Bytes of the pickle beside the tensors' own; that of a large network has some 100 kB."""

_LEGACY_PICKLES = 5
"""Magic number, protocol, machine, the object itself, keys of the storages."""

_ALLOWED_NAMES = re.compile(
    r"""
    collections\.(OrderedDict|Counter)
    | builtins\.(set|bytearray|complex) | _codecs\.encode
    | torch\.(cuda\.)?(sparse\.)?[A-Za-z0-9]+(Storage|Tensor)
    | torch\.storage\.(Typed|Untyped)Storage
    | torch\.(Tensor|Size|device|nn\.parameter\.Parameter|serialization\._get_layout)
    | torch\.(bool|b?float\w+|u?int\d+|complex\d+|bits\w+|qu?int\w+|per_(tensor|channel)_\w+)
    | torch\._utils\._rebuild_\w+ | torch\._tensor\._rebuild_from_type_v2
    | numpy\.(dtype|dtypes\.Float64DType|_?core\.multiarray\.scalar)
    """,
    re.VERBOSE,
)
"""Tensors and plain values; scalars of numpy are what DeepLabCut saves as metrics."""

_OLD_MODULE_NAMES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Modules that pickles of PyTorch's protocol still call by their old names."""

_REFUSED_STEPS = {
    "STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "FRAME",
    "NEXT_BUFFER", "READONLY_BUFFER",
}  # fmt: skip
"""Steps of a pickle that the safe reader does not take, among them all other ways to a name."""


def check_weights(path: Path, shown: str) -> None:
    """Refuse a snapshot that the safe reader would refuse when the network is loaded.

    Args:
        path: The snapshot on disk.
        shown: What to call it in messages.

    Raises:
        BadInput: It is no snapshot of PyTorch's, or names more than tensors.
    """
    try:
        names = sorted(
            {
                name
                for pickle in iterate_pickles(path, shown)
                for name in _iterate_global_names(pickle)
            }
        )
    except NotASnapshot as error:
        raise explain_no_snapshot(shown, error) from error
    foreign = [name for name in names if not _ALLOWED_NAMES.fullmatch(name)]
    if foreign:
        raise BadInput(
            f"{shown}: it holds more than weights ({format_list(foreign)}) and could run code, so "
            "it is not loaded; save it again with DeepLabCut, or take a snapshot that it wrote"
        )


def explain_no_snapshot(shown: str, found: "NotASnapshot") -> BadInput:
    """The refusal of a file that is no snapshot."""
    return BadInput(
        f"{shown}: expected a snapshot that PyTorch saved, found {found}; zip the file that "
        "DeepLabCut wrote"
    )


def allow_numpy_scalars() -> None:
    """Let PyTorch's safe reader take numpy's numbers by the names of NumPy 1 and of NumPy 2.

    DeepLabCut allows those of the NumPy that is installed. Its release candidates, which came with
    NumPy 1, saved their metrics as such numbers, and so did later ones on older machines.
    """
    import numpy as np  # noqa: PLC0415 - only the process that loads weights needs them
    import torch  # noqa: PLC0415

    kinds = [np.float64, np.float32, np.int64]
    scalar: Any = np.float64(0).__reduce__()[0]
    names = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    torch.serialization.add_safe_globals([np.dtype, *(type(np.dtype(k)) for k in kinds), *names])


class NotASnapshot(Exception):  # noqa: N818 - its text ends a sentence
    """Description of a file that is not a snapshot."""


def iterate_pickles(path: Path, shown: str) -> Iterator[bytes | io.BytesIO]:
    """The pickles in a snapshot; a stream stands at the next one each time it comes.

    Args:
        path: The snapshot on disk.
        shown: What to call it in messages.

    Raises:
        NoSnapshot: It holds none.
    """
    with path.open("rb") as file:
        start = file.read(2)
        if start == b"PK":
            yield from _iterate_zipped_pickles(path, shown)
        elif start[:1] == b"\x80":
            file.seek(0)
            stream = io.BytesIO(file.read(MAX_PICKLE))
            yield from [stream] * _LEGACY_PICKLES
        else:
            raise NotASnapshot("a file of another kind" if start else "an empty file")


def _iterate_zipped_pickles(path: Path, shown: str) -> Iterator[bytes]:
    try:
        with ZipSource(path, shown) as source, zipfile.ZipFile(source) as archive:
            check_structure(source, archive, shown)
            members = archive.infolist()
            found = [m for m in members if re.fullmatch(r"([^/]+/)?data\.pkl", m.filename)]
            if len(found) != 1:
                raise NotASnapshot(f"a zip with {len(found)} files called data.pkl")
            if found[0].file_size > MAX_PICKLE:
                raise NotASnapshot(f"a data.pkl of {found[0].file_size} bytes")
            _check_members(members, path.stat().st_size)
            with archive.open(found[0]) as member:
                yield member.read(MAX_PICKLE + 1)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError) as error:
        raise NotASnapshot(f"a damaged one ({format_value(str(error))})") from error
    except RuntimeError as error:
        raise NotASnapshot("an encrypted one") from error


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    """PyTorch stores its tensors as they are, and reads whole whatever it finds in their place."""
    unpacked = sum(member.file_size for member in members)
    if unpacked > size + MAX_PICKLE:
        raise NotASnapshot(f"a zip bomb of {unpacked} bytes in {size}")
    if any(PurePosixPath(member.filename).name == "constants.pkl" for member in members):
        raise NotASnapshot("a program (TorchScript), not its weights")


def _iterate_global_names(pickle: bytes | io.BytesIO) -> Iterator[str]:
    """The names that a pickle asks for; nothing of it is built."""
    try:
        for step, value, _ in pickletools.genops(pickle):
            if step.name in _REFUSED_STEPS:
                raise NotASnapshot(f"a pickle with a step that is never needed ({step.name})")
            if step.name == "GLOBAL":
                module, _, name = str(value).partition(" ")
                yield f"{_OLD_MODULE_NAMES.get(module, module)}.{name}"
    except (ValueError, UnicodeError, OverflowError, IndexError) as error:
        raise NotASnapshot(f"a damaged one ({format_value(str(error))})") from error
