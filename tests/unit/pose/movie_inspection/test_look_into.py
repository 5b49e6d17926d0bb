"""What a movie is found to be, from its lists alone and with every frame decoded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.pose.movie_inspection.look_into import MovieToInspect, look_into_movie
from tasks.pose.movie_inspection.movie_facts import FrameGap, MovieFacts
from tests.support.avi_files import as_before, as_packed, read_packets, write_avi
from tests.support.isxb_files import write_isxb
from tests.support.movie_files import turn, write_movie

B_FRAMES = {"bf": "3", "g": "12"}


def inspect(path: Path, *, decodes: bool = False) -> MovieFacts:
    movie = MovieToInspect(path, path.name, f"s3://lab/{path.name}", path.stat().st_size)
    return look_into_movie(movie, decodes, None, progress=lambda _: None)


def write_variable(path: Path) -> Path:
    stamps = [0, 40, 80, 120, 620, 660, 700, 740]
    return write_movie(path, 8, stamps=stamps, options=B_FRAMES)


def write_turned(path: Path) -> Path:
    turn(write_movie(path, 4), 90)
    return path


def write_dropped(path: Path) -> Path:
    like = write_movie(path.with_name("like.avi"), 6, codec="mjpeg", pixel_format="yuvj420p")
    first, *others = read_packets(like)
    return write_avi(path, like, [first, b"", b"", *others])


def write_looked_ahead(path: Path) -> Path:
    """As XviD writes it: nothing after the first picture, then two pictures in one place."""
    options = {"bf": "1", "g": "100", "b_strategy": "0"}
    like = write_movie(path.with_name("like.avi"), 13, codec="mpeg4", options=options)
    first, *others = read_packets(like)
    chunks = [as_packed(first), b""]
    for place in range(0, 12, 2):
        chunks += [others[place] + others[place + 1], as_before(place)]
    return write_avi(path, like, chunks)


def write_cut(path: Path) -> Path:
    whole = write_movie(path.with_name("whole.avi"), 20, codec="mjpeg", pixel_format="yuvj420p")
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    return path


KINDS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "B-frames": ("m.mp4", lambda path: write_movie(path, 30, options=B_FRAMES)),
    "variable rate": ("m.mp4", write_variable),
    "turned": ("m.mp4", write_turned),
    "AVI": ("m.avi", lambda path: write_movie(path, 12, codec="mpeg4")),
    "dropped frames": ("m.avi", write_dropped),
    "looked ahead": ("m.avi", write_looked_ahead),
    "broken off": ("m.avi", write_cut),
    "recording": ("m.isxb", lambda path: write_isxb(path, 11, dropped=[3, 6, 7])),
}


@pytest.mark.parametrize("kind", KINDS)
def test_lists_say_what_decoding_says(kind: str, tmp_path: Path) -> None:
    name, write = KINDS[kind]
    path = write(tmp_path / name)
    listed, decoded = inspect(path), inspect(path, decodes=True)
    assert (listed.decoded, decoded.decoded) == (False, True)
    # A decoder has more to say of damage.
    known = {"decoded": True, "warnings": decoded.warnings}
    assert listed.model_copy(update=known) == decoded
    assert listed.usable


def test_a_whole_movie_is_described(tmp_path: Path) -> None:
    facts = inspect(write_movie(tmp_path / "m.mp4", 30, options=B_FRAMES))
    assert (facts.container, facts.codec, facts.pixel_format) == ("MP4", "h264", "yuv420p")
    assert (facts.width, facts.height, facts.turned) == (96, 64, 0)
    assert (facts.declared_frames, facts.frames, facts.lost_frames) == (30, 30, 0)
    assert (facts.constant_rate, facts.frame_rate, facts.seconds) == (True, 30, 1)
    assert (facts.verdict, facts.warnings, facts.problems) == ("pass", (), ())


def test_gaps_have_their_place(tmp_path: Path) -> None:
    facts = inspect(write_variable(tmp_path / "m.mp4"))
    assert facts.constant_rate is False
    assert facts.step == (0.04, 0.04, 0.5)
    assert (facts.gap_count, facts.gaps) == (1, (FrameGap(after=3, at=0.12, seconds=0.5),))


def test_a_turned_movie_has_the_size_that_is_shown(tmp_path: Path) -> None:
    facts = inspect(write_turned(tmp_path / "m.mp4"))
    assert (facts.width, facts.height) == (64, 96)
    assert facts.turned in {90, 270}


def test_dropped_frames_are_no_loss(tmp_path: Path) -> None:
    facts = inspect(write_dropped(tmp_path / "m.avi"))
    assert (facts.declared_frames, facts.frames, facts.lost_frames) == (8, 6, 0)
    assert (facts.dropped_frames, facts.dropped_ranges) == (2, ((1, 2),))
    assert facts.verdict == "pass"
    assert facts.warnings == (
        "2 frames were dropped by the recorder (1–2); the others keep their times",
    )


def test_a_loss_has_the_verdict_of_a_run(tmp_path: Path) -> None:
    facts = inspect(write_cut(tmp_path / "m.avi"))
    assert facts.declared_frames == 20
    assert facts.lost_frames
    assert facts.verdict == "fail"
    assert facts.warnings[0].startswith("the movie is damaged: the file breaks off")


@pytest.mark.parametrize("name", ["m.mp4", "m.avi", "m.isxb"])
def test_what_is_no_movie_has_a_reason_and_nothing_else(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("notes, no movie at all")
    facts = inspect(tmp_path / name)
    assert not facts.usable
    (problem,) = facts.problems
    assert problem.startswith(f"{name}: expected ")
    assert (facts.frames, facts.verdict, facts.width) == (None, None, None)
