"""Movies that are looked into as local files: of remote ones, no more is fetched than is needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import Retriable
from tasks.pose.movie_inspection.look_into import TimesToInspect
from tasks.pose.times_settings import TimesSettings
from tasks.run.find_times import find_times_files
from tasks.run.movie_outline import fetch_outline
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import CHANGED_MESSAGE


@contextmanager
def fetch_times(
    store: ObjectStore, movie: ObjectInfo, settings: TimesSettings, scratch: Path
) -> Iterator[TimesToInspect | None]:
    """A movie's times file as a local file; a remote one is not kept.

    Args:
        store: Where both are.
        movie: The movie.
        settings: Which file has its times.
        scratch: Folder for a remote one.

    Yields:
        The file; None where there is none.

    Raises:
        PoseError: As the store raises it.
    """
    (info,) = find_times_files(store, [movie], settings)
    if info is None:
        yield None
        return
    local = store.local_path(info)
    path = local or scratch / f"times{info.location.suffix.lower()}"
    try:
        if local is None:
            store.download(info, path)
        yield TimesToInspect(path, info.location.name, str(info.location), settings)
    finally:
        if local is None:
            path.unlink(missing_ok=True)


@contextmanager
def fetch_movie(
    store: ObjectStore,
    info: ObjectInfo,
    scratch: Path,
    find_parts: Callable[[Path], list[tuple[int, int]]] | None,
) -> Iterator[Path]:
    """A movie as a local file; of a remote one, what is needed is fetched, and not kept.

    Args:
        store: Where it is.
        info: The movie.
        scratch: Folder for a remote one.
        find_parts: Finds which frames' bytes are needed; None where all are.

    Yields:
        The file; what is not needed of it may be zeros.

    Raises:
        PoseError: As the store raises it.
    """
    local = store.local_path(info)
    if local is not None:
        yield local
        return
    path = scratch / f"movie{info.location.suffix.lower()}"
    try:
        if find_parts is None or not fetch_outline(store, info, path, find_parts):
            store.download(info, path)
        elif store.stat(info.location).etag != info.etag:
            raise Retriable(f"{info.location}: {CHANGED_MESSAGE}")
        yield path
    finally:
        path.unlink(missing_ok=True)
