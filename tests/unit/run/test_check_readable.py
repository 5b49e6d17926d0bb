"""Objects that cannot be read are named before a run waits for its turn."""

from pathlib import Path

import pytest

from tasks.errors import BadInput, Retriable
from tasks.run.check_readable import check_readable
from tasks.storage.local_store import LocalStore
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo


class PickyStore(LocalStore):
    """Does not let files be read whose names begin with ``no``, nor for now with ``later``."""

    def read_part(
        self, location: Location, start: int, length: int, etag: str | None = None
    ) -> bytes:
        if location.name.startswith("no"):
            raise BadInput(f"{location.name}: it may not be read.")
        if location.name.startswith("later"):
            raise Retriable(f"{location.name}: the store is overloaded.")
        return super().read_part(location, start, length, etag)


def find(folder: Path, *names: str) -> list[ObjectInfo]:
    found = []
    for name in names:
        (folder / name).write_bytes(b"" if "empty" in name else b"content")
        found.append(LocalStore().stat(Location.parse(str(folder / name))))
    return found


def test_what_can_be_read_is_not_spoken_of(tmp_path: Path) -> None:
    model, *movies = find(tmp_path, "model.zip", "m1.mp4", "empty.mp4")
    assert check_readable(PickyStore(), model, movies) == []


def test_a_warning_names_what_cannot(tmp_path: Path) -> None:
    model, *movies = find(tmp_path, "model.zip", "m1.mp4", "no2.mp4")
    (warning,) = check_readable(PickyStore(), model, movies)
    assert warning == "1 of 2 movies cannot be read: no2.mp4: it may not be read"


def test_a_warning_names_some_of_many(tmp_path: Path) -> None:
    model, *movies = find(tmp_path, "model.zip", "m.mp4", *(f"no{n}.mp4" for n in range(7)))
    (warning,) = check_readable(PickyStore(), model, movies)
    assert warning.startswith("7 of 8 movies cannot be read: no0.mp4: it may not be read; no1.mp4")
    assert warning.endswith("; and 2 more")


@pytest.mark.parametrize("names", [("no.zip", "m1.mp4"), ("model.zip", "no1.mp4", "no2.mp4")])
def test_nothing_to_run_on_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    model, *movies = find(tmp_path, *names)
    with pytest.raises(BadInput, match=r"^no\S*: it may not be read\.$"):
        check_readable(PickyStore(), model, movies)


def test_what_the_store_fails_to_answer_for_now_costs_the_others_nothing(tmp_path: Path) -> None:
    model, *movies = find(tmp_path, "model.zip", "m1.mp4", "later2.mp4")
    assert check_readable(PickyStore(), model, movies) == []


@pytest.mark.parametrize("names", [("later.zip", "m1.mp4"), ("model.zip", "no1.mp4", "later2.mp4")])
def test_a_store_that_answers_nothing_is_tried_again(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    model, *movies = find(tmp_path, *names)
    with pytest.raises(Retriable, match=r"^later\S*: the store is overloaded\.$"):
        check_readable(PickyStore(), model, movies)
