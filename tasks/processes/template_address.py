"""The address of a template: a socket whose name says what the template has loaded."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tasks.environment_variables import read_template_folder
from tasks.processes.environment import REPOSITORY_ROOT

CODE_FOLDERS = ("tasks", "flows", "deployments")
"""Folders of the repository whose modules a template may have loaded."""

_LOAD_TIME_PREFIXES = (
    *("ATEN_", "CUBLAS_", "CUDA_", "CUDNN_", "DNNL_", "GLIBC_", "GOMP_", "HF_", "KMP_", "LD_"),
    *("MALLOC_", "MKL_", "NO_ALBUMENTATIONS_", "NUMBA_", "NUMEXPR_", "NVIDIA_", "OMP_", "ONEDNN_"),
    *("OPENBLAS_", "PYTHON", "PYTORCH_", "TF_", "TORCH_", "TRANSFORMERS_"),
)
"""First letters of the variables that Python and numerical libraries read once, at their start."""


def find_template_socket(program: str, loader: str, environment: Mapping[str, str]) -> Path | None:
    """Return the socket of the template that a process could be copied from.

    Args:
        program: Module that the process runs.
        loader: Function that loads its libraries, as ``module:function``.
        environment: Environment of the process.

    Returns:
        The socket, which exists if there is such a template; None where this machine has none.
    """
    folder = read_template_folder()
    return folder and folder / compute_socket_name(program, loader, environment)


def compute_socket_name(program: str, loader: str, environment: Mapping[str, str]) -> str:
    """Compute a name that differs wherever a copy would differ from a new process.

    Args:
        program: Module that the process runs.
        loader: Function that loads its libraries, as ``module:function``.
        environment: Environment of the process.
    """
    read_at_start = {
        name: value for name, value in environment.items() if name.startswith(_LOAD_TIME_PREFIXES)
    }
    said = [sys.executable, program, loader, sorted(read_at_start.items()), compute_code_version()]
    return f"{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:24]}.sock"


@contextmanager
def shorten_address(socket: Path) -> Iterator[str]:
    """Open a socket's folder, and give the socket a short name while it is open.

    The address of a Unix socket has room for 107 bytes (unix(7)), and scratch folders are longer.

    Args:
        socket: A socket that is bound or connected to, in a folder that exists.

    Yields:
        The socket's name through the open folder.

    Raises:
        OSError: The folder does not exist.
    """
    folder = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{socket.name}"
    finally:
        os.close(folder)


def compute_code_version() -> str:
    """Compute a digest that changes with this checkout's modules and with installed packages."""
    digest = hashlib.sha256()
    for path in _list_modules():
        stat = path.stat()
        digest.update(f"{path}\0{stat.st_mtime_ns}\0{stat.st_size}\n".encode())
    return digest.hexdigest()


def _list_modules() -> Iterator[Path]:
    """List the files that stand for the code: its modules, and the folder of packages."""
    for name in CODE_FOLDERS:
        for folder, folders, files in os.walk(REPOSITORY_ROOT / name):
            folders.sort()
            yield from (Path(folder, file) for file in sorted(files) if file.endswith(".py"))
    # pip and uv add and remove entries there.
    yield from (Path(entry) for entry in sys.path if entry.endswith("site-packages"))
