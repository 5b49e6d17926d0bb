"""Files that are called MP4 and are something else are told what they are, and how to mend them."""

import shlex
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tasks.errors import BadInput
from tasks.pose.movies.other_formats import recognize_format
from tasks.pose.movies.reader import open_movie, probe_movie
from tests.support.avi_files import read_packets
from tests.support.movie_files import write_movie


def write_as(path: Path, form: str, codec: str, options: dict[str, str], rate: int = 30) -> Path:
    """Write a movie in a format that its name does not tell."""
    pixel_format = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    known = path.with_name(f"written.{'avi' if form == 'm4v' else form}")
    write_movie(known, 6, rate=rate, codec=codec, pixel_format=pixel_format, options=options)
    if form != "m4v":
        return known.rename(path)
    path.write_bytes(b"".join(read_packets(known)))  # by its name, it would be an MP4
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        probe_movie(path, path.name)
    with pytest.raises(BadInput) as again:
        list(open_movie(path))
    (line,) = str(caught.value).splitlines()
    assert line == str(again.value)
    assert line.startswith(f"{path.name}: expected an MP4 or AVI movie, found ")
    return line


@pytest.mark.parametrize(
    ("form", "codec", "options", "name", "made_of"),
    [
        ("h264", "libx264", {"bf": "0"}, "a bare H.264 stream", "-framerate 50 -f h264"),
        ("hevc", "libx265", {"x265-params": "bframes=0:log-level=none"}, "a bare HEVC", "-f hevc"),
        ("m4v", "mpeg4", {}, "a bare MPEG-4 stream", "-framerate 50 -f m4v"),
        ("m1v", "mpeg1video", {"bf": "0"}, "a bare MPEG-1 or MPEG-2 stream", "-f mpegvideo"),
        ("mjpeg", "mjpeg", {}, "a bare MJPEG stream", "-framerate 30 -f mjpeg"),
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "avi"])
def test_a_bare_stream_is_called_one_with_the_command_that_mends_it(
    tmp_path: Path,
    form: str,
    codec: str,
    options: dict[str, str],
    name: str,
    made_of: str,
    suffix: str,
) -> None:
    text = refusal(write_as(tmp_path / f"my movie.{suffix}", form, codec, options, 50))
    assert f"found {name}" in text
    assert "plays but does not say when its frames are shown" in text
    assert made_of in text
    rate = "for example 30" if codec == "mjpeg" else "by the stream 50"
    assert f"the frame rate that it was recorded at ({rate})" in text
    arguments = shlex.split(text[text.index("ffmpeg ") :])
    assert arguments[arguments.index("-i") + 1] == f"my movie.{suffix}"
    assert arguments[-3:-1] == ["-c", "copy"]
    assert arguments[-1] in {"my movie-with-times.mp4", "my movie-with-times.avi"}


@pytest.mark.parametrize(
    ("codec", "options", "how"),
    [
        ("libx264", {"bf": "2", "b_strategy": "0"}, "-c copy m-with-times.avi"),
        ("libx265", {"x265-params": "log-level=none"}, "-c:v libx264 -crf 10 m-with-times.mp4"),
    ],
)
def test_frames_in_another_order_than_they_are_shown_in_keep_all_of_them(
    tmp_path: Path, codec: str, options: dict[str, str], how: str
) -> None:
    form = {"libx264": "h264", "libx265": "hevc"}[codec]
    assert refusal(write_as(tmp_path / "m.mp4", form, codec, options)).endswith(how)


def test_what_the_command_makes_is_read(tmp_path: Path) -> None:
    """As FFmpeg's own program makes it: packets of the bare stream, at even times."""
    path = write_as(tmp_path / "m.mp4", "h264", "libx264", {"bf": "0"})
    target = tmp_path / "m-with-times.mp4"
    with (
        av.open(str(path), format="h264", options={"framerate": "50"}) as source,
        av.open(str(target), "w") as movie,
    ):
        copy = movie.add_stream_from_template(source.streams.video[0])
        packets = (packet for packet in source.demux(video=0) if packet.size)
        for index, packet in enumerate(packets):
            packet.pts = packet.dts = index
            packet.time_base = Fraction(1, 50)
            packet.stream = copy
            movie.mux(packet)
    reader = open_movie(target)
    assert len(list(reader)) == 6
    assert reader.compute_timing().frame_rate == 50


def test_a_camera_that_was_already_running(tmp_path: Path) -> None:
    """Its stream may begin with a picture, whose parameters came before."""
    path = tmp_path / "m.mp4"
    path.write_bytes(b"\0\0\0\1\x65" + bytes(range(1, 200)))
    assert "found a bare H.264 stream" in refusal(path)


@pytest.mark.parametrize(
    ("form", "codec", "name"),
    [
        ("mkv", "libx264", "a Matroska or WebM movie"),
        ("ts", "libx264", "an MPEG transport stream"),
        ("mpg", "mpeg2video", "an MPEG program stream"),
        ("wmv", "wmv2", "a Windows Media movie"),
        ("flv", "libx264", "a Flash movie"),
    ],
)
def test_another_container(tmp_path: Path, form: str, codec: str, name: str) -> None:
    text = refusal(write_as(tmp_path / "m.mp4", form, codec, {}))
    assert f"found {name} of that name" in text
    assert text.endswith("ffmpeg -i m.mp4 -c copy m-with-times.mp4")


@pytest.mark.parametrize("size", [0x20, 0x105, 0x120, 0x1B0])
def test_an_mp4_that_breaks_off_is_called_one(tmp_path: Path, size: int) -> None:
    path = tmp_path / "m.mp4"
    path.write_bytes(size.to_bytes(4, "big") + b"ftypisom" + bytes(500))
    assert "found an MP4 that lacks its header (moov)" in refusal(path)


def test_an_mp4_with_a_header_that_is_damaged_has_no_name(tmp_path: Path) -> None:
    path = tmp_path / "m.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x20moov" + bytes(24))
    assert recognize_format(path, "m.mp4") is None
