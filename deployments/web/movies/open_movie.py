"""Movies that people look at, with their traces in memory: each is read once."""

import hashlib
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from weakref import WeakValueDictionary

from cachetools import LRUCache

from deployments.web.movies.delivered_movie import (
    DeliveredMovie,
    find_output,
    read_delivered_movie,
)
from deployments.web.movies.movie_pictures import MoviePicture, find_labeled, find_original
from deployments.web.web_settings import WebSettings
from tasks.errors import BadInput
from tasks.pose.results.file_names import RUN_RECORD_FILE
from tasks.pose.results.playback.annotated_times import AnnotatedTimes, read_annotated_times
from tasks.pose.results.playback.keypoint_traces import KeypointTraces
from tasks.pose.results.playback.load_traces import find_pose_file, load_traces
from tasks.pose.settings import AnnotationsFormat
from tasks.storage.location import Location
from tasks.storage.ranged_file import RangedFile
from tasks.storage.store import ObjectInfo, ObjectStore

MAX_CACHE_BYTES = 2**28
"""Bytes of traces that are kept: of six movies of an hour with two animals of twelve parts."""

MAX_POSE_FILE_BYTES = 2**31
"""Bytes of a pose file: of a day at 30 frames per second with some forty keypoints."""


@dataclass(frozen=True)
class OpenMovie:
    """A movie that somebody looks at.

    Attributes:
        version: Changes with the run's record and with the movie's poses.
        movie: The movie.
        traces: Its traces.
        labeled: Its labeled movie; None where there is none.
        original: The movie that was estimated, or the reason why it is not shown.
    """

    version: str
    movie: DeliveredMovie
    traces: KeypointTraces
    labeled: MoviePicture | None
    original: MoviePicture | str


class OpenMovies:
    """Opens movies, and keeps those that were looked at last.

    Args:
        store: Where results and movies are.
        settings: Which locations may be opened.
    """

    def __init__(self, store: ObjectStore, settings: WebSettings) -> None:
        self._store, self._settings = store, settings
        self._cache: LRUCache[str, OpenMovie] = LRUCache(
            MAX_CACHE_BYTES, lambda opened: opened.traces.byte_count
        )
        self._lock = threading.Lock()
        self._opening: WeakValueDictionary[str, _KeyLock] = WeakValueDictionary()

    def open(self, folder: Location, version: str = "") -> OpenMovie:
        """Open a movie.

        Args:
            folder: The movie's folder, with a slash at its end.
            version: The version that the browser has, which needs no look at the store while it is
                kept; by default the one that the store has now.

        Raises:
            NoSuchObject: There is no such movie.
            BadInput: It has no poses.
            Retriable: The store cannot be reached.
        """
        key = str(folder)
        with self._lock:
            kept = self._cache.get(key)
            waiting = self._opening.setdefault(key, _KeyLock())
        if kept and kept.version == version:
            return kept
        with waiting.lock:
            return self._open_now(key, folder)

    def _open_now(self, key: str, folder: Location) -> OpenMovie:
        record = self._store.stat(find_output(folder).child(RUN_RECORD_FILE))
        with self._lock:
            kept = self._cache.get(key)
        if kept and kept.version == _name_version(record, self._stat_poses(kept.movie)):
            return kept
        movie = read_delivered_movie(self._store, folder)
        poses = self._stat_poses(movie)
        traces = self._load_traces(movie, poses)
        opened = OpenMovie(
            _name_version(record, poses),
            movie,
            traces,
            find_labeled(self._store, movie, traces),
            find_original(self._store, self._settings, movie, traces),
        )
        with self._lock:
            if traces.byte_count <= self._cache.maxsize:
                self._cache[key] = opened
            else:
                self._cache.pop(key, None)
        return opened

    def _stat_poses(self, movie: DeliveredMovie) -> ObjectInfo:
        name = find_pose_file(movie.record)
        if name is None:
            raise BadInput(f"{movie.folder.name}: its record names no poses; run the movie again")
        return self._store.stat(movie.folder.child(name))

    def _load_traces(self, movie: DeliveredMovie, poses: ObjectInfo) -> KeypointTraces:
        if poses.size > MAX_POSE_FILE_BYTES:
            raise BadInput(
                f"{poses.location}: expected at most {MAX_POSE_FILE_BYTES:,} bytes of poses, found "
                f"{poses.size:,}; download the file to look at it"
            )
        with tempfile.TemporaryDirectory(prefix="dlcflow-poses-") as folder:
            path = self._store.local_path(poses)
            if path is None:
                path = Path(folder) / poses.location.name
                self._store.download(poses, path)
            return load_traces(path, movie.record, lambda: self._read_times(movie))

    def _read_times(self, movie: DeliveredMovie) -> AnnotatedTimes:
        form = movie.settings.annotations_format
        info = self._store.stat(movie.output.child(f"annotations.{form.value}"))
        file = RangedFile(self._store, info)
        is_csv = form is AnnotationsFormat.CSV
        if is_csv and info.size > _MAX_CSV_BYTES:
            raise BadInput(f"{info.location}: these annotations are too large to look through")
        return read_annotated_times(cast("Any", file), movie.record.number, is_csv=is_csv)


_MAX_CSV_BYTES = 2**29
"""Bytes of CSV that are looked through for one movie's times."""


class _KeyLock:
    """A lock that lives as long as somebody holds or waits for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def _name_version(*objects: ObjectInfo) -> str:
    texts = [f"{one.location} {one.etag} {one.size}" for one in objects]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
