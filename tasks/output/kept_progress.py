"""What this process' run has kept at its output location so far, for where the next one goes on.

Only what the store has taken counts.
"""

import threading
from dataclasses import dataclass, field

from tasks.messages import format_value


@dataclass
class _MovieProgress:
    """One movie's progress: poses of its first frames, of all of them, or all results."""

    frames: int = 0
    has_poses: bool = False
    is_done: bool = False


@dataclass
class KeptProgress:
    """Progress of a run, movie by movie; several threads take note of it.

    Attributes:
        total: Movies of the request; 0 until that is known.
    """

    total: int = 0
    _movies: dict[str, _MovieProgress] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, total: int) -> None:
        """Take note of how many movies a request has."""
        self.total = total

    def note_frames(self, movie: str, frames: int) -> None:
        """Take note of how many of a movie's first frames have poses that are kept."""
        with self._lock:
            self._find(movie).frames = frames

    def note_poses(self, movie: str) -> None:
        """Take note that the poses of all of a movie's frames are kept."""
        with self._lock:
            self._find(movie).has_poses = True

    def note_results(self, movie: str) -> None:
        """Take note that all of a movie's results are published and kept."""
        with self._lock:
            self._find(movie).is_done = True

    def _find(self, movie: str) -> _MovieProgress:
        return self._movies.setdefault(movie, _MovieProgress())

    def describe_continuation(self) -> str:
        """Describe where the same request goes on when it is run again."""
        with self._lock:
            movies = dict(self._movies)
        begun = {name: movie for name, movie in movies.items() if not movie.is_done}
        done = len(movies) - len(begun)
        if self.total == 1 and not done:
            return _describe_only_movie(next(iter(begun.values()), _MovieProgress()))
        told = [f"{done} of {self.total} movies are done"] if self.total > 1 else []
        told += [
            f"{format_value(name)} goes on from frame {movie.frames:,}"
            for name, movie in begun.items()
            if movie.frames and not movie.has_poses
        ]
        if poses := [format_value(name) for name, movie in begun.items() if movie.has_poses]:
            told.append(f"poses of {', '.join(poses)} are kept")
        return f"run the same command again to continue{': ' if told else ''}{', '.join(told)}"


def _describe_only_movie(movie: _MovieProgress) -> str:
    if movie.has_poses:
        return "run the same command again to continue: the poses of all frames are kept"
    if movie.frames:
        return f"run the same command again to go on from frame {movie.frames:,}"
    return "run the same command again; no frame's poses are kept yet"


kept_progress = KeptProgress()
"""That of the run of this process."""
