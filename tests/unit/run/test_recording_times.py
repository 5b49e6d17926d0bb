"""A warning where names and recording times disagree."""

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.pose.settings import PoseSettings
from tasks.run.recording_times import RecordingTime, read_recording_time
from tasks.run.request import resolve_locations
from tasks.storage.local_store import LocalStore
from tasks.storage.location import Location

MORNING = datetime(2024, 5, 1, 10, tzinfo=UTC)
MINUTES = 60


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def movie_header(start: datetime | None, seconds: int, version: int = 0) -> bytes:
    created = int((start - datetime(1904, 1, 1, tzinfo=UTC)).total_seconds()) if start else 0
    form = ">B3xQQIQ" if version else ">B3xIIII"
    return box(b"mvhd", struct.pack(form, version, created, created, 1000, 1000 * seconds))


def write_mp4(path: Path, start: datetime | None, seconds: int, version: int = 0) -> None:
    """Write what tells the time of an MP4, behind its frames as cameras put it."""
    frames = box(b"mdat", bytes(20_000))
    header = box(b"moov", movie_header(start, seconds, version))
    path.write_bytes(box(b"ftyp", b"isom") + frames + header)


def read_time(path: Path) -> RecordingTime | None:
    store = LocalStore()
    return read_recording_time(store, store.stat(Location.parse(str(path))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "model.zip").touch()
    return tmp_path


def resolve(folder: Path, *movies: str) -> tuple[list[str], str, str]:
    """Names in order, how that was found, and what is warned of."""
    places = [f"{folder}/in/{movie}" for movie in movies]
    request = resolve_locations(f"{folder}/model.zip", places, f"{folder}/out", PoseSettings())
    names = [movie.info.location.name for movie in request.movies]
    return names, request.order, "\n".join(request.warnings)


def record(folder: Path, starts: Mapping[str, int | None], minutes: int = 30) -> None:
    """Write movies that were recorded so many minutes after the morning's first."""
    for name, after in starts.items():
        start = None if after is None else MORNING + timedelta(minutes=after)
        write_mp4(folder / "in" / name, start, minutes * MINUTES)


@pytest.mark.parametrize("version", [0, 1])
def test_the_time_of_an_mp4_is_that_of_its_header(tmp_path: Path, version: int) -> None:
    path = tmp_path / "m.mp4"
    write_mp4(path, MORNING, 90, version)
    time = read_time(path)
    assert time is not None
    assert (time.start, time.duration) == (MORNING, timedelta(seconds=90))


@pytest.mark.parametrize("text", ["Wed May 01 10:00:00 2024\n\0", "2024:05:01 10:00:00"])
def test_the_time_of_an_avi_is_its_date(tmp_path: Path, text: str) -> None:
    path, data = tmp_path / "m.avi", text.encode()
    path.write_bytes(b"RIFF    AVI LIST" + b"IDIT" + struct.pack("<I", len(data)) + data)
    time = read_time(path)
    assert time is not None
    assert time.start == MORNING


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"RIFF", box(b"moov", box(b"mvhd", b"\0"))])
@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_what_has_no_time_has_none(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(data)
    assert read_time(path) is None


def test_a_prefix_keeps_chapters_together_and_says_so(folder: Path) -> None:
    record(folder, {"GX010001.MP4": 0, "GX010002.MP4": 90, "GX020001.MP4": 0, "GX020002.MP4": 90})
    names, order, warnings = resolve(folder, "")
    assert names == ["GX010001.MP4", "GX020001.MP4", "GX010002.MP4", "GX020002.MP4"]
    assert order == "by name, with the chapters of each recording together (GoPro)"
    assert warnings == ""


@pytest.mark.parametrize(
    ("starts", "disagrees"),
    [
        ({"a1.mp4": 0, "a2.mp4": 30, "a10.mp4": 60}, False),
        ({"a1.mp4": 40, "a2.mp4": 0, "a10.mp4": 80}, True),
        ({"a1.mp4": 40, "a2.mp4": None, "a10.mp4": 0}, True),
        ({"a1.mp4": None, "a2.mp4": None}, False),
        ({"GX019999.mp4": 0, "GX010001.mp4": 60}, True),
        ({"GX010002.mp4": 0, "GX010003.mp4": 120, "GX020002.mp4": 30}, False),
        # Two cameras at once: the second one's first movie is not a step back.
        ({"cam1-1.mp4": 0, "cam1-2.mp4": 30, "cam2-1.mp4": 0, "cam2-2.mp4": 30}, False),
    ],
)
def test_a_listing_whose_times_go_back_is_warned_of(
    folder: Path, starts: dict[str, int | None], disagrees: bool
) -> None:
    record(folder, starts)
    names, _, warnings = resolve(folder, "*.mp4")
    assert ("names and recording times disagree" in warnings) is disagrees
    assert len(warnings.splitlines()) == disagrees
    assert set(names) == set(starts)


def test_the_warning_names_both_movies_and_their_times(folder: Path) -> None:
    record(folder, {"a1.mp4": 40, "a2.mp4": 0})
    assert resolve(folder, "")[2].startswith(
        "names and recording times disagree: a2.mp4 was recorded at 2024-05-01 10:00:00, before "
        "a1.mp4 at 2024-05-01 10:40:00, which stands before it by name; "
    )


def test_movies_that_are_listed_stay_as_they_are(folder: Path) -> None:
    record(folder, {"GX010001.MP4": 40, "GX020001.MP4": 0})
    names, order, warnings = resolve(folder, "GX020001.MP4", "GX010001.MP4")
    assert names == ["GX020001.MP4", "GX010001.MP4"]
    assert (order, warnings) == ("as given", "")


def test_a_pattern_that_a_shell_has_replaced_is_warned_of(folder: Path) -> None:
    names = ["GX010001.MP4", "GX010002.MP4", "GX020001.MP4"]
    record(folder, dict.fromkeys(names, 0))
    found, order, warnings = resolve(folder, *names)
    assert (found, order) == (names, "as given")
    assert "alphabetical order" in warnings
    assert "from GX010002.MP4 on" in warnings
    assert resolve(folder, *names[:2])[2] == ""


def test_several_entries_follow_each_other(folder: Path) -> None:
    record(folder, {"b2.mp4": 0, "b10.mp4": 30, "a.mp4": 60})
    names, order, _ = resolve(folder, "b*.mp4", "a.mp4")
    assert names == ["b2.mp4", "b10.mp4", "a.mp4"]
    assert order == "entries as given; within them by name"
