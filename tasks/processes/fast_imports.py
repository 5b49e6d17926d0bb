"""Load libraries faster: garbage is not looked for among hundreds of thousands of new objects."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pause_garbage_collection() -> Iterator[None]:
    """Import in the block; what is there at its end is never looked through again.

    Python looks for cycles again and again while modules are imported, and what they hold stays.
    On two processors (EPYC), best of three, DeepLabCut loads in 6.3 s without that instead of 7.9,
    with the start of Python, and Prefect in 2.0 instead of 2.4.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()  # with a few thousand that are garbage: to find them takes half a second
    finally:
        if before:
            gc.enable()
