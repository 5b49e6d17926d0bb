"""Try whether a request's objects can be read, before a run waits for its turn."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tasks.errors import BadInput, Retriable
from tasks.messages import strip_full_stop
from tasks.storage.store import ObjectInfo, ObjectStore
from tasks.storage.store_errors import NotSupported

PARALLEL_READS = 8
"""Objects that are tried at the same time."""

UNREADABLE = "movies cannot be read"
"""Words of the warning, by which it is known."""

_MAX_NAMED = 5


def check_readable(
    store: ObjectStore, model: ObjectInfo, movies: Sequence[ObjectInfo]
) -> list[str]:
    """Read the first byte of each object: no listing shows what is archived, or may be read.

    Args:
        store: Where they are.
        model: The request's model.
        movies: Its movies; at least one.

    Returns:
        A warning for the movies that cannot be read while others can; each fails by itself. What
        the store fails to answer for now is not among them: it is tried again at its turn.

    Raises:
        BadInput: The model, or no movie, can be read, with the first reason.
        Retriable: The store cannot be reached.
    """
    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        first, *others = pool.map(partial(_find_problem, store), [model, *movies])
    if first:
        raise first
    errors = [error for error in others if error]
    if len(errors) == len(movies):
        raise next((error for error in errors if isinstance(error, Retriable)), errors[0])
    problems = [error for error in errors if isinstance(error, BadInput)]
    if not problems:
        return []
    named = "; ".join(strip_full_stop(str(problem)) for problem in problems[:_MAX_NAMED])
    more = f"; and {len(problems) - _MAX_NAMED} more" if len(problems) > _MAX_NAMED else ""
    return [f"{len(problems)} of {len(movies)} {UNREADABLE}: {named}{more}"]


def _find_problem(store: ObjectStore, info: ObjectInfo) -> BadInput | Retriable | None:
    try:
        if info.size:
            store.read_part(info.location, 0, 1)
    except NotSupported:
        raise
    except (BadInput, Retriable) as error:
        return error
    return None
