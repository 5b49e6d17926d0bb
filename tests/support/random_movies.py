"""Movies made at random, and what is true of each."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from tests.support.avi_files import read_packets, write_avi
from tests.support.independent_reading import StoredPacket, find_runs, list_packets
from tests.support.movie_files import turn, write_movie
from tests.support.random_kinds import MovieKind, draw_numbered_picture


@dataclass(frozen=True)
class ListedFrame:
    """A frame that a movie's file lists, or a place that is empty.

    Attributes:
        number: The picture's; None for an empty place.
        seconds: Since the first one.
        is_intact: Whether it must come out as if nothing were damaged.
    """

    number: int | None
    seconds: Fraction
    is_intact: bool = True


@dataclass
class RandomMovie:
    """A movie and what is true of it.

    Attributes:
        kind: What was drawn.
        path: The file.
        whole: The same movie before any damage; the same file where there is none.
        listed: What the whole file lists, in the order of showing.
        left: What the damaged file lists.
        stored_times: Whether the file says when each frame of the damaged movie is shown.
    """

    kind: MovieKind
    path: Path
    whole: Path
    listed: list[ListedFrame] = field(default_factory=list)
    left: list[ListedFrame] = field(default_factory=list)
    stored_times: bool = True


class UnwrittenError(Exception):
    """An encoder has left frames out."""


def make_movie(kind: MovieKind, folder: Path, *, ffprobe: bool) -> RandomMovie:
    """Make a movie of a kind.

    Args:
        kind: What to make.
        folder: An empty folder.
        ffprobe: Whether to read packets with ffprobe, rather than with PyAV.
    """
    if kind.container == "avi":
        return _make_avi(kind, folder)
    return _make_mp4(kind, folder, ffprobe=ffprobe)


def _encode(kind: MovieKind, path: Path, steps: Sequence[int]) -> Path:
    clock = kind.clock or 1 / kind.rate
    stamps = [sum(steps[:index]) for index in range(len(steps) + 1)]
    width, height = kind.size
    return write_movie(
        path, len(stamps), rate=kind.rate, width=width, height=height, codec=kind.codec[0],
        pixel_format=kind.codec[1], stamps=stamps, clock=clock, options=kind.options,
        container_options=_flags_of(kind),
        container_format="mov" if kind.container == "mov" else None,
        draw=draw_numbered_picture,
    )  # fmt: skip


def _flags_of(kind: MovieKind) -> dict[str, str]:
    return {"movflags": kind.flags} if kind.flags and kind.container != "avi" else {}


# --- MP4 ---------------------------------------------------------------------------------------


def _make_mp4(kind: MovieKind, folder: Path, *, ffprobe: bool) -> RandomMovie:
    whole = _encode(kind, folder / "whole.mp4", kind.steps)
    drawn = [p for p in list_packets(whole, ffprobe=ffprobe) if not p.is_discard]
    order = sorted(range(len(drawn)), key=lambda index: drawn[index].shown)
    if kind.degrees:
        turn(whole, kind.degrees)
    if kind.edit and b"elst" in whole.read_bytes():
        _edit(whole, kind, [drawn[index].shown for index in order])
    at = {drawn[index].place: number for number, index in enumerate(order)}
    if len(at) != len(kind.steps) + 1:
        raise UnwrittenError(f"{len(at)} frames in place of {len(kind.steps) + 1}")
    # What an edit list hides and no other frame refers to is not even read.
    packets = list_packets(whole, ffprobe=ffprobe)
    numbers = {index: at[packet.place] for index, packet in enumerate(packets)}
    movie = RandomMovie(kind, whole, whole)
    movie.listed = movie.left = _as_listed(packets, numbers, set(numbers))
    if kind.damage != "none":
        _damage_mp4(movie, packets, numbers, folder / "damaged.mp4", ffprobe=ffprobe)
    return movie


def _as_listed(
    packets: Sequence[StoredPacket], numbers: dict[int, int], intact: set[int]
) -> list[ListedFrame]:
    shown = sorted((p.shown, index) for index, p in enumerate(packets) if not p.is_discard)
    return [
        ListedFrame(numbers[index], time - shown[0][0], index in intact) for time, index in shown
    ]


def _edit(path: Path, kind: MovieKind, shown: Sequence[Fraction]) -> None:
    """Show only some frames, by the one entry of an edit list: duration and beginning."""
    assert kind.edit
    data = bytearray(path.read_bytes())
    at = data.index(b"elst")
    if struct.unpack_from(">I", data, at + 8) != (1,):
        return  # a movie that begins later has an entry for that
    begin = struct.unpack_from(">i", data, at + 16)[0]
    with av.open(str(path)) as container:
        clock = Fraction(container.streams.video[0].time_base or 1)
    first, count = kind.edit
    times = [*shown, shown[-1] + 1 / kind.rate]
    length = times[first + count] - times[first]
    ticks = begin + int((times[first] - times[0]) / clock)
    struct.pack_into(">Ii", data, at + 12, int(length * 1000), ticks)
    path.write_bytes(data)


def _damage_mp4(
    movie: RandomMovie,
    packets: Sequence[StoredPacket],
    numbers: dict[int, int],
    target: Path,
    *,
    ffprobe: bool,
) -> None:
    kind, data = movie.kind, bytearray(movie.whole.read_bytes())
    movie.path = target
    if kind.damage == "cut":
        cut = int(len(data) * kind.share)
        whole = [i for i, p in enumerate(packets) if p.place + p.size <= cut]
        intact = _unharmed(kind, {len(whole)}, len(whole))
        left = [i for i, limit in enumerate(_known_from(data, len(packets))) if limit <= cut]
        target.write_bytes(data[:cut])
        movie.left = _as_listed(
            [packets[i] for i in left], dict(enumerate(map(numbers.__getitem__, left))), intact
        )
        return
    hit = int(kind.share * len(packets))
    hits = {hit, min(hit + int(kind.share * 30) % 3, len(packets) - 1)}
    if kind.damage == "zeros":
        for packet in (packets[index] for index in hits):
            data[packet.place : packet.place + packet.size] = bytes(packet.size)
        target.write_bytes(data)
        movie.left = _as_listed(packets, numbers, _unharmed(kind, hits, len(packets)))
        return
    kept = [index for index in range(len(packets)) if index not in hits]
    if not kept or kind.edit or not _copy_without(movie.whole, target, hits, kind):
        movie.path = movie.whole
        return
    if kind.degrees:
        turn(target, kind.degrees)
    stored = list_packets(target, ffprobe=ffprobe)
    unharmed = _unharmed(kind, hits, len(packets))
    movie.left = _as_listed(
        stored,
        {place: numbers[index] for place, index in enumerate(kept)},
        {place for place, index in enumerate(kept) if index in unharmed},
    )


def _unharmed(kind: MovieKind, hits: set[int], packets: int) -> set[int]:
    """Packets that come out whole: they do not depend on those that are hit.

    Of frames that a decoder still holds when it meets damage, FFmpeg may lose some.
    """
    if kind.is_intra:
        # FFmpeg reads a damaged PNG and the one after it as one.
        hits = hits | {hit + 1 for hit in hits} if kind.codec[0] == "png" else hits
        held = _MAX_FRAMES_HELD if max(hits) >= packets - _MAX_FRAMES_HELD else 0
        return set(range(packets - held)) - hits
    return set(range(min(hits) - _MAX_FRAMES_HELD))


_MAX_FRAMES_HELD = 8
"""Four decoder threads, and as many frames that wait to be shown in order."""


def _copy_without(source: Path, target: Path, lost: set[int], kind: MovieKind) -> bool:
    """Mux packets again without some of them; False where FFmpeg's writer refuses that."""
    form = "mov" if kind.container == "mov" else "mp4"
    try:
        with (
            av.open(str(source)) as whole,
            av.open(str(target), "w", form, _flags_of(kind)) as part,
        ):
            video = whole.streams.video[0]
            copy: Any = part.add_stream_from_template(video)
            for index, packet in enumerate(p for p in whole.demux(video) if p.size):
                if index not in lost:
                    packet.stream = copy
                    part.mux(packet)
    except av.FFmpegError:
        return False
    return True


def _known_from(data: bytes | bytearray, packets: int) -> list[int]:
    """For each packet, how much of an MP4 must be there so that its tables list it."""
    runs = find_runs(data)
    if runs:
        return [end for end, count in runs for _ in range(count)]
    # What follows the track in the header (user data) lists nothing.
    track = data.rindex(b"trak") - 4
    (size,) = struct.unpack_from(">I", data, track)
    return [track + size] * packets


# --- AVI ---------------------------------------------------------------------------------------


def _make_avi(kind: MovieKind, folder: Path) -> RandomMovie:
    like = _encode(
        replace(kind, steps=(1,) * len(kind.steps)), folder / "like.avi", (1,) * len(kind.steps)
    )
    data = read_packets(like)
    places = [sum(kind.steps[:index]) for index in range(len(data))]
    chunks = [b""] * (places[-1] + 1)
    for place, packet in zip(places, data, strict=True):
        chunks[place] = packet
    whole = write_avi(folder / "whole.avi", like, chunks, index=kind.flags)
    movie = RandomMovie(kind, whole, whole)
    numbers: list[int | None] = [None] * len(chunks)
    for number, place in enumerate(places):
        numbers[place] = number
    listed = [ListedFrame(n, place / kind.rate) for place, n in enumerate(numbers)]
    movie.listed = movie.left = listed
    if kind.damage == "none" or (kind.damage == "missing" and len(data) < _MIN_FOR_MISSING):
        return movie
    movie.path = folder / "damaged.avi"
    movie.stored_times = not kind.has_b_frames
    if kind.damage == "cut":
        _cut_avi(movie, like, chunks)
        return movie
    hit = int(kind.share * len(data))
    hits = {hit, min(hit + int(kind.share * 30) % 3, len(data) - 1)}
    unharmed = _unharmed(kind, hits, len(data))
    if kind.damage == "missing":
        for index in hits:
            chunks[places[index]] = b""
        movie.left = [f if f.number not in hits else replace(f, number=None) for f in listed]
    else:
        for index in hits:
            chunks[places[index]] = bytes(len(data[index]))
    movie.left = [replace(f, is_intact=f.number in unharmed) for f in movie.left]
    write_avi(movie.path, like, chunks, index=kind.flags)
    return movie


_MIN_FOR_MISSING = 8
"""Frames of an AVI below which empty places cannot be told from a finer clock."""


def _cut_avi(movie: RandomMovie, like: Path, chunks: list[bytes]) -> None:
    kind = movie.kind
    declared = 0 if kind.unfinished else None
    write_avi(movie.path, like, chunks, index="", declared=declared, unfinished=kind.unfinished)
    data = movie.path.read_bytes()
    begin = data.index(b"movi") + 4
    cut = begin + int((len(data) - begin) * kind.share)
    movie.path.write_bytes(data[:cut])
    place, left, whole = begin, [], 0
    for frame, chunk in zip(movie.listed, chunks, strict=True):
        end = place + 8 + len(chunk)
        if place + 8 <= cut:
            left.append(replace(frame, is_intact=end <= cut))
            whole += bool(chunk) and end <= cut
        elif not kind.unfinished:
            left.append(replace(frame, number=-1, is_intact=False))
        place = end + len(chunk) % 2
    unharmed = _unharmed(kind, {whole}, whole)
    movie.left = [replace(f, is_intact=f.is_intact and f.number in unharmed) for f in left]
