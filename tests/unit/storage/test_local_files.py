"""A file that is written in pieces in any order, and hashed meanwhile."""

import hashlib
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.storage import hashed_file
from tasks.storage.hashed_file import HashedFile
from tasks.storage.local_files import open_replacement


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def written(path: Path, pieces: list[tuple[int, bytes]]) -> str:
    with open_replacement(path) as file, HashedFile(file) as hashed:
        for place, data in pieces:
            hashed.write(data, place)
        return hashed.finish_digests()[0]


@given(st.data(), st.binary(min_size=1, max_size=200))
def test_pieces_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, content: bytes
) -> None:
    cuts = data.draw(st.sets(st.integers(0, len(content)), max_size=9))
    places = sorted({0, len(content), *cuts})
    pieces = [(a, content[a:b]) for a, b in pairwise(places)]
    path = tmp_path_factory.mktemp("hashed") / "file"
    assert written(path, data.draw(st.permutations(pieces))) == digest(content)
    assert path.read_bytes() == content


@pytest.mark.parametrize("again", [[(0, b"AB")], [(2, b"CD")], [(6, b"xy"), (6, b"GH")]])
def test_what_is_written_again_counts(tmp_path: Path, again: list[tuple[int, bytes]]) -> None:
    pieces = [(0, b"ab"), (2, b"cd"), *again, (4, b"ef")]
    found = written(tmp_path / "file", pieces)
    assert found == digest((tmp_path / "file").read_bytes())


def test_an_empty_file_and_one_with_a_gap(tmp_path: Path) -> None:
    assert written(tmp_path / "empty", []) == digest(b"")
    assert written(tmp_path / "gap", [(5, b"x")]) == digest(bytes(5) + b"x")


def test_hashing_is_done_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    digests = hashed_file._new_digests

    def counted(*, md5: bool) -> Any:
        begun.append(1)
        return digests(md5=md5)

    monkeypatch.setattr(hashed_file, "_new_digests", counted)
    content = bytes(range(256)) * 20_000
    pieces = [(place, content[place : place + 70_000]) for place in range(0, len(content), 70_000)]
    pieces[3], pieces[5] = pieces[5], pieces[3]
    assert written(tmp_path / "file", pieces) == digest(content)
    assert len(begun) == 1  # or it would be hashed anew at the end


def broken(path: Path) -> None:
    with open_replacement(path) as file, HashedFile(file) as hashed:
        hashed.write(b"half", 0)
        raise OSError("broken")


def test_the_thread_ends_with_the_block_also_after_a_failure(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(OSError, match="broken"):
        broken(tmp_path / "f")
    assert threading.active_count() == before
    assert list(tmp_path.iterdir()) == []
