"""One estimation at a time on each GPU of a machine, whichever run it belongs to.

A slot is a lock on a file (``flock``), held by the process that uses the GPU. The kernel frees it
when that process ends, however it ends: no slot outlives a run that was killed, and none needs a
server. A run's other stages go on beside it.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tasks.environment_variables import read_device_lock_folder

POLL_INTERVAL_S = 0.5
"""Seconds between two looks at whether a slot is free."""


@dataclass(frozen=True)
class Device:
    """Something that estimates one movie at a time.

    Attributes:
        name: As the engine calls it, ``cuda:0`` or ``cpu``.
        slot: What it is called on this machine, whatever ``CUDA_VISIBLE_DEVICES`` says.
    """

    name: str
    slot: str


CPU = Device("cpu", "cpu")
"""All processors of the machine together: two networks at a time would only slow each other."""


def find_devices(wanted: str | None = None, *, only_first: bool = False) -> list[Device]:
    """The devices that this process may use.

    Args:
        wanted: One device by name; by default every GPU, or the CPU where there is none.
        only_first: Whether the engine can only use the first GPU.

    Returns:
        At least one device.
    """
    import torch  # noqa: PLC0415 - seconds, and only an estimator needs it

    if wanted == "cpu" or not torch.cuda.is_available():
        return [CPU]
    count = 1 if only_first else torch.cuda.device_count()
    found = [
        Device(f"cuda:{index}", f"gpu-{torch.cuda.get_device_properties(index).uuid}")
        for index in range(count)
    ]
    return [device for device in found if wanted in (None, "cuda", device.name)] or found[:1]


def find_idle_device(among: Sequence[Device]) -> Device:
    """A device whose slot is free now, or the first one; its slot is not taken."""
    for device in among:
        if (file := _try_lock(device)) is not None:
            os.close(file)
            return device
    return among[0]


@contextmanager
def lease_device(
    among: Sequence[Device], preferred: str | None, waiting: Callable[[], None]
) -> Iterator[Device]:
    """Hold a device while the block runs; wait where all are held.

    Args:
        among: The devices to choose from.
        preferred: Name of the device that is best, since the model is there; another one is taken
            where only that is free.
        waiting: Called now and then while none is free.

    Yields:
        The device.
    """
    ordered = sorted(among, key=lambda device: device.name != preferred)
    while True:
        for device in ordered:
            if (file := _try_lock(device)) is not None:
                try:
                    yield device
                finally:
                    os.close(file)
                return
        waiting()
        time.sleep(POLL_INTERVAL_S)


def _try_lock(device: Device) -> int | None:
    """Take a device's slot: the open file that holds it, or None where another has it."""
    file = _open_lock_file(_lock_folder() / f"{device.slot}.lock")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _open_lock_file(path: Path) -> int:
    # Opening what another user made fails in a shared folder where it might also create the file.
    with suppress(FileNotFoundError):
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with suppress(FileExistsError):
        file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC)
        os.fchmod(file, 0o644)  # whatever this user's mask is, others must see who holds it
        return file
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _lock_folder() -> Path:
    folder = read_device_lock_folder()
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):
            folder.chmod(0o1777)
    return folder
