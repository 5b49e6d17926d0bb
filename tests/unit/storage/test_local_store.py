"""The local form: the same promises, kept with files."""

import errno
import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.errors import BadInput, PoseError, Retriable
from tasks.storage.local_files import is_partial, open_replacement, partial_target
from tasks.storage.local_store import LocalStore
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore, _store_for, expand_location
from tasks.storage.store_errors import NoSuchObject, NotSupported
from tests.support.paths import ROOT

STORE = LocalStore()


def at(path: Path | str) -> Location:
    return Location("", str(path))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "m 1.MP4"
    path.parent.mkdir()
    path.write_bytes(b"frames")
    return path


def test_what_is_known_of_a_file(movie: Path) -> None:
    info = STORE.stat(at(movie))
    assert (info.location, info.size, info.version, info.sha256) == (at(movie), 6, None, None)
    assert info.modified
    assert datetime.now(UTC) - info.modified < timedelta(minutes=5)
    assert info == STORE.stat(at(movie))
    movie.write_bytes(b"others")
    os.utime(movie, ns=(0, 0))
    assert STORE.stat(at(movie)).etag != info.etag


def test_the_file_itself_is_used(movie: Path) -> None:
    assert STORE.local_path(STORE.stat(at(movie))) == movie
    assert isinstance(_store_for(at(movie)), LocalStore)


def test_a_file_is_copied_whole(movie: Path, tmp_path: Path) -> None:
    received: list[int] = []
    target = tmp_path / "new" / "folder" / "copy"
    sha256 = STORE.download(STORE.stat(at(movie)), target, received.append)
    assert target.read_bytes() == b"frames"
    assert sha256 == hashlib.sha256(b"frames").hexdigest()
    assert received == [6]
    assert names_in(target.parent) == ["copy"]


def test_a_file_that_changed_is_not_copied(movie: Path, tmp_path: Path) -> None:
    info = STORE.stat(at(movie))
    movie.write_bytes(b"more frames")
    with pytest.raises(Retriable, match="the object changed while it was being read"):
        STORE.download(info, tmp_path / "out" / "copy")


def test_a_file_that_changes_while_it_is_copied_leaves_nothing(movie: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"before")

    def change(_: int) -> None:
        movie.write_bytes(b"more")

    with pytest.raises(Retriable, match="the object changed"):
        STORE.download(STORE.stat(at(movie)), tmp_path / "copy", change)
    assert names_in(tmp_path) == ["copy", "in"]
    assert (tmp_path / "copy").read_bytes() == b"before"


def test_an_upload_appears_whole(movie: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "m1" / "labeled.mp4"
    seen: list[list[Path]] = []

    def look(_: int) -> None:
        seen.append([info.location.path for info in STORE.list(at(tmp_path / "out"))])

    info = STORE.upload(movie, at(target), content_type="video/mp4", progress=look)
    assert seen == [[]]
    assert target.read_bytes() == b"frames"
    assert info == replace(STORE.stat(at(target)), sha256=hashlib.sha256(b"frames").hexdigest())
    assert target.stat().st_mode & 0o777 == movie.stat().st_mode & 0o777
    movie.write_bytes(b"again")
    assert STORE.upload(movie, at(target)).size == 5


def test_an_upload_that_fails_leaves_nothing(movie: Path, tmp_path: Path) -> None:
    class StoppedError(Exception): ...

    def stop(_: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        STORE.upload(movie, at(tmp_path / "out" / "a"), progress=stop)
    assert names_in(tmp_path / "out") == []


def test_a_folder_or_a_file_in_the_way(movie: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="expected the name of a file"):
        STORE.upload(movie, at(tmp_path))
    with pytest.raises(BadInput, match="expected a file, found a folder"):
        STORE.stat(at(tmp_path))
    with pytest.raises(BadInput, match=r"expected a folder, but .*MP4 is a file"):
        STORE.upload(movie, at(movie / "a"))
    with pytest.raises(BadInput, match=r"expected a folder, but .*MP4 is a file"):
        STORE.check_writable(at(movie / "a"))


def test_the_disk_must_have_room(movie: Path, tmp_path: Path) -> None:
    huge = replace(STORE.stat(at(movie)), size=1 << 60)
    with pytest.raises(Retriable, match="1,152,921,504,606,846,976 bytes are needed"):
        STORE.download(huge, tmp_path / "not" / "there" / "a")
    assert names_in(tmp_path) == ["in"]


def test_a_disk_that_becomes_full_is_named(movie: Path, tmp_path: Path) -> None:
    def fill(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(Retriable, match="/copy: the disk became full"):
        STORE.download(STORE.stat(at(movie)), tmp_path / "copy", fill)
    assert names_in(tmp_path) == ["in"]


def test_reading_is_bounded(movie: Path) -> None:
    assert STORE.read(at(movie), limit=6) == b"frames"
    with pytest.raises(BadInput, match="at most 5 bytes, found 6"):
        STORE.read(at(movie), limit=5)


def test_removing(movie: Path) -> None:
    STORE.remove(at(movie))
    STORE.remove(at(movie))
    assert not movie.exists()


def test_what_is_absent(tmp_path: Path, movie: Path) -> None:
    for path in (tmp_path / "absent", movie / "absent"):
        with pytest.raises(NoSuchObject, match="there is no such file"):
            STORE.stat(at(path))
        assert not list(STORE.list(at(path)))


def test_listing_takes_only_files_that_are_whole(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a", "b/.0123.partial", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to("a")
    found = [info.location.key for info in STORE.list(at(tmp_path))]
    assert found == [f"{tmp_path}/{name}" for name in (".hidden", "a", "link", "b/1", "b/2")]


def test_trying_to_write_leaves_nothing(tmp_path: Path) -> None:
    STORE.check_writable(at(tmp_path))
    STORE.check_writable(at(tmp_path / "not" / "there"))
    assert names_in(tmp_path) == []


def test_a_folder_that_may_not_be_written_to() -> None:
    # As root, only a file system that takes no files refuses.
    with pytest.raises(PoseError, match="/proc"):
        STORE.check_writable(at("/proc/results"))


def test_a_request_finds_its_files(tmp_path: Path) -> None:
    for name in ("m10.mp4", "m2.mp4", "M1.MP4", "sub/m3.mp4", "[x].mp4", "2024-1/a", "2024-2/b"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def found(text: str) -> list[str]:
        return [
            str(info.location.path.relative_to(tmp_path))
            for info in expand_location(LocationStore(), text)
        ]

    everything = ["2024-1/a", "2024-2/b", "[x].mp4", "M1.MP4", "m2.mp4", "m10.mp4", "sub/m3.mp4"]
    assert found(str(tmp_path)) == found(f"{tmp_path}/") == found(f"{tmp_path}/**") == everything
    assert found(f"{tmp_path}/m2.mp4") == ["m2.mp4"]
    assert found((tmp_path / "m2.mp4").as_uri()) == ["m2.mp4"]
    assert found(f"{tmp_path}/m*.mp4") == ["m2.mp4", "m10.mp4"]
    assert found(f"{tmp_path}/**.mp4") == ["[x].mp4", "m2.mp4", "m10.mp4", "sub/m3.mp4"]
    assert found(f"{tmp_path}/[x].mp4") == ["[x].mp4"]
    assert found(f"{tmp_path}/2024-*/") == ["2024-1/a", "2024-2/b"]
    for absent in ("m3.mp4", "none/", "*.avi", "**/*.avi"):
        with pytest.raises(NoSuchObject, match=r"there (is|are) no|no object"):
            expand_location(LocationStore(), f"{tmp_path}/{absent}")


def test_local_files_need_no_boto3(movie: Path) -> None:
    code = (
        "import sys\n"
        "from tasks.storage.lookup import LocationStore, _store_for, expand_location\n"
        "expand_location(LocationStore(), sys.argv[1])\n"
        "assert 'botocore' not in sys.modules and 's3transfer' not in sys.modules\n"
    )
    command = [sys.executable, "-c", code, str(movie)]
    subprocess.run(command, check=True, timeout=60, cwd=ROOT)


@pytest.mark.parametrize(("start", "length", "part"), [(0, 6, b"frames"), (2, 3, b"ame")])
def test_a_part_is_read(movie: Path, start: int, length: int, part: bytes) -> None:
    assert STORE.read_part(at(movie), start, length) == part


@pytest.mark.parametrize(("start", "length"), [(0, 7), (4, 3), (6, 1), (2**40, 1)])
def test_a_part_beyond_the_end_is_refused(movie: Path, start: int, length: int) -> None:
    with pytest.raises(BadInput, match=f"expected {length} bytes from byte {start:,} on"):
        STORE.read_part(at(movie), start, length)


def test_a_part_of_what_is_no_file(movie: Path) -> None:
    with pytest.raises(BadInput):
        STORE.read_part(at(movie.parent), 0, 1)
    with pytest.raises(NoSuchObject):
        STORE.read_part(at(movie.parent / "absent"), 0, 1)


def test_what_killed_copies_have_left_is_removed(tmp_path: Path) -> None:
    whole = tmp_path / "out" / "m1" / "labeled.mp4"
    left = whole.with_name(f".{'0' * 16}.labeled.mp4.partial")
    other = tmp_path / "out2" / left.name
    for path in (whole, left, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert STORE.abort_unfinished_uploads(at(tmp_path / "out"), anything, timedelta(hours=1)) == 0
    assert STORE.abort_unfinished_uploads(at(tmp_path / "out"), at(whole).__ne__) == 0
    assert STORE.abort_unfinished_uploads(at(tmp_path / "out"), at(whole).__eq__) == 1
    assert [whole.exists(), left.exists(), other.exists()] == [True, False, True]
    assert STORE.abort_unfinished_uploads(at(tmp_path / "absent"), anything) == 0


def test_a_copy_tells_what_it_becomes_where_its_name_has_room(tmp_path: Path) -> None:
    for name in ("labeled.mp4", "m" * 250):
        with open_replacement(tmp_path / name) as file:
            (partial,) = tmp_path.iterdir()
            assert is_partial(partial.name)
            assert partial_target(partial).name == (name if len(name) < 200 else partial.name)
            file.write(b"whole")
        (tmp_path / name).unlink()


def anything(_location: Location) -> bool:
    return True


def test_a_file_system_without_links_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As exFAT does; the system's own answer is given, since a test can mount none."""

    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with pytest.raises(NotSupported, match="no hard links"):
        STORE.create(at(tmp_path / "claim"), b"mine")
    assert list(tmp_path.iterdir()) == []
