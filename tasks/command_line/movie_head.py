"""Look at the beginning of a large remote movie that is no MP4: what it declares, no more."""

from pathlib import Path

from tasks.pose.movie_inspection.movie_facts import MovieFacts
from tasks.pose.movies.isxb.isxb_format import HEADER_SIZE, parse_header, parse_session
from tasks.pose.movies.reader import RECORDING_SUFFIX, probe_movie
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
        return _read_recording(store, info)
    path = scratch / "head.avi"
    try:
        with path.open("wb") as file:
            file.write(store.read_part(info.location, 0, min(_HEAD_BYTES, info.size)))
            file.truncate(info.size)
        name = info.location.name
        found = process.call(probe_movie, path, name, patience=Patience(name))
    finally:
        path.unlink(missing_ok=True)
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


def _read_recording(store: ObjectStore, info: ObjectInfo) -> MovieFacts:
    name = info.location.name
    data = store.read_part(info.location, 0, min(HEADER_SIZE, info.size))
    header = parse_header(data, info.size, name)
    place = header.session
    session = parse_session(store.read_part(info.location, place.offset, place.size), header, name)
    return MovieFacts(
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
