"""A process that has loaded libraries, and forks copies of itself that run modules.

PyTorch and DeepLabCut take seconds to load, and each run starts a process that needs them. A
machine that runs one movie after the other keeps a template, which does nothing but fork: a copy
runs one module as ``python -m`` does, with its libraries already there. Copies share nothing else:
one that is killed takes nothing with it. A template never touches a GPU, since CUDA does not
survive a fork.

``python -m tasks.processes.template SOCKET PROGRAM MODULE:FUNCTION`` loads the libraries with the
function, listens on the socket, and runs the program in copies. Lists of processes show the
template's command for its copies, too, with the program in it.
"""

import argparse
import array
import atexit
import fcntl
import gc
import json
import logging
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tasks.processes.child import load_ahead
from tasks.processes.template_address import shorten_address

MAX_FDS = 64
"""File descriptors that a request may bring."""

_PARENT_CHECK_SECONDS = 1.0
_FREE_FDS = 512
"""Above all descriptors that a template has open."""

_PEER_CREDENTIALS = struct.Struct("3i")
"""Process, user and group, as ``SO_PEERCRED`` gives them (``unix(7)``)."""


@dataclass(frozen=True)
class CopyRequest:
    """What a copy is to become.

    Attributes:
        words: Arguments of the module that it runs.
        folder: Working directory.
        environment: All of its environment.
        numbers: Numbers that the descriptors, which come with the request, have in the copy.
        leads_session: Whether it leads a session and a process group.
    """

    words: list[str]
    folder: str
    environment: dict[str, str]
    numbers: list[int]
    leads_session: bool = True


def main(arguments: Sequence[str] | None = None) -> None:
    """Load libraries, then fork a copy for each request, until whoever started this is gone.

    Args:
        arguments: Words of the command line; by default those of this process.
    """
    parser = argparse.ArgumentParser(prog="python -m tasks.processes.template", description=__doc__)
    parser.add_argument("socket", type=Path)
    parser.add_argument("program")
    parser.add_argument("loader", metavar="MODULE:FUNCTION")
    options = parser.parse_args(arguments)
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is not for it
    load_ahead([options.loader])
    gc.freeze()
    with _listen(options.socket) as listener:
        try:
            _CopyServer(listener, options.program).serve_while_child_of(parent)
        finally:
            options.socket.unlink(missing_ok=True)


def _listen(path: Path) -> socket.socket:
    """Listen on a socket that has its name only once it answers."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    unfinished = path.with_suffix(f".{os.getpid()}")
    with shorten_address(unfinished) as address:
        listener.bind(address)
    listener.listen(64)
    unfinished.rename(path)
    return listener


class _CopyServer:
    """Forks, and reports how copies end.

    A connection brings one request, and is then about that copy: the copy's number goes back, and
    its exit status. An ended copy keeps its number until the other side hangs up, so that a
    signal that is sent to it cannot hit another process.
    """

    def __init__(self, listener: socket.socket, program: str) -> None:
        self._listener, self._program = listener, program
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._wake, self._woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._running: dict[int, socket.socket | None] = {}
        self._copies: dict[socket.socket, int] = {}

    def serve_while_child_of(self, parent: int) -> None:
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        while os.getppid() == parent:
            for key, _ in self._selector.select(_PARENT_CHECK_SECONDS):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj == self._wake:
                    with suppress(BlockingIOError):
                        os.read(self._wake, 4096)
                elif isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj)
            self._report_ended()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        credentials = connection.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size
        )
        _, user, _ = _PEER_CREDENTIALS.unpack(credentials)
        if user != os.getuid():
            connection.close()
            return
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket) -> None:
        """Read a request, or that the other side has hung up."""
        try:
            data, fds = _receive_fds(connection)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if data and fds and connection not in self._copies:
            self._start_copy(connection, fds)
        else:
            self._hang_up(connection)
        for fd in fds:
            os.close(fd)

    def _start_copy(self, connection: socket.socket, fds: list[int]) -> None:
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(read)
            self._become_copy(fds, write)
        os.close(write)
        with open(read, "rb", buffering=0) as begun:  # noqa: PTH123
            begun.read(1)  # its group can be killed from now on
        self._running[pid] = connection
        self._copies[connection] = pid
        with suppress(OSError):
            connection.send(str(pid).encode())

    def _become_copy(self, fds: list[int], begun: int) -> None:
        """In a copy: let go of what is the template's, and run the module."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.close(self._wake)
            os.close(self._woken)
            self._selector.close()
            for connection in (self._listener, *self._copies):
                connection.close()
            with open(fds[0], "rb", closefd=False) as file:
                file.seek(0)
                request = CopyRequest(**json.load(file))
            if request.leads_session:
                os.setsid()
            os.write(begun, b".")
            os.close(begun)
            status = run_program(self._program, request, fds[1:])
        except BaseException:  # noqa: BLE001 - as Python does at its end
            traceback.print_exc()
        finally:
            os._exit(status)

    def _report_ended(self) -> None:
        """Report copies that have ended; those that nobody is connected to are let go."""
        for pid, connection in list(self._running.items()):
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            ended = os.waitid(os.P_PID, pid, flags)
            if ended is None:
                continue
            del self._running[pid]
            if connection is None:
                os.waitpid(pid, 0)
                continue
            killed = ended.si_code != os.CLD_EXITED
            status = -ended.si_status if killed else ended.si_status
            with suppress(OSError):
                connection.send(str(status).encode())

    def _hang_up(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        connection.close()
        pid = self._copies.pop(connection, None)
        if pid is None:
            return
        if pid in self._running:
            self._running[pid] = None  # it ends with its owner, by itself
        else:
            os.waitpid(pid, 0)


def _receive_fds(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Receive a message and its descriptors, none of which a forked process keeps on ``exec``."""
    fds = array.array("i")
    room = socket.CMSG_SPACE(MAX_FDS * fds.itemsize)
    data, ancillary, _, _ = connection.recvmsg(64, room, socket.MSG_CMSG_CLOEXEC)
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data, list(fds)


def run_program(program: str, request: CopyRequest, fds: Sequence[int]) -> int:
    """Run a module as ``python -m`` does.

    Args:
        program: The module.
        request: What it finds.
        fds: Descriptors, in the order of the request's numbers.

    Returns:
        The exit status.
    """
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FREE_FDS) for fd in fds]
    for fd in fds:
        os.close(fd)
    for fd, number in zip(high, request.numbers, strict=True):
        os.dup2(fd, number, inheritable=True)
        os.close(fd)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    tempfile.tempdir = None
    sys.argv[1:] = request.words
    # What the template would do at its end is not for a copy.
    atexit._clear()  # noqa: SLF001 - there is no other way
    atexit.register(logging.shutdown)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*found in sys.modules", RuntimeWarning)
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return _read_exit_status(ended.code)
    except BaseException:  # noqa: BLE001 - as Python does at its end
        traceback.print_exc()
        return 1
    finally:
        # As Python ends, without its seconds of taking thousands of modules apart.
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
        atexit._run_exitfuncs()  # noqa: SLF001
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
    return 0


def _read_exit_status(code: object) -> int:
    if code is None or isinstance(code, int):
        return code or 0
    print(code, file=sys.stderr)
    return 1


if __name__ == "__main__":
    main()
