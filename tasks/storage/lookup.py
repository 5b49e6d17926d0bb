"""Find the store of a location, and the objects that a location names."""

import glob

from tasks.storage.local_store import LocalStore, stat_if_complete
from tasks.storage.location import Location
from tasks.storage.patterns import (
    is_match,
    literal_folder,
    natural_sort_key,
    normalize_double_stars,
)
from tasks.storage.store import ObjectInfo, ObjectStore


def store_for(location: Location) -> ObjectStore:
    """The store that holds a location. boto3 is loaded only for one in a bucket."""
    if location.is_local:
        return LocalStore()
    from tasks.storage.s3_store import S3Store  # noqa: PLC0415 - half a second that local runs don't need

    return S3Store()


def expand_location(text: str) -> list[ObjectInfo]:
    """Find what one entry of a request means, in natural order.

    Args:
        text: An object; or a prefix that ends in ``/``, or a local folder, for everything below
            it; or a pattern in which ``*`` stays within a folder and ``**`` crosses folders. An
            object whose key looks like a pattern is taken as it is.

    Returns:
        At least one object.

    Raises:
        ValueError: The text is no location.
        FileNotFoundError: It names nothing that exists.
    """
    location = Location.parse(text)
    store = store_for(location)
    found = list(store.list(location)) if location.is_prefix else _find_object(store, location)
    if not found and location.has_glob:
        found = _find_matches(store, location)
    if not found:
        raise FileNotFoundError(_describe_no_match(location))
    return sorted(found, key=lambda info: natural_sort_key(info.location.key))


def _find_object(store: ObjectStore, location: Location) -> list[ObjectInfo]:
    """The object itself, or nothing where the location may still be a pattern."""
    try:
        return [store.stat(location)]
    except FileNotFoundError:
        if location.has_glob:
            return []
        if not any(store.list(location)):
            raise
    raise FileNotFoundError(
        f"{location}: there is no object of this name, but there are objects below it. To take "
        f"them all, write {location}/ with a slash at its end."
    )


def _find_matches(store: ObjectStore, location: Location) -> list[ObjectInfo]:
    pattern = normalize_double_stars(location.key + "**" * location.key.endswith("/"))
    if location.is_local and "**" not in pattern:
        # A listing would enter every folder below, also those that nobody may read.
        paths = glob.iglob(pattern, include_hidden=True)  # noqa: PTH207 - the pattern is absolute
        return [info for path in paths if (info := stat_if_complete(path))]
    folder = Location(location.bucket, literal_folder(pattern))
    return [info for info in store.list(folder) if is_match(info.location.key, pattern)]


def _describe_no_match(location: Location) -> str:
    if not location.has_glob:
        return f"{location}: there are no objects below this prefix. Check its spelling and case."
    return (
        f"{location}: no object fits this pattern. In it * stays within a folder, ** crosses "
        "folders, and [[] stands for a bracket."
    )
