"""Uploads to the inbox that nobody has finished: their parts take room in the bucket, unseen."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from deployments.web.uploads.file_checks import locate_file
from tasks.errors import BadInput
from tasks.storage.location import Location
from tasks.storage.part_uploads import (
    PartUpload,
    StoredPart,
    UploadGone,
    list_parts,
    list_uploads,
)

MAX_SHOWN = 100
"""Uploads that are shown, those that began last."""

_REQUESTS_AT_ONCE = 8


def describe_unfinished(inbox: Location) -> dict[str, Any]:
    """Describe the unfinished uploads of an inbox, as JSON has it.

    Returns:
        `uploads`: of each its folder below the inbox, its name, its id, how many bytes have
        arrived, and when the last ones did; `more`: how many are not shown.

    Raises:
        PoseError: The store cannot be read.
    """
    found = [one for one in list_uploads(inbox) if _can_be_named(inbox, one)][::-1]
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        parts = list(pool.map(_list_parts, found[:MAX_SHOWN]))
    return {
        "uploads": [
            {
                "folder": _folder_of(inbox, one),
                "name": one.location.name,
                "upload": one.id,
                "bytes": sum(part.size for part in arrived),
                "last": max((part.modified.isoformat() for part in arrived), default=None),
            }
            for one, arrived in zip(found, parts, strict=False)
        ],
        "more": max(0, len(found) - MAX_SHOWN),
    }


def _list_parts(upload: PartUpload) -> list[StoredPart]:
    try:
        return list_parts(upload)
    except UploadGone:  # it has just been finished or removed
        return []


def _folder_of(inbox: Location, upload: PartUpload) -> str:
    return upload.location.key.removeprefix(inbox.key).removesuffix(upload.location.name)


def _can_be_named(inbox: Location, upload: PartUpload) -> bool:
    try:
        place = locate_file(inbox, _folder_of(inbox, upload), upload.location.name)
    except BadInput:
        return False
    return place == upload.location
