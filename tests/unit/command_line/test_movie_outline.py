"""Of a remote MP4 only what is needed is fetched, and the same is found in it."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tasks.command_line.inspect_movies import MoviesToReport, SheetChoice, look_into_movies
from tasks.pose.movie_inspection.look_into import MovieToInspect, look_into_movie
from tasks.pose.movie_inspection.movie_facts import MovieFacts
from tasks.pose.movie_inspection.needed_parts import find_needed_parts
from tasks.pose.movie_inspection.sample_pictures import PICTURES, read_sample_pictures
from tasks.pose.movies.reader import open_movie
from tasks.pose.times_settings import TimesSettings
from tasks.run import movie_outline
from tasks.run.movie_outline import fetch_outline
from tasks.storage.local_store import LocalStore
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo
from tests.support.movie_files import write_movie


class RemoteStore(LocalStore):
    """Local files as a bucket has them: they are to be fetched, and what is fetched is counted."""

    def __init__(self) -> None:
        self.fetched = 0

    def local_path(self, source: ObjectInfo) -> Path | None:
        return None

    def read_part(
        self, location: Location, start: int, length: int, etag: str | None = None
    ) -> bytes:
        self.fetched += length
        return super().read_part(location, start, length, etag)


def inspect(store: LocalStore, path: Path) -> MovieFacts:
    info = store.stat(Location.parse(str(path)))
    movies = MoviesToReport(store, (info,), "as given", ())
    sheets = SheetChoice(is_wanted=False)
    (report,) = look_into_movies(movies, TimesSettings(), decodes=False, sheets=sheets)
    return report.facts


def write_long_movie(path: Path, codec: str, container: dict[str, str]) -> Path:
    """Write a movie that is a short one again and again; noise makes its frames large."""
    short, chance = path.with_name("short.mp4"), np.random.default_rng(1)
    with av.open(str(short), "w") as file:
        stream: Any = file.add_stream(codec, rate=30, options={"g": "20", "bf": "2", "qmax": "4"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(60):
            noise = chance.integers(0, 255, (64, 96, 3), dtype=np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        file.mux(stream.encode(None))
    with av.open(str(short)) as source, av.open(str(path), "w", options=container) as target:
        video = source.streams.video[0]
        copy = target.add_stream_from_template(video)
        packets: list[Any] = [packet for packet in source.demux(video) if packet.size]
        assert video.duration is not None
        for shift in range(0, 30 * video.duration, video.duration):
            for packet in packets:
                again: Any = av.Packet(bytes(packet))
                again.pts, again.dts = packet.pts + shift, packet.dts + shift
                again.time_base, again.is_keyframe = packet.time_base, packet.is_keyframe
                again.stream = copy
                target.mux(again)
    return path


def read_pictures(path: Path) -> list[tuple[int, bytes]]:
    reader = open_movie(path)
    reader.read_listing()
    found = read_sample_pictures(path, "m.mp4", reader.compute_timing(), PICTURES)
    return [(picture.frame, picture.image.tobytes()) for picture in found]


@pytest.mark.parametrize(
    ("codec", "container"),
    [("libx264", {}), ("libx264", {"movflags": "faststart"}), ("mpeg4", {})],
    ids=["tables at the end", "tables at the beginning", "MPEG-4"],
)
def test_the_same_is_found_in_a_part_of_it(
    codec: str, container: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movie_outline, "MIN_SIZE", 1)
    whole = write_long_movie(tmp_path / "m.mp4", codec, container)
    part, store = tmp_path / "part.mp4", RemoteStore()
    info = store.stat(Location.parse(str(whole)))
    assert fetch_outline(store, info, part, lambda path: find_needed_parts(path, "m", PICTURES))
    assert store.fetched < info.size / 2
    facts = [
        look_into_movie(
            MovieToInspect(path, "m.mp4", "m.mp4", info.size), False, None, progress=lambda _: None
        )
        for path in (whole, part)
    ]
    assert facts[0] == facts[1]
    assert facts[0].frames == 1800
    assert read_pictures(whole) == read_pictures(part)
    assert len(read_pictures(part)) == PICTURES


@pytest.mark.parametrize("kind", ["fragments", "small", "no movie"])
def test_others_are_fetched_whole(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind != "small":
        monkeypatch.setattr(movie_outline, "MIN_SIZE", 1)
    path = tmp_path / "m.mp4"
    flags = {"movflags": "frag_keyframe+empty_moov"} if kind == "fragments" else {}
    write_movie(path, 20, options={"g": "5"}, container_options=flags)
    if kind == "no movie":
        path.write_text("notes")
    facts = inspect(RemoteStore(), path)
    assert facts.usable is (kind != "no movie")
    assert facts.frames == (20 if facts.usable else None)
