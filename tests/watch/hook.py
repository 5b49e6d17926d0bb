"""An audit hook that writes down what an archive must not make happen. It imports nothing else."""

import os
import sys
from typing import Any

WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

CHANGE_EVENTS = {
    "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
    "os.symlink", "os.truncate", "os.utime",
}  # fmt: skip
"""Changes to files and folders, by their first argument (`rename` and the like: also the next)."""

PROCESS_EVENTS = ("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.startfile",
           "os.system", "pty.")  # fmt: skip

NETWORK_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
           "socket.gethostby", "socket.bind", "urllib.", "http.", "ftplib.", "smtplib.",
           "webbrowser.")  # fmt: skip

PICKLE_EVENTS = ("pickle.",)

CODE_EVENTS = ("marshal.load", "ctypes.dlopen", "code.__new__", "exec", "compile", "import")
"""What no archive may make happen, but what loading PyTorch's modules does too."""

TEXT_CODEC_PREFIX = "encodings."


class Watch:
    """What happened since it was last emptied, and where files may be written.

    Attributes:
        seen: The events, in words.
        allowed: The folder that may be written to.
        on: Whether it listens.
    """

    def __init__(self, *, code: bool = True) -> None:
        self.seen: list[str] = []
        self.allowed = ""
        self.on = False
        self._counted = (
            PROCESS_EVENTS + NETWORK_EVENTS + PICKLE_EVENTS + (CODE_EVENTS if code else ())
        )
        sys.addaudithook(self._record_event)

    def _record_event(self, event: str, args: tuple[Any, ...]) -> None:
        if self.on and self._is_counted(event, args):
            self.seen.append(f"{event} {[ascii(arg)[:200] for arg in args[:3]]}")

    def _is_counted(self, event: str, args: tuple[Any, ...]) -> bool:
        if event == "open":
            return bool(args[2] & WRITE_FLAGS) and self._is_outside(args[0])
        if event in CHANGE_EVENTS:
            return any(self._is_outside(path) for path in args[:2] if isinstance(path, str | bytes))
        if event == "import" and str(args[0]).startswith(TEXT_CODEC_PREFIX):
            return False
        return event.startswith(self._counted)

    def _is_outside(self, path: Any) -> bool:
        """Whether a path, links followed, is not in the folder that may be written to."""
        if isinstance(path, int):
            return False
        real = os.path.realpath(os.fsdecode(path))
        return not (real + os.sep).startswith(self.allowed + os.sep)
