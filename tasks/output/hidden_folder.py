"""The hidden folder at an output location: what runs keep there for later runs and for each other.

Removing it loses time, never a result: whatever is missing is made again.
"""

import os
from contextlib import suppress
from pathlib import Path

from prefect.exceptions import MissingContextError
from prefect.logging import get_run_logger

from tasks.errors import PoseError
from tasks.pose.results.file_names import HIDDEN_FOLDER
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore
from tasks.storage.store_errors import NoSuchObject


def hidden_location(output: Location, *names: str) -> Location:
    """A location in the hidden folder; the last name of a prefix ends in a slash."""
    return output.child(HIDDEN_FOLDER, *names)


def download_if_present(store: ObjectStore, source: Location, target: Path) -> Path | None:
    """Bring what is kept to the local disk; None where there is no such object.

    Raises:
        Retriable: The store fails.
    """
    with suppress(NoSuchObject):
        store.download(store.stat(source), target)
        return target
    return None


def remove_objects(store: ObjectStore, location: Location) -> int:
    """Remove an object, or what lies below a prefix; what is left over must undo nothing.

    Returns:
        How many objects there were; an object that is named itself is taken to be there.
    """
    try:
        found = [location]
        if location.is_prefix:
            found = [info.location for info in store.list(location)]
        for one in found:
            store.remove(one)
    except PoseError as error:
        log_warning(f"{location} could not be removed: {error}")
        return 0
    remove_empty_folders(location)
    return len(found)


def remove_empty_folders(location: Location) -> None:
    """Remove local folders that have become empty, from the deepest up to this one.

    Nobody else may be about to write there.
    """
    if location.is_local and location.key.endswith("/"):
        for folder, _, _ in os.walk(location.path, topdown=False):
            with suppress(OSError):  # something lies there
                Path(folder).rmdir()


def log_warning(sentence: str) -> None:
    """Tell the run's log what has gone wrong and harms no result."""
    with suppress(MissingContextError):
        get_run_logger().warning("%s", sentence)


def log_info(sentence: str) -> None:
    """Tell the run's log what is worth knowing."""
    with suppress(MissingContextError):
        get_run_logger().info("%s", sentence)
