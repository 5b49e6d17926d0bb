"""Pictures that follow each other as JPEGs in a file: counted and measured, never decoded."""

from pathlib import Path

from tasks.errors import BadInput
from tasks.pose.movies.info import DAMAGED_MOVIE_REMEDY, MAX_PIXELS

_FRAME_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers whose segments tell the picture's size (ITU-T T.81, table B.1)."""

_START_OF_SCAN = 0xDA


def count_pictures(path: Path, offset: int, name: str) -> int:
    """Count the pictures in a file as FFmpeg parts them, which is how isx finds them.

    Args:
        path: The file.
        offset: Where the first picture begins, in bytes.
        name: What to call the file in messages.

    Returns:
        How many there are.

    Raises:
        BadInput: One of them claims to be too large for memory.
    """
    import av  # noqa: PLC0415

    av.logging.set_level(None)  # as in tasks.pose.movies.ffmpeg_container
    options = {"skip_initial_bytes": str(offset), "protocol_whitelist": "file"}
    count = 0
    try:
        with av.open(f"file:{path.absolute()}", format="mjpeg", options=options) as pictures:
            for packet in pictures.demux(video=0):
                if packet.size:
                    _check_picture_size(bytes(packet), name)
                    count += 1
    except (av.FFmpegError, ValueError, IndexError):
        return count
    return count


def _check_picture_size(picture: bytes, name: str) -> None:
    width, height = parse_picture_size(picture)
    if width * height > MAX_PIXELS:
        raise BadInput(
            f"{name}: it claims frames of {width}×{height} pixels, more than the {MAX_PIXELS:,} "
            f"pixels allowed; {DAMAGED_MOVIE_REMEDY}"
        )


def parse_picture_size(picture: bytes) -> tuple[int, int]:
    """Columns and rows that a JPEG claims; 0, 0 where it claims none."""
    place = 2
    while place + 9 <= len(picture) and picture[place] == 0xFF:  # noqa: PLR2004
        marker = picture[place + 1]
        if marker in _FRAME_SIZE_MARKERS:
            height, width = picture[place + 5 : place + 7], picture[place + 7 : place + 9]
            return int.from_bytes(width), int.from_bytes(height)
        if marker == _START_OF_SCAN:
            break
        place += 2 + int.from_bytes(picture[place + 2 : place + 4])
    return 0, 0
