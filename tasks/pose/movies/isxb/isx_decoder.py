"""Pictures of an .isxb movie from isx, asked for in a thread, so that a loop without end shows."""

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tasks.errors import BadInput
from tasks.pose.movies.info import DAMAGED_MOVIE_REMEDY, Image

ANSWER_TIMEOUT_S = 120.0
"""Seconds after which isx is taken to be caught in an endless loop."""


class IsxDecoder:
    """A movie that isx has open, within a ``with`` block.

    Attributes:
        timing: What isx says of the movie's frames.
    """

    def __init__(self, path: Path, name: str) -> None:
        """Take a file.

        Args:
            path: The file. isx knows a format by the end of its name, in lower case.
            name: What to call it in messages.
        """
        load_isx()
        self._path = path
        self._name = name
        self._movie: Any = None
        self._asked: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

    def __enter__(self) -> "IsxDecoder":
        threading.Thread(target=self._serve_calls, name="isx", daemon=True).start()
        try:
            self._open_movie()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._asked.put(None)

    def decode_picture(self, index: int) -> Image | None:
        """A gray picture, shape (height, width); None where it can't be decoded.

        Raises:
            RuntimeError: isx does not answer. Its thread goes on until this process ends.
        """
        picture, error = self._call_in_thread(
            f"give frame {index}", self._movie.get_frame_data, index
        )
        return None if error else picture

    def _open_movie(self) -> None:
        self._movie, error = self._call_in_thread("open the file", _read_movie, str(self._path))
        if error:
            reason = str(error).replace(str(self._path), self._name).splitlines()[-1:]
            raise BadInput(
                f"{self._name}: isx can't read it ({' '.join(reason)}); {DAMAGED_MOVIE_REMEDY}"
            ) from error
        if self._movie.data_type is not np.uint8:
            raise BadInput(
                f"{self._name}: expected gray pictures of 8 bits, found {self._movie.data_type}"
            )
        self.timing = self._movie.timing

    def _call_in_thread(
        self, what: str, function: Callable[..., Any], *args: Any
    ) -> tuple[Any, Exception | None]:
        """Call a function in the thread: what it returned, or what it raised."""
        self._asked.put(lambda: function(*args))
        try:
            return self._answers.get(timeout=ANSWER_TIMEOUT_S)
        except queue.Empty:
            raise RuntimeError(
                f"{self._name}: isx did not {what} within {ANSWER_TIMEOUT_S:.0f} s"
            ) from None

    def _serve_calls(self) -> None:
        while (asked := self._asked.get()) is not None:
            try:
                self._answers.put((asked(), None))
            except Exception as error:  # noqa: BLE001 - isx raises nothing more particular
                self._answers.put((None, error))


def load_isx() -> Any:
    """Load isx; to be called in the main thread first.

    What it sets up belongs to the thread that loads it: with that thread gone, the process crashes
    when it ends.
    """
    import isx  # noqa: PLC0415 - only where there are .isxb movies

    return isx


def _read_movie(path: str) -> Any:
    return load_isx().Movie.read(path)
