"""Folders of the store as zip files, which are made while they are sent."""

from collections.abc import Sequence

from fastapi.responses import Response, StreamingResponse
from zipstream import ZIP_STORED, ZipStream

from deployments.web.files.object_answer import read_in_chunks
from tasks.pose.results.file_names import HIDDEN_FOLDER
from tasks.storage.location import Location
from tasks.storage.store import ObjectInfo, ObjectStore, format_attachment
from tasks.storage.store_errors import NoSuchObject


def answer_with_zip(store: ObjectStore, folder: Location) -> Response:
    """Answer with everything below a folder as one zip file, whose size is told before it is sent.

    Movies and pictures are compressed already, so that nothing is compressed again. If an object
    changes or the store fails meanwhile, the download breaks off, and the browser says so.

    Args:
        store: Where the folder is.
        folder: The folder; it ends in a slash.

    Raises:
        NoSuchObject: There is nothing below it.
    """
    infos = [
        info
        for info in store.list(folder)
        if HIDDEN_FOLDER not in info.location.key.removeprefix(folder.key).split("/")
    ]
    if not infos:
        raise NoSuchObject(f"{folder}: there is nothing to download; its files were removed.")
    archive = build_zip(store, folder, infos)
    headers = {
        "content-type": "application/zip",
        "content-length": str(len(archive)),
        "content-disposition": format_attachment(f"{folder.name or folder.bucket}.zip"),
    }
    return StreamingResponse(iter(archive), headers=headers)


def build_zip(store: ObjectStore, folder: Location, infos: Sequence[ObjectInfo]) -> ZipStream:
    """Put objects into a zip file that is still to be read from them.

    Args:
        store: Where they are.
        folder: The folder above them, whose name begins their paths in the zip file.
        infos: The objects.
    """
    archive = ZipStream(compress_type=ZIP_STORED, sized=True)
    for info in infos:
        path = f"{folder.name}/{info.location.key.removeprefix(folder.key)}"
        # No program that unpacks it is led out of its folder.
        parts = [part for part in path.split("/") if part not in {"", ".", ".."}]
        archive.add(read_in_chunks(store, info), "/".join(parts), size=info.size)
    return archive
