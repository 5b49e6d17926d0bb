"""Look at one movie: what it is, and one of its frames, to draw a crop on."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks.command_line.fetched_movie import fetch_movie, fetch_times
from tasks.command_line.movie_head import can_look_at_head, read_head
from tasks.errors import PoseError
from tasks.pose.movie_inspection.look_into import MovieToInspect, look_into_movie
from tasks.pose.movie_inspection.movie_facts import MovieFacts
from tasks.pose.movie_inspection.needed_parts import find_needed_parts
from tasks.pose.movie_inspection.sample_pictures import read_sample_pictures
from tasks.pose.movies.info import Image
from tasks.pose.movies.reader import open_movie
from tasks.pose.times_settings import TimesSettings
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectInfo
from tasks.storage.store_errors import convert_os_errors

MAX_PICTURE_SIDE = 1600
"""Pixels of a picture's longer side: larger frames are made smaller."""

_QUALITY = 85


@dataclass(frozen=True)
class MovieLook:
    """What a movie is.

    Attributes:
        facts: As ``python -m flows inspect --movie`` prints them.
        picture: A frame from its middle as JPEG, of at most `MAX_PICTURE_SIDE` pixels; None where
            none can be decoded.
    """

    facts: MovieFacts
    picture: bytes | None = None


def look_at_movie(info: ObjectInfo) -> MovieLook:
    """Look at a movie; to be called in a child process, since a stranger's file may crash it.

    Args:
        info: The movie; of a remote one no more is fetched than is needed.

    Raises:
        BadInput: It is no movie.
        Retriable: The store cannot be reached.
    """
    store = LocationStore()
    name = info.location.name
    with (
        convert_os_errors(),
        TemporaryDirectory(prefix="dlcflow-", ignore_cleanup_errors=True) as folder,
    ):
        scratch = Path(folder)
        if can_look_at_head(store, info):
            return MovieLook(*_encode_found(read_head(store, info, scratch)))

        def find_parts(path: Path) -> list[tuple[int, int]]:
            return find_needed_parts(path, name, 1)

        with (
            fetch_times(store, info, TimesSettings(), scratch) as times,
            fetch_movie(store, info, scratch, find_parts) as path,
        ):
            movie = MovieToInspect(path, name, str(info.location), info.size, times)
            facts = look_into_movie(movie, False, None, progress=lambda _frames: None)
            picture = _decode_middle(path, name) if facts.usable else None
            return MovieLook(*_encode_found((facts, picture)))


def _encode_found(found: tuple[MovieFacts, Image | None]) -> tuple[MovieFacts, bytes | None]:
    facts, picture = found
    return facts, None if picture is None else encode_picture(picture)


def _decode_middle(path: Path, name: str) -> Image | None:
    reader = open_movie(path)
    reader.read_listing()
    try:
        pictures = read_sample_pictures(path, name, reader.compute_timing(), 1)
        return next((one.image for one in pictures), None)
    except PoseError:
        return None  # what it is, is known all the same


def encode_picture(image: Image) -> bytes:
    """Encode a frame as JPEG, smaller where it is large.

    Args:
        image: RGB or gray, shape (height, width, 3) or (height, width).
    """
    from PIL import Image as Picture  # noqa: PLC0415

    picture = Picture.fromarray(image)
    picture.thumbnail((MAX_PICTURE_SIDE, MAX_PICTURE_SIDE))
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
