"""Models and movies to pick from: folders as they lie there, and nothing that runs have made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.web.starting.input_index import PAGE_LENGTH, FolderPage, FolderRow, InputIndex
from tasks.errors import Retriable
from tasks.storage.local_store import LocalStore
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def as_folder(path: Path) -> Location:
    return Location("", f"{path}/")


def shown(page: FolderPage) -> list[str]:
    return [
        f"{row.name}/ {row.movies}" if isinstance(row, FolderRow) else row.location.name
        for row in page.rows
    ]


@pytest.fixture
def index(tmp_path: Path) -> InputIndex:
    write(tmp_path, "models/a.zip", "models/old/b.ZIP", "models/readme.txt", "m10.mp4", "m9.mp4")
    write(tmp_path, "day1/m1.avi", "day1/cam2/m2.isxb", "day1/._m1.avi", "day2/x.mp4", "empty/x.h5")
    write(tmp_path, "results/a/run.json", "results/a/m1/labeled.mp4", "results/a/m1/poses.h5")
    write(tmp_path, "results/b/.dlcflow/lock/x", "results/b/m1/labeled.mp4", "day2/labeled.mp4")
    write(tmp_path, "results/b/.dlcflow/kept/y.zip", "m.dlcflow/w.zip")
    found = InputIndex(LocalStore(), [as_folder(tmp_path), as_folder(tmp_path / "day1")])
    found.refresh()
    return found


def test_models_are_zips_that_no_run_has_made(index: InputIndex) -> None:
    models, count = index.find_models("", 1)
    assert [info.location.name for info in models] == ["w.zip", "a.zip", "b.ZIP"]
    assert count == 3
    assert [info.location.name for info in index.find_models("OLD b", 1)[0]] == ["b.ZIP"]


def test_folders_come_before_movies_and_count_all_below_them(
    index: InputIndex, tmp_path: Path
) -> None:
    """A folder in another configured one is not listed twice; names are in natural order."""
    assert index.folders == (as_folder(tmp_path),)
    page = index.open_folder(None, "", 1)
    assert shown(page) == ["day1/ 2", "day2/ 2", "m9.mp4", "m10.mp4"]
    inner = index.open_folder(as_folder(tmp_path / "day1"), "", 1)
    assert shown(inner) == ["cam2/ 1", "m1.avi"]
    assert [name for name, _ in inner.parents] == [f"{tmp_path}/", "day1"]
    row = inner.rows[0]
    assert isinstance(row, FolderRow)
    assert row.location == as_folder(tmp_path / "day1" / "cam2")
    assert row.first.name == "m2.isxb"


def test_search_finds_movies_below_the_folder(index: InputIndex, tmp_path: Path) -> None:
    assert shown(index.open_folder(None, "M2", 1)) == ["m2.isxb"]
    assert shown(index.open_folder(None, "cam2 isxb", 1)) == ["m2.isxb"]
    assert shown(index.open_folder(as_folder(tmp_path / "day2"), "m2", 1)) == []


def test_several_folders_are_rows(tmp_path: Path) -> None:
    write(tmp_path, "a/m1.mp4", "b/c/m2.mp4", "d/readme.txt")
    folders = [as_folder(tmp_path / name) for name in "abd"]
    index = InputIndex(LocalStore(), folders)
    index.refresh()
    assert shown(index.open_folder(None, "", 1)) == [f"{tmp_path}/a// 1", f"{tmp_path}/b// 1"]
    inner = index.open_folder(as_folder(tmp_path / "b" / "c"), "", 1)
    assert [name for name, _ in inner.parents] == ["All folders", f"{tmp_path}/b/", "c"]


def test_the_only_folder_with_movies_is_open_at_once(tmp_path: Path) -> None:
    write(tmp_path, "models/a.zip", "movies/m1.mp4")
    index = InputIndex(LocalStore(), [as_folder(tmp_path / name) for name in ("models", "movies")])
    index.refresh()
    page = index.open_folder(None, "", 1)
    assert shown(page) == ["m1.mp4"]
    assert [name for name, _ in page.parents] == [f"{tmp_path}/movies/"]


def test_pages_have_a_hundred_rows(tmp_path: Path) -> None:
    write(tmp_path, *(f"m{number}.mp4" for number in range(PAGE_LENGTH + 1)))
    index = InputIndex(LocalStore(), [as_folder(tmp_path)])
    index.refresh()
    first, second = (index.open_folder(None, "", page) for page in (1, 2))
    assert (len(first.rows), shown(second), first.count) == (PAGE_LENGTH, ["m100.mp4"], 101)
    assert index.open_folder(None, "", 3).rows == ()


class AwayStore(LocalStore):
    """Answers no more."""

    def list(self, prefix: Location) -> Iterator[ObjectInfo]:
        raise Retriable(f"{prefix}: no answer")


def known(index: InputIndex) -> tuple[list[str], int, int]:
    """Problems, and the numbers of models and movies."""
    found = index.found
    return list(found.problems), len(found.models), len(found.movies)


def test_what_is_known_stays_while_the_store_is_away(tmp_path: Path) -> None:
    write(tmp_path, "m.mp4", "a.zip")
    store = LocalStore()
    index = InputIndex(store, [as_folder(tmp_path)])
    index.refresh()
    index._store = AwayStore()
    index.refresh()
    assert known(index) == ([f"{tmp_path}/: no answer"], 1, 1)
    index._store = store
    (tmp_path / "m.mp4").unlink()
    index.refresh()
    assert known(index) == ([], 1, 0)
