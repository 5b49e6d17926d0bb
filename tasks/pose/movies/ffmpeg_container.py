"""Open MP4 and AVI movies with FFmpeg, safely, and read what their containers say."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.pose.movies.avi_index import AviIndex, find_wrong_index, read_avi_index
from tasks.pose.movies.info import DAMAGED_MOVIE_REMEDY, MAX_FRAME_RATE, MAX_PIXELS
from tasks.pose.movies.mp4_boxes import find_break, find_second_movie, read_rotation
from tasks.pose.movies.other_formats import recognize_format
from tasks.pose.movies.rgb_conversion import PictureGeometry, error_reason

DECODER_THREADS = 4
"""A fixed number: what FFmpeg rescues of a damaged movie depends on it, and workers differ."""


@contextmanager
def open_container(path: Path, name: str) -> Iterator[tuple[Any, Any]]:
    """Open a movie with FFmpeg, confined to the file itself and to the containers we know.

    Without the two lists, a play list or a concatenation script that is called ``.mp4`` would make
    FFmpeg read other files and addresses.

    Yields:
        The container, and the stream that OpenCV takes too: the first that is no cover picture.
    """
    import av  # noqa: PLC0415 - a form or a scheduler that loads this module needs no codecs

    if path.stat().st_size == 0:
        raise BadInput(f"{name}: the file is empty (0 bytes); copy it again")
    # torchvision turns PyAV's logging on. A decoder thread that logs then waits for the thread
    # that closes the decoder, which waits for it: the process would hang.
    av.logging.set_level(None)
    _refuse_joined_movies(path, name)
    confined = {"protocol_whitelist": "file,subfile", "format_whitelist": "mov,avi"}
    broken, address = find_break(path), f"file:{path}"
    if broken is not None and broken.hides_the_rest:
        # FFmpeg refuses a file whose last fragment breaks off within its header, for all others.
        address = f"subfile,,start,0,end,{broken.start},,:{address}"
    elif (place := find_wrong_index(path)) is not None:
        # Of a file without an index, FFmpeg reads picture by picture.
        address = f"subfile,,start,0,end,{place},,:{address}"
    try:
        container = av.open(address, options=confined, metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        found = recognize_format(path, name) or (
            "found a file that cannot be opened as one, or only a part of one "
            f"({error_reason(error)}); {DAMAGED_MOVIE_REMEDY}"
        )
        raise BadInput(f"{name}: expected an MP4 or AVI movie, {found}") from error
    with container:
        try:
            stream = _select_video_stream(container, name)
        except BadInput as error:
            if broken is None or broken.kind != b"moov":
                raise
            raise BadInput(
                f"{name}: the file breaks off within its header, before its first frame; copy it "
                "again"
            ) from error
        yield container, stream


def _refuse_joined_movies(path: Path, name: str) -> None:
    if (place := find_second_movie(path)) is None:
        return
    source, stem = shlex.quote(name), Path(name).stem
    parts = (shlex.quote(f"{stem}-1.mp4"), shlex.quote(f"{stem}-2.mp4"))
    raise BadInput(
        f"{name}: expected one movie, found two whose files were joined, of which FFmpeg reads one "
        f"or mixes both; part them: head -c {place} {source} > {parts[0]} and "
        f"tail -c +{place + 1} {source} > {parts[1]}"
    )


def list_video_streams(container: Any) -> list[Any]:
    """List a movie's video streams without cover pictures; the first is the one that is read."""
    from av.stream import Disposition  # noqa: PLC0415

    covers = Disposition.attached_pic
    return [stream for stream in container.streams.video if not stream.disposition & covers]


def _select_video_stream(container: Any, name: str) -> Any:
    stream = next(iter(list_video_streams(container)), None)
    if stream is None:
        raise BadInput(f"{name}: it holds no video (sound only?); {DAMAGED_MOVIE_REMEDY}")
    if stream.codec_context is None:
        raise BadInput(f"{name}: its video codec is unknown; convert it to H.264 and send that")
    if stream.width * stream.height > MAX_PIXELS:
        raise BadInput(
            f"{name}: it claims frames of {stream.width}×{stream.height} pixels, more than the "
            f"{MAX_PIXELS:,} pixels allowed; {DAMAGED_MOVIE_REMEDY}"
        )
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = DECODER_THREADS
    return stream


def read_geometry(path: Path, stream: Any) -> PictureGeometry:
    """Read what makes pictures of frames; it is to be done before the first one is decoded."""
    return PictureGeometry(
        degrees=read_rotation(path, stream.id) if has_frame_times(stream) else 0,
        width=stream.width,
        height=stream.height,
        crops=stream.codec_context.name in {"h264", "hevc", "vvc"},
    )


def count_shown_frames(stream: Any) -> int:
    """Frames that the container declares, without those that its edit list hides."""
    entries = stream.index_entries
    if not (stream.frames and len(entries) and has_frame_times(stream)):
        return int(stream.frames)
    return sum(not entry.is_discard for entry in entries)


def has_frame_times(stream: Any) -> bool:
    """Return whether the container stores presentation times and hidden frames."""
    return "mp4" in stream.container.format.name


def read_index(path: Path, stream: Any) -> AviIndex | None:
    """Read the index of an AVI; None for an MP4, whose tables FFmpeg tells."""
    return None if has_frame_times(stream) else read_avi_index(path, stream.index, stream.frames)


def candidate_frame_rates(stream: Any, name: str, index: AviIndex | None) -> tuple[Fraction, ...]:
    """The frame rates that a container claims, without repeats and nonsense."""
    claims = [stream.average_rate, stream.base_rate, stream.guessed_rate]
    if index is not None and index.step > 1:
        # The container's rate is that of its places.
        steps = Fraction(int(index.pictures[-1] - index.pictures[0]), len(index.pictures) - 1)
        average = 1 / (steps * stream.time_base)
        claims = [average, Fraction(round(average)), 1 / (index.step * stream.time_base)]
    claimed = [Fraction(rate) for rate in claims if rate and rate > 0]
    rates = tuple(dict.fromkeys(rate for rate in claimed if rate <= MAX_FRAME_RATE))
    if claimed and not rates:
        raise BadInput(
            f"{name}: it declares {float(claimed[0]):,g} frames/s, more than the "
            f"{MAX_FRAME_RATE:,} allowed; convert it with the frame rate that it was recorded at"
        )
    if not rates:
        raise BadInput(f"{name}: it declares no frame rate; {DAMAGED_MOVIE_REMEDY}")
    return rates
