"""An object as a file that is read in parts."""

import io
import random
from pathlib import Path

from tasks.storage.local_store import LocalStore
from tasks.storage.location import Location
from tasks.storage.ranged_file import RangedFile


def test_it_reads_as_the_object_does(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(10_000)
    (tmp_path / "m.mp4").write_bytes(data)
    store, chance = LocalStore(), random.Random(2)
    info = store.stat(Location.parse(str(tmp_path / "m.mp4")))
    with RangedFile(store, info, block=256) as file, io.BytesIO(data) as whole:
        for _ in range(300):
            whence, offset = chance.choice([(0, 5_000), (1, 100), (2, -300), (2, 10)])
            assert file.seek(offset, whence) == whole.seek(offset, whence) == file.tell()
            size = chance.choice([0, 1, 700, -1])
            assert file.read(size) == whole.read(size)


def test_what_is_near_is_asked_for_once(tmp_path: Path) -> None:
    (tmp_path / "m.mp4").write_bytes(bytes(10_000))
    store = LocalStore()
    info = store.stat(Location.parse(str(tmp_path / "m.mp4")))
    with RangedFile(store, info, block=256) as file:
        for place in (0, 8, 100, 5_000, 5_100, 16):
            file.seek(place)
            file.read(8)
        assert file.requests == 2
