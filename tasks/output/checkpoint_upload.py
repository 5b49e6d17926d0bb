"""Checkpoints of an estimation, in the store: the machine that made them may be lost."""

import contextvars
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tasks.errors import PoseError
from tasks.output.hidden_folder import log_warning, remove_objects
from tasks.output.kept_progress import kept_progress
from tasks.pose.network.checkpoint_files import count_frames_in_row, is_checkpoint
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore

CHECKPOINTS_FOLDER = "checkpoints"
"""The folder's name, in the hidden one and in a movie's scratch folder."""

UPLOAD_INTERVAL = 2.0
"""Seconds between two looks at whether there is a new checkpoint."""

_LAST_UPLOAD_TIMEOUT = 5.0
"""Seconds that an upload which is under way has at the end."""


@dataclass
class CheckpointStore:
    """A movie's checkpoints on the local disk and in the store.

    Attributes:
        store: Where they are kept.
        folder: Where the estimation writes and reads them.
        all: Location of all of the movie's checkpoints.
        own: Location of those of this movie's content, this model and these settings.
        is_empty: Whether it is known that there are none in the store.
    """

    store: ObjectStore
    folder: Path
    all: Location
    own: Location
    is_empty: bool = False
    _sent: set[str] = field(default_factory=set)

    @contextmanager
    def sync_with_store(self) -> Iterator[Path]:
        """Bring what there is to the local disk, and send what is added while the block runs.

        A store that fails costs work that is done again, and never the estimation.

        Yields:
            The folder.
        """
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            if not self.is_empty:
                self._download_checkpoints()
        ended = threading.Event()
        context = contextvars.copy_context()
        sending = (self._upload_until_ended, ended)
        thread = threading.Thread(target=context.run, args=sending, daemon=True)
        thread.start()
        try:
            yield self.folder
        finally:
            ended.set()
            # A store that is away must not keep a cancelled run from its end.
            thread.join(_LAST_UPLOAD_TIMEOUT)

    @property
    def movie(self) -> str:
        """The movie's folder below the output location."""
        return self.all.key.rstrip("/").rpartition("/")[2]

    def remove(self) -> None:
        """Remove them all: the estimation has come to its end, and its poses are kept."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if not self.is_empty:
            remove_objects(self.store, self.all)

    def _download_checkpoints(self) -> None:
        try:
            for info in list(self.store.list(self.own)):
                if is_checkpoint(info.location.name):
                    self.store.download(info, self.folder / info.location.name)
                    self._add_sent(info.location.name)
        except PoseError as error:
            log_warning(f"checkpoints could not be read, so all frames are estimated: {error}")

    def _upload_until_ended(self, ended: threading.Event) -> None:
        told = False
        while not ended.wait(UPLOAD_INTERVAL):
            try:
                self._upload_new_checkpoints()
            except (PoseError, OSError) as error:
                if not told:
                    log_warning(f"a checkpoint could not be saved: {error}")
                told = True

    def _upload_new_checkpoints(self) -> None:
        names = sorted(path.name for path in self.folder.iterdir() if is_checkpoint(path.name))
        for name in [name for name in names if name not in self._sent]:
            target = self.own.child(name)
            self.is_empty = False
            self.store.upload(self.folder / name, target)
            self._add_sent(name)

    def _add_sent(self, name: str) -> None:
        """Take note of a file that the store has."""
        self._sent.add(name)
        kept_progress.note_frames(self.movie, count_frames_in_row(self._sent))
