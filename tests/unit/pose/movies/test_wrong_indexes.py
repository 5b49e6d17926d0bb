"""An AVI whose index contradicts its pictures has all of them; FFmpeg may find one alone."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from tasks.pose.movies.frame_ledger import create_ledger
from tasks.pose.movies.reader import open_movie, probe_movie
from tests.support.avi_files import read_packets, write_avi
from tests.support.movie_files import draw_picture, write_movie

FRAMES = 12
ROW = struct.Struct("<4sIII")

Rows = list[tuple[bytes, int, int, int]]

Change = Callable[[Rows, int], Rows]
"""Changes rows of an index; gets where the list of pictures begins, too."""


def give_one_place(rows: Rows, _: int) -> Rows:
    return [(kind, flags, 0, size) for kind, flags, _, size in rows]


def shift(rows: Rows, _: int) -> Rows:
    return [(kind, flags, place + 1000, size) for kind, flags, place, size in rows]


def list_half(rows: Rows, _: int) -> Rows:
    return rows[: len(rows) // 2]


def list_twice(rows: Rows, _: int) -> Rows:
    return rows * 2


def list_as_empty(rows: Rows, _: int) -> Rows:
    return [*rows[:5], *((kind, flags, place, 0) for kind, flags, place, _ in rows[5:])]


def swap_sizes(rows: Rows, _: int) -> Rows:
    return [(kind, flags, place, size + 200) for kind, flags, place, size in rows]


WRONG: Sequence[Change] = (
    give_one_place, shift, list_half, list_twice, list_as_empty, swap_sizes,
)  # fmt: skip


def as_listed(rows: Rows, _: int) -> Rows:
    return rows


def count_from_the_file(rows: Rows, begin: int) -> Rows:
    return [(kind, flags, place + begin, size) for kind, flags, place, size in rows]


def list_even_sizes(rows: Rows, _: int) -> Rows:
    return [(kind, flags, place, size + size % 2) for kind, flags, place, size in rows]


def leave_no_place_to_what_is_empty(rows: Rows, _: int) -> Rows:
    return [(*row[:2], row[2] if row[3] else 2**32 - 1, row[3]) for row in rows]


RIGHT: Sequence[Change] = (
    as_listed, count_from_the_file, list_even_sizes, leave_no_place_to_what_is_empty,
)  # fmt: skip


def write_with_index(folder: Path, change: Change, empty: int | None) -> Path:
    """Write a movie whose index says something else than it should."""
    like = write_movie(folder / "like.avi", FRAMES, codec="mjpeg", pixel_format="yuvj420p")
    chunks = [b"" if n == empty else chunk for n, chunk in enumerate(read_packets(like))]
    data = bytearray(write_avi(folder / "m.avi", like, chunks).read_bytes())
    begin = data.rindex(b"idx1")
    rows = change(list(ROW.iter_unpack(data[begin + 8 :])), data.index(b"movi"))
    table = b"".join(ROW.pack(*row) for row in rows)
    data[begin:] = struct.pack("<4sI", b"idx1", len(table)) + table
    struct.pack_into("<I", data, 4, len(data) - 8)
    path = folder / "m.avi"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("change", [*WRONG, *RIGHT], ids=lambda change: change.__name__)
@pytest.mark.parametrize("empty", [None, 3])
def test_every_picture_is_read_whatever_the_index_says(
    tmp_path: Path, change: Change, empty: int | None
) -> None:
    path = write_with_index(tmp_path, change, empty)
    reader = open_movie(path)
    drawn = [draw_picture(index, 96, 64).astype(int) for index in range(FRAMES)]
    shown = [int(np.argmin([np.abs(image - one).sum() for one in drawn])) for image in reader]
    assert shown == [index for index in range(FRAMES) if index != empty]
    counted = create_ledger(probe_movie(path).declared_frames, reader.compute_timing())
    assert (counted.declared, counted.lost_frame_count) == (FRAMES, 0)
    assert counted.dropped == (() if empty is None else ((empty, empty),))
    times = [n / 30 for n in range(FRAMES) if n != empty]
    np.testing.assert_allclose(reader.compute_timing().seconds, times, atol=1e-9)
    contradicts = any("its index contradicts its frames" in error for error in reader.errors)
    assert contradicts == (change in WRONG)
    reader.read_listing()
    np.testing.assert_allclose(reader.compute_timing().seconds, times, atol=1e-9)
