from __future__ import annotations

import resource
import signal
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from tasks.pose.drawing.frame_painter import FramePainter
from tasks.pose.drawing.labeled_movie import write_labeled_movie
from tasks.pose.drawing.movie_writer import FrameClock, MovieWriter
from tests.support.paths import ROOT
from tests.support.pose_tables import (
    PLAIN_STYLE,
    SINGLE_ANIMAL,
    make_noise_frames,
    make_scattered_poses,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

THIRTY = Fraction(30)
KEYPOINTS_ONLY = replace(PLAIN_STYLE, keypoints_only=True)


def smooth(frames: int, size: tuple[int, int] = (120, 90)) -> np.ndarray:
    """Frames that survive encoding: slow ramps of color that move."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    one = np.stack([x * 255 // size[0], y * 255 // size[1], (x + y) * 255 // sum(size)], axis=-1)
    return np.stack([np.roll(one, step, axis=1) for step in range(frames)]).astype(np.uint8)


def decode(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def shown_at(path: Path) -> list[Fraction]:
    """Presentation times in seconds."""
    return [Fraction(frame.pts or 0) * (frame.time_base or 0) for frame in decode(path)]


def duration(path: Path) -> Fraction:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        return stream.duration * stream.time_base


def atoms(path: Path) -> list[str]:
    """The names of the file's top-level boxes, in order."""
    data, position, names = path.read_bytes(), 0, []
    while position < len(data):
        names.append(data[position + 4 : position + 8].decode())
        position += int.from_bytes(data[position : position + 4], "big")
    return names


def write(path: Path, frames: np.ndarray, **options: object) -> int:
    rate = {"frame_rate": THIRTY, **options}
    poses = make_scattered_poses(SINGLE_ANIMAL, len(frames))
    return write_labeled_movie(iter(frames), poses, path, PLAIN_STYLE, **rate)  # type: ignore[arg-type]


def test_browsers_can_play_and_seek_it(tmp_path: Path) -> None:
    movie = tmp_path / "m.mp4"
    assert write(movie, smooth(65)) == 65
    with av.open(str(movie)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.width, context.height) == (120, 90)
        assert (context.color_range, context.colorspace) == (1, 1)
        assert (context.color_primaries, context.color_trc) == (1, 1)
        assert stream.frames == 65
        packets = [packet for packet in container.demux(stream) if packet.size]
    key_frames = [index for index, packet in enumerate(packets) if packet.is_keyframe]
    assert key_frames[0] == 0
    assert np.diff([*key_frames, 65]).max() <= 30
    assert all(packet.pts == packet.dts for packet in packets)
    names = atoms(movie)
    assert names.index("moov") < names.index("mdat")


def test_the_pictures_are_those_that_were_painted(tmp_path: Path) -> None:
    frames, poses = smooth(5), make_scattered_poses(SINGLE_ANIMAL, 5)
    painter = FramePainter(poses, PLAIN_STYLE)
    expected = [painter.paint_image(frame.copy(), index) for index, frame in enumerate(frames)]
    write_labeled_movie(frames, poses, tmp_path / "m.mp4", PLAIN_STYLE, frame_rate=THIRTY)
    found = [frame.to_ndarray(format="rgb24") for frame in decode(tmp_path / "m.mp4")]
    # Dots lose the sharp edge of their color, which has half the resolution.
    assert np.abs(np.subtract(found, expected, dtype=float)).mean() < 4


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 180, 235), (128, 0, 255), (255, 255, 255)])
@pytest.mark.parametrize("size", [(64, 64), (1280, 720)])
def test_colors_survive(tmp_path: Path, color: tuple[int, ...], size: tuple[int, int]) -> None:
    picture = np.broadcast_to(np.array(color, np.uint8), (size[1], size[0], 3))
    with MovieWriter(tmp_path / "m.mp4", FrameClock.from_frame_rate(THIRTY)) as writer:
        writer.write(picture)
    [frame] = decode(tmp_path / "m.mp4")
    found = frame.to_ndarray(format="rgb24")[size[1] // 2, size[0] // 2]
    assert np.abs(found.astype(int) - color).max() <= 3


@pytest.mark.parametrize("size", [(121, 90), (120, 91), (33, 17), (1, 1)])
def test_odd_sides_are_padded_with_what_is_there(tmp_path: Path, size: tuple[int, int]) -> None:
    with MovieWriter(tmp_path / "m.mp4", FrameClock.from_frame_rate(THIRTY)) as writer:
        writer.write(np.full((size[1], size[0], 3), 200, np.uint8))
    [frame] = decode(tmp_path / "m.mp4")
    assert (frame.width, frame.height) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - 200).max() <= 3


@pytest.mark.parametrize(
    "rate",
    [Fraction(30), Fraction(500), Fraction(30000, 1001), Fraction(1, 10), Fraction(123457, 1234)],
    ids=str,
)
@pytest.mark.parametrize("count", [1, 2, 40])
def test_a_constant_rate_is_exact(tmp_path: Path, rate: Fraction, count: int) -> None:
    movie = tmp_path / "m.mp4"
    assert write(movie, make_noise_frames(count, (32, 32)), frame_rate=rate) == count
    assert shown_at(movie) == [index / rate for index in range(count)]
    assert duration(movie) == count / rate
    with av.open(str(movie)) as container:
        assert container.streams.video[0].average_rate == rate


def test_a_rate_that_no_container_can_hold_is_rounded(tmp_path: Path) -> None:
    rate = Fraction(29.97)
    write(tmp_path / "m.mp4", make_noise_frames(30, (32, 32)), frame_rate=rate)
    assert np.allclose([float(t) for t in shown_at(tmp_path / "m.mp4")], np.arange(30) / 29.97)


def test_times_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    times = 7 + np.array([0.0, 0.033, 0.1, 0.100001, 1.5, 12.25])
    write(tmp_path / "m.mp4", make_noise_frames(6, (32, 32)), times=times)
    found = np.array([float(t) for t in shown_at(tmp_path / "m.mp4")])
    assert np.abs(found - (times - 7)).max() <= 1.5 / 90_000
    assert (np.diff(found) > 0).all()
    assert duration(tmp_path / "m.mp4") > Fraction(12.25)


def test_one_frame_with_its_time(tmp_path: Path) -> None:
    write(tmp_path / "m.mp4", make_noise_frames(1, (32, 32)), times=np.array([3.5]))
    assert shown_at(tmp_path / "m.mp4") == [0]
    assert abs(duration(tmp_path / "m.mp4") - 1 / THIRTY) < Fraction(1, 1000)


@pytest.mark.parametrize("times", [[0, 1, 1], [0, 2, 1], [0, 1, np.nan], [0, 1], [0, 1, np.inf]])
def test_times_that_cannot_be_are_refused(tmp_path: Path, times: list[float]) -> None:
    with pytest.raises(ValueError, match="times"):
        write(tmp_path / "m.mp4", make_noise_frames(3, (32, 32)), times=np.array(times))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate", [Fraction(0), Fraction(-30)])
def test_a_rate_that_cannot_be_is_refused(tmp_path: Path, rate: Fraction) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        write(tmp_path / "m.mp4", make_noise_frames(3, (32, 32)), frame_rate=rate)


@pytest.mark.parametrize(
    ("rate", "gop"), [(Fraction(1, 10), 1), (THIRTY, 30), (Fraction(500), 250)]
)
def test_key_frames_come_every_second_or_so(tmp_path: Path, rate: Fraction, gop: int) -> None:
    with MovieWriter(tmp_path / "m.mp4", FrameClock.from_frame_rate(rate)) as writer:
        for _ in range(gop + 1):
            writer.write(np.zeros((32, 32, 3), np.uint8))
    kinds = [frame.pict_type == PictureType.I for frame in decode(tmp_path / "m.mp4")]
    assert np.flatnonzero(kinds).tolist() == [0, gop]


@pytest.mark.parametrize(
    ("frames", "message"), [(2, "only 2 frames for 3 poses"), (4, "more frames than its 3 poses")]
)
def test_frames_and_poses_must_agree(tmp_path: Path, frames: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_labeled_movie(
            make_noise_frames(frames),
            make_scattered_poses(SINGLE_ANIMAL, 3),
            tmp_path / "m.mp4",
            PLAIN_STYLE,
            frame_rate=THIRTY,
        )
    assert not list(tmp_path.iterdir())


def test_an_endless_movie_ends(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more frames"):
        write_labeled_movie(
            repeat(make_noise_frames(1)[0]),
            make_scattered_poses(SINGLE_ANIMAL, 3),
            tmp_path / "m.mp4",
            PLAIN_STYLE,
            frame_rate=THIRTY,
        )


def test_no_poses_make_no_movie(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one pose"):
        write(tmp_path / "m.mp4", make_noise_frames(0))
    assert not list(tmp_path.iterdir())


def test_a_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    frames: list[np.ndarray] = [make_noise_frames(1)[0], make_noise_frames(1, (64, 48))[0]]
    with pytest.raises(
        ValueError, match="Frame 1 is 64×48 pixels, the frames before it are 120×90"
    ):
        write_labeled_movie(
            frames,
            make_scattered_poses(SINGLE_ANIMAL, 2),
            tmp_path / "m.mp4",
            PLAIN_STYLE,
            frame_rate=THIRTY,
        )
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_of_a_movie_that_broke(tmp_path: Path) -> None:
    def breaking() -> Iterator[np.ndarray]:
        yield from make_noise_frames(4)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_labeled_movie(
            breaking(),
            make_scattered_poses(SINGLE_ANIMAL, 9),
            tmp_path / "m.mp4",
            PLAIN_STYLE,
            frame_rate=THIRTY,
        )
    assert not list(tmp_path.iterdir())


def test_a_broken_movie_ends_where_messages_go_to_python(tmp_path: Path) -> None:
    """PyAV frees an encoder while it holds Python's lock; an encoder at work would wait for it."""
    script = """
import sys
from fractions import Fraction
from pathlib import Path
import av.logging
import numpy as np
from tasks.pose.drawing.movie_writer import FrameClock, MovieWriter
av.logging.set_level(av.logging.ERROR)  # as torchvision does
writer = MovieWriter(Path(sys.argv[1]), FrameClock.from_frame_rate(Fraction(30)), threads=2)
try:
    with writer:
        for frame in np.random.default_rng(7).integers(0, 256, (2, 90, 120, 3), np.uint8):
            writer.write(frame)
        raise InterruptedError
except InterruptedError:
    del writer
print("ended")
"""
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "m.mp4")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == "ended\n"
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error_not_a_short_movie(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write(tmp_path / "m.mp4", make_noise_frames(20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def test_progress_counts_frames(tmp_path: Path) -> None:
    seen: list[int] = []
    write(tmp_path / "m.mp4", make_noise_frames(4), progress=seen.append)
    assert seen == [1, 2, 3, 4]


def test_a_name_that_looks_like_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    movie = tmp_path / "http:%03d café.mp4"
    write(movie.relative_to(tmp_path), make_noise_frames(2))
    assert len(decode(movie)) == 2


@pytest.mark.parametrize("processors", [1, 3, 8, 64])
def test_the_number_of_processors_changes_no_frame_count(tmp_path: Path, processors: int) -> None:
    write(tmp_path / "m.mp4", make_noise_frames(70), processors=processors)
    assert len(decode(tmp_path / "m.mp4")) == 70


@pytest.mark.parametrize("count", [1, 7])
def test_keypoints_only_needs_no_frames(tmp_path: Path, count: int) -> None:
    unreadable = iter(lambda: pytest.fail("a frame was asked for"), np.empty(0))
    poses = make_scattered_poses(SINGLE_ANIMAL, count)
    written = write_labeled_movie(
        unreadable, poses, tmp_path / "m.mp4", KEYPOINTS_ONLY, frame_rate=THIRTY
    )
    assert written == len(decode(tmp_path / "m.mp4")) == count


def test_keypoints_only_without_any_position(tmp_path: Path) -> None:
    poses = make_scattered_poses(SINGLE_ANIMAL, 3) * np.nan
    write_labeled_movie([], poses, tmp_path / "m.mp4", KEYPOINTS_ONLY, frame_rate=THIRTY)
    pictures = [frame.to_ndarray(format="rgb24") for frame in decode(tmp_path / "m.mp4")]
    assert np.shape(pictures) == (3, 64, 64, 3)
    assert not np.any(pictures)
