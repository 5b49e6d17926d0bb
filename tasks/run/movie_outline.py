"""Fetch only those bytes of a remote MP4 that tell what it is: an hour of film in seconds."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from tasks.pose.movies.mp4_boxes import Box, read_boxes
from tasks.storage.ranged_file import RangedFile
from tasks.storage.store import ObjectInfo, ObjectStore

MIN_SIZE = 2**25
"""Bytes below which a movie is fetched whole: that takes a second."""

_MAX_TABLES = 2**27
"""Bytes of tables that are fetched; those of a day of film have some 40 MB."""

_MAX_BOXES = 64
"""Boxes of a file that is no sequence of fragments; those are fetched whole."""

_PIECE = 2**23
"""Bytes of one request."""


def fetch_outline(
    store: ObjectStore,
    info: ObjectInfo,
    path: Path,
    find_parts: Callable[[Path], list[tuple[int, int]]],
) -> bool:
    """Make a file that is as long as an MP4 and has its tables, and zeros in place of most frames.

    Args:
        store: Where the MP4 is.
        info: The MP4.
        path: The file to make; what is left out of it takes no room.
        find_parts: Finds in it which frames' bytes are needed beside, as begin and end of each.

    Returns:
        Whether it was made: not where the whole movie is as easily fetched.

    Raises:
        PoseError: As the store raises it.
    """
    if info.location.suffix.lower() != ".mp4" or info.size < MIN_SIZE:
        return False
    reader = cast("BinaryIO", RangedFile(store, info, _SMALL_BLOCK))
    boxes = list(islice(read_boxes(reader, 0, info.size), _MAX_BOXES + 1))
    kinds = {box.kind for box in boxes}
    tables = [box for box in boxes if box.kind != b"mdat"]
    size = sum(box.end - box.place for box in tables)
    if len(boxes) > _MAX_BOXES or b"moof" in kinds or b"moov" not in kinds or size > _MAX_TABLES:
        return False
    with path.open("wb") as file:
        file.truncate(info.size)
        for begin, end in map(_bytes_of_box, boxes):
            _copy_part(store, info, file, begin, end)
    parts = find_parts(path)
    with path.open("r+b") as file:
        for begin, end in parts:
            _copy_part(store, info, file, begin, end)
    return True


_SMALL_BLOCK = 2**14
"""Bytes that are asked for to read the head of a box."""


def _bytes_of_box(box: Box) -> tuple[int, int]:
    return box.place, box.start if box.kind == b"mdat" else box.end


def _copy_part(store: ObjectStore, info: ObjectInfo, file: BinaryIO, begin: int, end: int) -> None:
    end = min(end, info.size)
    for start in range(begin, end, _PIECE):
        file.seek(start)
        file.write(store.read_part(info.location, start, min(_PIECE, end - start)))
