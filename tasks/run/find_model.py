"""Find a model archive in its store, without loading Prefect or any table library."""

from tasks.errors import BadInput
from tasks.storage.location import Location
from tasks.storage.lookup import store_for
from tasks.storage.store import ObjectInfo


def find_model(text: str) -> ObjectInfo:
    """Find a model archive.

    Args:
        text: Its location.

    Returns:
        The object.

    Raises:
        BadInput: It is no location of a zip.
        OSError: As the store tells it.
    """
    location = Location.parse(text)
    if location.suffix.lower() != ".zip":
        raise BadInput(
            f"model: expected a zip of a DeepLabCut model folder, found {location}; give the "
            "location of a .zip file"
        )
    return store_for(location).stat(location)
