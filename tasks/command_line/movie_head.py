"""Look at the beginning of a large remote movie that is no MP4: what it declares, no more."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import numpy as np

from tasks.pose.movie_inspection.movie_facts import MovieFacts
from tasks.pose.movies.info import Image, MovieInfo
from tasks.pose.movies.isxb.isxb_format import (
    HEADER_SIZE,
    RecordingHeader,
    parse_header,
    parse_session,
)
from tasks.pose.movies.reader import RECORDING_SUFFIX, open_movie, probe_movie
from tasks.processes.stage_process import StageProcess
from tasks.processes.watchdog import Patience
from tasks.run.movie_outline import MIN_SIZE
from tasks.storage.store import ObjectInfo, ObjectStore

_HEAD_BYTES = 2**23
"""Bytes at the beginning of an AVI that hold its header and some frames."""


def can_look_at_head(store: ObjectStore, info: ObjectInfo) -> bool:
    """Return whether a movie is remote, large and of a format whose beginning tells what it is."""
    is_other = info.location.suffix.lower() in {".avi", RECORDING_SUFFIX}
    return is_other and info.size >= MIN_SIZE and store.local_path(info) is None


def look_at_head(
    store: ObjectStore, info: ObjectInfo, scratch: Path, process: StageProcess
) -> MovieFacts:
    """Read what a movie declares at its beginning.

    Args:
        store: Where it is.
        info: An .avi or .isxb.
        scratch: Folder for its beginning.
        process: Opens it: a file from a stranger may crash a decoder.

    Returns:
        Size of its frames, and how many it declares.

    Raises:
        BadInput: It is no such movie.
        Retriable: The store fails.
    """
    if info.location.suffix.lower() == RECORDING_SUFFIX:
        return _read_recording(store, info)[0]
    name = info.location.name
    with _fetch_head(store, info, scratch) as path:
        found = process.call(probe_movie, path, name, patience=Patience(name))
    return _describe_avi(info, found)


def read_head(
    store: ObjectStore, info: ObjectInfo, scratch: Path
) -> tuple[MovieFacts, Image | None]:
    """Read what a movie declares at its beginning, and its first frame, in this process.

    Args:
        store: Where it is.
        info: An .avi or .isxb.
        scratch: Folder for its beginning.

    Returns:
        As `look_at_head`, and the frame; None where it cannot be decoded.

    Raises:
        BadInput: It is no such movie.
        Retriable: The store fails.
    """
    if info.location.suffix.lower() == RECORDING_SUFFIX:
        facts, header = _read_recording(store, info)
        return facts, _decode_first_jpeg(store, info, header)
    with _fetch_head(store, info, scratch) as path:
        found = probe_movie(path, info.location.name)
        image = next(open_movie(path).read_lazy_images(), None)
        return _describe_avi(info, found), image() if image else None


@contextmanager
def _fetch_head(store: ObjectStore, info: ObjectInfo, scratch: Path) -> Iterator[Path]:
    """A file with the movie's beginning; it breaks off, so that its header counts the frames."""
    path = scratch / "head.avi"
    try:
        path.write_bytes(store.read_part(info.location, 0, min(_HEAD_BYTES, info.size)))
        yield path
    finally:
        path.unlink(missing_ok=True)


def _describe_avi(info: ObjectInfo, found: MovieInfo) -> MovieFacts:
    return MovieFacts(
        location=str(info.location),
        usable=True,
        size=info.size,
        codec=found.codec,
        width=found.width,
        height=found.height,
        declared_frames=found.declared_frames,
        frames=found.declared_frames,
        frame_rate=float(found.frame_rate),
    )


def _read_recording(store: ObjectStore, info: ObjectInfo) -> tuple[MovieFacts, RecordingHeader]:
    name = info.location.name
    data = store.read_part(info.location, 0, min(HEADER_SIZE, info.size))
    header = parse_header(data, info.size, name)
    place = header.session
    session = parse_session(store.read_part(info.location, place.offset, place.size), header, name)
    facts = MovieFacts(
        location=str(info.location),
        usable=True,
        size=info.size,
        codec="mjpeg",
        width=session.width,
        height=session.height,
        declared_frames=header.stored + header.dropped,
        frames=header.stored,
        dropped_frames=header.dropped,
        frame_rate=float(session.rate) if session.rate else None,
    )
    return facts, header


def _decode_first_jpeg(
    store: ObjectStore, info: ObjectInfo, header: RecordingHeader
) -> Image | None:
    """The first picture, gray; they are JPEGs one after the other."""
    from PIL import Image as Picture  # noqa: PLC0415

    video = header.video
    data = store.read_part(info.location, video.offset, min(_HEAD_BYTES, video.size))
    with suppress(OSError, Picture.DecompressionBombError):
        return np.asarray(Picture.open(BytesIO(data)).convert("L"))
    return None
