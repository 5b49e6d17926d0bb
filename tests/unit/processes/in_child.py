"""Functions that tests run in child processes."""

import ctypes
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tasks.errors import BadInput, Retriable


def add(one: int, other: int) -> int:
    return one + other


def pid() -> int:
    return os.getpid()


def group() -> tuple[int, int]:
    return os.getpgrp(), os.getsid(0)


def environment(name: str) -> str | None:
    return os.environ.get(name)


def large(size: int) -> bytes:
    return bytes(size)


def loaded(module: str) -> bool:
    return module in sys.modules


def count_to(number: int, pause: float, progress: Callable[[int], None]) -> int:
    for index in range(number):
        progress(index + 1)
        time.sleep(pause)
    return number


def refuse(text: str) -> NoReturn:
    raise BadInput(text)


def be_busy() -> NoReturn:
    raise Retriable("the GPU is busy")


def fail(*lines: str) -> NoReturn:
    for line in lines:
        print(line)
    raise KeyError("nose\ntail")


def fail_with_native_output() -> NoReturn:
    os.write(1, b"50%|#####\r100%|##########\n")
    os.write(2, b"CUDA error: \xff\n")
    raise ValueError("broken")


def end_with(status: int) -> NoReturn:
    sys.exit(status)


def vanish(status: int) -> NoReturn:
    os._exit(status)


def end_by(number: int) -> None:
    signal.raise_signal(number)


def give_a_lock() -> Any:
    return threading.Lock()


def give_a_lambda() -> Any:
    return lambda: 3


def sleep(marker: Path) -> None:
    marker.write_text(str(os.getpid()))
    time.sleep(600)


def leave_a_fork_behind_and_die(marker: Path) -> None:
    """The fork holds the pipe to the parent open."""
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    marker.write_text(str(child))
    os.kill(os.getpid(), signal.SIGKILL)


def start_a_helper(marker: Path) -> None:
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    marker.write_text(str(helper.pid))
    time.sleep(600)


def hang_in_native_code(marker: Path) -> None:
    """Wait in C with Python's lock held, so that no other thread of this process runs either."""
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print("about to hang")
    marker.write_text(f"{os.getpid()} {helper.pid}")
    ctypes.PyDLL(None).pause()


def say_and_die(text: str) -> None:
    print(text)
    signal.raise_signal(signal.SIGABRT)


def report_and_hang(done: list[Any], progress: Callable[[Any], None]) -> None:
    """Tell all of these at once, of which the last matters, and then nothing more."""
    for value in done:
        progress(value)
    time.sleep(600)


def fill(path: Path) -> NoReturn:
    """Write until the disk is full."""
    with path.open("wb") as file:
        while True:
            file.write(bytes(1 << 20))


_memory: list[str] = []


def remember(text: str) -> None:
    _memory.append(text)


def recall() -> str | None:
    return _memory[-1] if _memory else None


def load() -> None:
    """Load a library ahead of the first call."""
    importlib.import_module("sqlite3")


def load_nothing() -> None:
    """Load a library that is not there."""
    importlib.import_module("no_such_module")
