"""Find a model archive in its store, without loading Prefect or any table library."""

from tasks.errors import BadInput
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo, ObjectStore


def find_model(store: ObjectStore, text: str) -> ObjectInfo:
    """Find a model archive.

    Args:
        store: Where it is.
        text: Its location.

    Returns:
        The object.

    Raises:
        BadInput: It is no location of a zip, or there is none.
        Retriable: The store cannot be reached.
    """
    location = Location.parse(text)
    if location.suffix.lower() != ".zip":
        raise BadInput(
            f"model: expected a zip of a DeepLabCut model folder, found {location}; give the "
            "location of a .zip file"
        )
    return store.stat(location)
