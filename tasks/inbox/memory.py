"""The memory of looks at an inbox: a file in it, which may be lost or damaged without harm."""

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.inbox.fingerprints import ResultOrigin

MEMORY_FILE = ".dlcflow-inbox.json"
"""The file's name."""

MAX_MEMORY_BYTES = 2**27
"""Bytes of the file; for 5,000 movies it has about 1 MB."""


class InboxMemory(BaseModel):
    """The findings of earlier looks.

    Attributes:
        seen: When each group of movies was first found as it is, in seconds since 1970, by its
            digest.
        made: What results were made from, by the run record's location and ETag and by how this
            version digests, so that a record is read once only.
        refused: Digests of what is refused, each with its reason, that people have been told of.
    """

    model_config = ConfigDict(frozen=True)

    seen: dict[str, float] = {}
    made: dict[str, ResultOrigin] = {}
    refused: frozenset[str] = frozenset()


def parse_memory(data: bytes) -> InboxMemory:
    """Read what a look has written; what cannot be read is forgotten."""
    try:
        return InboxMemory.model_validate_json(data)
    except ValidationError:
        return InboxMemory()
