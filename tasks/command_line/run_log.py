"""The log of a command-line run: all of it in a file, and a few lines of it on the terminal."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from tasks.environment_variables import find_state_folder
from tasks.stages.progress import SPEED_MARK

KEPT_LOGS = 20
"""Log files that stay; older ones are removed."""

_FORMAT = "%(asctime)s.%(msecs)03d | %(levelname)-7s | %(name)s - %(message)s"
_FINISHED = re.compile(r"Finished in state \w+\((['\"])(?P<text>.*)\1\)$", re.DOTALL)

_SHOWN_STAGES = {"check model · ": "model", "check · ": None, "movie · ": None}
"""Stages whose ends are shown, by how their names begin, and what to call them: their object."""


@contextmanager
def log_run(*, is_verbose: bool) -> Iterator[Path | None]:
    """Write the whole log to a file, and show a few lines of it, while the block runs.

    Warnings and errors are shown in either case.

    Args:
        is_verbose: Whether to show every line, as Prefect does.

    Yields:
        The log file; None if none can be written.
    """
    logger = logging.getLogger("prefect")
    handler = _open_log_file()
    added: list[logging.Handler] = [handler] if handler else []
    if not is_verbose:
        added.append(ShortLog())
        for console in find_console_handlers():
            console.addFilter(_is_worth_a_warning)
    for each in added:
        logger.addHandler(each)
    try:
        yield Path(handler.baseFilename) if handler else None
    finally:
        for each in added:
            logger.removeHandler(each)
            each.close()
        # The console's filter stays: Prefect has more to log when the command ends.


def _is_worth_a_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING


class ShortLog(logging.Handler):
    """Prints the ends of the stages that a scientist asks about: the model, and each movie."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line if the record is the end of such a stage."""
        if record.levelno >= logging.WARNING:
            return
        if line := shorten_record(getattr(record, "task_run_name", ""), record.getMessage()):
            _print_above_bars(line)


def shorten_record(stage: str, message: str) -> str:
    """Shorten a line of Prefect's log for people.

    Args:
        stage: Name of the task run that logs it; empty for others.
        message: The logged text.

    Returns:
        A line, or an empty string if the record is for the file only.
    """
    if message.startswith(SPEED_MARK):
        return message
    found = _FINISHED.search(message)
    begin = next((begin for begin in _SHOWN_STAGES if stage.startswith(begin)), None)
    if found is None or begin is None:
        return ""
    return f"{_SHOWN_STAGES[begin] or stage.removeprefix(begin)}: {found['text']}"


def _print_above_bars(line: str) -> None:
    """Print on standard error, above the live bars if there are any."""
    console = next(
        (h.console for h in find_console_handlers() if isinstance(h.console, Console)), None
    )
    if console is not None and sys.stderr.isatty():
        console.print(line, markup=False, highlight=False)
    else:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def _open_log_file() -> logging.FileHandler | None:
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.log"  # noqa: DTZ005 - the user's clock
    state = find_state_folder()
    for folder in (state, Path(tempfile.gettempdir())):
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(folder / name, encoding="utf-8")
            handler.setFormatter(logging.Formatter(_FORMAT, "%Y-%m-%d %H:%M:%S"))
            if folder == state:
                _remove_old_logs(folder)
            return handler
    return None


def _remove_old_logs(folder: Path) -> None:
    for path in sorted(folder.glob("*.log"))[:-KEPT_LOGS]:
        path.unlink(missing_ok=True)


def find_console_handlers() -> list[Any]:
    """Find the handlers of Prefect's log that print on the terminal."""
    names = ["", *logging.root.manager.loggerDict]
    handlers = (handler for name in names for handler in logging.getLogger(name).handlers)
    return [handler for handler in handlers if hasattr(handler, "console")]
