"""Look into an MP4 or AVI movie: its shape, its rate, and what is unusual about its pictures."""

from pathlib import Path

from tasks.errors import BadInput
from tasks.pose.movies.ffmpeg_container import (
    candidate_frame_rates,
    count_shown_frames,
    list_video_streams,
    open_container,
    read_geometry,
    read_index,
)
from tasks.pose.movies.ffmpeg_reader import decode_frames
from tasks.pose.movies.info import DAMAGED_MOVIE_REMEDY, MovieInfo
from tasks.pose.movies.rgb_conversion import RgbConverter
from tasks.pose.movies.stored_frames import StoredFrames


def probe_with_ffmpeg(path: Path, name: str) -> MovieInfo:
    """Open a movie and decode its first frame; see `tasks.pose.movies.reader.probe_movie`."""
    with open_container(path, name) as (container, stream):
        geometry = read_geometry(path, stream)
        frame = next(decode_frames(container, stream, [], StoredFrames()), None)
        if frame is None:
            raise BadInput(f"{name}: no frame of it can be decoded; {DAMAGED_MOVIE_REMEDY}")
        height, width = RgbConverter(name, geometry)(frame).shape[:2]
        index = read_index(path, stream)
        declared = index.declared_frames if index else count_shown_frames(stream)
        return MovieInfo(
            width=width,
            height=height,
            frame_rate=candidate_frame_rates(stream, name, index)[0],
            declared_frames=declared or None,
            codec=stream.codec_context.name,
            pixel_format=str(stream.codec_context.pix_fmt),
            warnings=(
                *_crop_warnings(geometry.uncropped_columns(frame), geometry.width),
                *_stream_warnings(len(list_video_streams(container)), width, height),
            ),
        )


def _crop_warnings(columns: int, width: int) -> tuple[str, ...]:
    if not columns:
        return ()
    warning = (
        f"its pictures are to be cropped at the left, where FFmpeg leaves {columns} columns; "
        f"OpenCV, and so DeepLabCut, squeezes them into the {width} columns that remain, and so do "
        f"these results: a length across is {100 * columns / (width + columns):.1f} % short"
    )
    return (warning,)


def _stream_warnings(streams: int, width: int, height: int) -> tuple[str, ...]:
    if streams < 2:  # noqa: PLR2004 - there is no other one
        return ()
    warning = (
        f"it holds {streams} videos; the first one ({width}×{height} pixels) is read, as OpenCV "
        "does, and the others are not"
    )
    return (warning,)
