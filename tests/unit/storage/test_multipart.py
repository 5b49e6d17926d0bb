"""How a large object is parted, and what is sent of each part."""

import hashlib
import os
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.storage import multipart
from tasks.storage.multipart import (
    MAX_PART_BYTES,
    MAX_PARTS,
    MIN_PART_BYTES,
    PARALLEL_PARTS,
    Part,
    PartBody,
    StopTransfer,
    UploadState,
    compute_sha256_of_parts,
    split_for_download,
    split_for_upload,
)

MIB = 1 << 20
TERA = 1 << 40


@given(st.integers(0, 5 * TERA))
def test_parts_to_send_are_alike_and_make_the_whole(size: int) -> None:
    found = split_for_upload(size)
    assert (found[0].start, found[-1].stop) == (0, size)
    assert all(one.stop == other.start for one, other in pairwise(found))
    *first, last = [part.stop - part.start for part in found]
    assert len({*first}) <= 1
    assert all(last <= length and length >= MIN_PART_BYTES for length in first)
    assert len(found) <= MAX_PARTS


@given(st.integers(0, TERA // 8))
def test_parts_to_fetch_become_smaller_and_make_the_whole(size: int) -> None:
    found = split_for_download(size)
    assert (found[0].start, found[-1].stop) == (0, size)
    assert all(one.stop == other.start for one, other in pairwise(found))
    lengths = [part.stop - part.start for part in found]
    assert lengths == sorted(lengths, reverse=True)
    assert all(MIN_PART_BYTES <= length <= MAX_PART_BYTES for length in lengths[:-1])


def test_large_objects_go_in_large_parts_small_ones_at_once() -> None:
    assert [len(split_for_upload(n * MIB)) for n in (0, 1, 16, 17, 40, 128, 512)] == [
        *(1, 1, 1, 2, 3, 8, 8)
    ]
    fetched = [part.stop - part.start for part in split_for_download(2048 * MIB)]
    assert fetched[:PARALLEL_PARTS] == [MAX_PART_BYTES] * PARALLEL_PARTS
    assert fetched[-PARALLEL_PARTS:-1] == [MIN_PART_BYTES] * (PARALLEL_PARTS - 1)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[BinaryIO]:
    path = tmp_path / "movie.mp4"
    path.write_bytes(os.urandom(3_000_001))
    with path.open("rb") as opened:
        yield opened


CUTS = [Part(0, 1_000_000), Part(1_000_000, 2_000_000), Part(2_000_000, 3_000_001)]


def test_digests_are_those_of_the_file_and_of_its_parts(file: BinaryIO) -> None:
    content = file.read()
    whole, digests = compute_sha256_of_parts(file, CUTS)
    assert whole == hashlib.sha256(content).hexdigest()
    assert digests == [hashlib.sha256(content[c.start : c.stop]).hexdigest() for c in CUTS]
    alone = [Part(0, len(content))]
    assert compute_sha256_of_parts(file, alone) == (whole, [whole])


def test_a_hash_that_is_interrupted_leaves_no_thread_at_work(
    file: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a day's movie it would go on for a minute, and the cancelled run with it."""
    chunks, main = multipart._read_chunks, threading.main_thread()

    def of_a_long_file(file: BinaryIO, part: Part) -> Iterator[memoryview]:
        if threading.current_thread() is main:
            raise KeyboardInterrupt
        while True:
            yield from chunks(file, part)

    monkeypatch.setattr(multipart, "_read_chunks", of_a_long_file)
    with pytest.raises(KeyboardInterrupt):
        compute_sha256_of_parts(file, CUTS)


def test_a_body_is_its_part_and_counts_what_goes_once(file: BinaryIO) -> None:
    told: list[int] = []
    content = file.read()
    body = PartBody(file, CUTS[1], "digest", UploadState(told.append))
    assert len(body) == 1_000_000
    assert body.read(600_000) == content[1_000_000:1_600_000]
    body.seek(0)  # as after a fault
    assert body.tell() == 0
    assert b"".join(iter(lambda: body.read(300_000), b"")) == content[1_000_000:2_000_000]
    assert body.seek(-10, os.SEEK_END) == 999_990
    assert body.seek(5, os.SEEK_CUR) == 999_995
    assert body.read() == content[1_999_995:2_000_000]
    assert body.read() == b""
    assert sum(told) == 1_000_000
    assert min(told) > 0


def test_a_transfer_that_is_stopped_sends_nothing_more(file: BinaryIO) -> None:
    transfer = UploadState(None)
    body = PartBody(file, CUTS[0], "digest", transfer)
    body.read(10)
    transfer.stop()
    with pytest.raises(StopTransfer):
        body.read(10)
    assert transfer.failure is None


def test_nobody_wants_it_any_more(file: BinaryIO) -> None:
    def end(_: int) -> None:
        raise LookupError("the run has ended")

    transfer = UploadState(end)
    bodies = [PartBody(file, part, "digest", transfer) for part in CUTS[:2]]
    for body in bodies:
        with pytest.raises(StopTransfer):
            body.read(10)
    assert isinstance(transfer.failure, LookupError)


def test_a_file_that_becomes_shorter_is_told(file: BinaryIO) -> None:
    transfer = UploadState(None)
    body = PartBody(file, CUTS[2], "digest", transfer)
    os.truncate(file.name, 2_000_000)
    with pytest.raises(StopTransfer):
        body.read(10)
    assert "movie.mp4: the file became shorter while it was sent" in str(transfer.failure)
