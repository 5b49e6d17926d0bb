"""The stages that bring a model and movies to the local disk, verified."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import Retriable
from tasks.full_disk import explain_full_disk
from tasks.pose.results.file_names import LABELED_MOVIE_FILE
from tasks.pose.results.run_record import InputObject
from tasks.run_data import (
    EXPORTS_FOLDER,
    INPUT_FOLDER,
    FetchedInput,
    MovieSource,
    ResolvedRequest,
)
from tasks.stages.progress import Progress
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.stage import stage
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import CHANGED_MESSAGE

MAX_NAME_BYTES = 200
"""Bytes of a file's name that every file system takes, with some left for suffixes."""


@contextmanager
def create_movie_folder(scratch: Path, movie: MovieSource) -> Iterator[Path]:
    """A movie's own scratch folder; what is large in it goes as soon as the movie is done.

    Poses and previews stay: the annotations and the report need them at the end. Local originals
    lie elsewhere and are never touched.
    """
    folder = scratch / str(movie.number)
    folder.mkdir()  # not without the run's own: what nobody holds is never swept
    (folder / INPUT_FOLDER).mkdir()
    try:
        yield folder
    finally:
        for done in (INPUT_FOLDER, EXPORTS_FOLDER):
            shutil.rmtree(folder / done, ignore_errors=True)
        (folder / LABELED_MOVIE_FILE).unlink(missing_ok=True)


@stage("Fetch model", "fetch model · {request.model.location.name}", retries=STORE_RETRIES)
def fetch_model(request: ResolvedRequest, folder: Path) -> tuple[FetchedInput, str]:
    """Bring the model's zip to the local disk, verified."""
    info = request.model
    target = folder / "model.zip"
    return fetch_input(request.store, info, target, f"fetch {info.location.name}")


@stage("Fetch movie", "fetch · {movie.name}", retries=STORE_RETRIES)
def fetch_movie(movie: MovieSource, store: ObjectStore, folder: Path) -> tuple[FetchedInput, str]:
    """Bring a movie to the local disk, verified."""
    name = movie.name if len(movie.name.encode()) <= MAX_NAME_BYTES else "movie"
    target = folder / f"{name}{movie.info.location.suffix.lower()}"
    return fetch_input(store, movie.info, target, f"fetch · {movie.name}")


@stage("Fetch times", "fetch times · {movie.name}", retries=STORE_RETRIES)
def fetch_times(movie: MovieSource, store: ObjectStore, folder: Path) -> tuple[FetchedInput, str]:
    """Bring the file with the times of a movie's frames to the local disk, verified."""
    assert movie.times is not None
    target = folder / f"times{movie.times.location.suffix.lower()}"
    return fetch_input(store, movie.times, target, f"fetch times · {movie.name}")


def fetch_input(
    store: ObjectStore, info: ObjectInfo, target: Path, what: str
) -> tuple[FetchedInput, str]:
    """Download an object, or take a local file where it is."""
    # Asked again, since a listing knows no digest, and an object may have been replaced.
    info = store.stat(info.location)
    path = store.local_path(info)
    with Progress(what, info.size, "bytes") as progress, explain_full_disk(target.parent):
        if path is None:
            path, sha256 = target, store.download(info, target, progress.add)
        else:
            sha256 = store.known_sha256(info) or ""
    if store.stat(info.location).etag != info.etag:
        raise Retriable(f"{info.location}: {CHANGED_MESSAGE}")
    fetched = InputObject(
        location=str(info.location),
        size=info.size,
        etag=info.etag,
        version=info.version,
        sha256=sha256,
    )
    return FetchedInput(path, fetched), f"{info.size:,} bytes, SHA-256 {sha256[:12]}…"
