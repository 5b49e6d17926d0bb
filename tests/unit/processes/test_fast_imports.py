"""Loading libraries: without looking for garbage, which is looked for again afterwards."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from tasks.processes.fast_imports import pause_garbage_collection


class Node:
    """Something that can hold itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_garbage_is_not_looked_for_in_the_block_nor_ever_in_what_it_made() -> None:
    with pause_garbage_collection():
        assert not gc.isenabled()
        made = weakref.ref(Node())
    assert gc.isenabled()
    gc.collect()
    assert made() is not None


def test_garbage_that_comes_later_is_found() -> None:
    with pause_garbage_collection():
        pass
    later = weakref.ref(Node())
    gc.collect()
    assert later() is None


def test_whoever_looks_for_none_goes_on_so() -> None:
    gc.disable()
    try:
        with pause_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_library_that_cannot_be_loaded_changes_nothing() -> None:
    before = gc.get_freeze_count()
    with pytest.raises(ImportError, match="broken"), pause_garbage_collection():
        raise ImportError("broken")
    assert gc.isenabled()
    assert gc.get_freeze_count() == before
