"""Upload: movies from a browser into the inbox, in parts, and what becomes of them there."""

from base64 import b64encode
from dataclasses import asdict, replace
from http import HTTPStatus
from tempfile import TemporaryFile
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, Field, StringConstraints

from deployments.web.files.object_answer import LINK_SECONDS
from deployments.web.pages import Web, WebContext, render_page
from deployments.web.uploads.file_checks import check_file, check_files, check_inbox, locate_file
from deployments.web.uploads.inbox_watch import MovieStanding, describe_folders, find_standings
from deployments.web.uploads.received_part import measure_part, receive_part
from deployments.web.uploads.unfinished_uploads import describe_unfinished
from deployments.web.web_settings import parse_address
from tasks.errors import PoseError
from tasks.storage.location import Location
from tasks.storage.multipart import MAX_PARTS
from tasks.storage.part_uploads import (
    ObjectExists,
    PartUpload,
    UploadGone,
    WrongParts,
    abandon_upload,
    begin_upload,
    finish_upload,
    list_parts,
    send_part,
    sign_part,
)
from tasks.storage.store_errors import NoSuchObject

router = APIRouter()

MAX_FILES = 1000
"""Files that are asked about at a time."""

MAX_FILE_BYTES = 5 * 2**40
"""Bytes of an object, as S3 has it."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""MD5 in hexadecimal digits."""


class NamedFile(BaseModel):
    """A file by its name, and the folder of the inbox that it goes to or lies in."""

    folder: str = Field(default="", max_length=1024)
    name: str = Field(max_length=1024)


class SizedFile(NamedFile):
    """A file that is to be uploaded, with its bytes."""

    size: int = Field(ge=0, le=MAX_FILE_BYTES)


class NamedUpload(NamedFile):
    """An unfinished upload of a file."""

    upload: str = Field(max_length=1024)

    def find(self, inbox: Location) -> PartUpload:
        """The upload in the store."""
        return PartUpload(locate_file(inbox, self.folder, self.name), self.upload)


class NamedPart(NamedUpload):
    """A part of it, and the digest that it must have."""

    number: int = Field(ge=1, le=MAX_PARTS)
    digest: Digest


class FileChoice(BaseModel):
    """Files that somebody has chosen for one folder."""

    folder: str = Field(default="", max_length=1024)
    files: list[SizedFile] = Field(max_length=MAX_FILES)


class FinishedFile(NamedUpload, SizedFile):
    """A file of which all has been sent."""

    digests: list[Digest] = Field(min_length=1, max_length=MAX_PARTS)
    has_digests: bool = True
    replaced: str | None = None


@router.get("/upload", response_class=HTMLResponse)
def show_upload(request: Request, web: WebContext) -> Response:
    """The page that files are chosen on."""
    return render_page(request, "upload.html", inbox=web.settings.inbox)


@router.get("/api/uploads/folders")
def report_folders(web: WebContext) -> JSONResponse:
    """The folders of the inbox, and what is made of movies in each."""
    folders, problem = describe_folders(web.store, check_inbox(web.settings.inbox))
    return JSONResponse({"folders": [asdict(one) for one in folders], "problem": problem})


@router.get("/api/uploads/unfinished")
def report_unfinished(web: WebContext) -> JSONResponse:
    """Uploads to the inbox that are not finished."""
    return JSONResponse(describe_unfinished(check_inbox(web.settings.inbox)))


@router.post("/api/uploads/check")
def report_checks(web: WebContext, choice: FileChoice) -> JSONResponse:
    """What is known of files before any of them is sent."""
    inbox = check_inbox(web.settings.inbox)
    files = [(file.name, file.size) for file in choice.files]
    return JSONResponse(
        [
            {
                "refusal": one.refusal,
                "existing": one.existing
                and {
                    "size": one.existing.size,
                    "etag": one.existing.etag,
                    "modified": one.existing.modified and one.existing.modified.isoformat(),
                },
                "unfinished": one.unfinished,
                "part_bytes": one.part_bytes,
            }
            for one in check_files(web.store, inbox, choice.folder, files)
        ]
    )


@router.post("/api/uploads/begin")
def begin_file(web: WebContext, file: SizedFile) -> JSONResponse:
    """Begin an upload."""
    place = check_file(check_inbox(web.settings.inbox), file.folder, file.name, file.size)
    upload, has_digests = begin_upload(place)
    return JSONResponse({"upload": upload.id, "has_digests": has_digests})


@router.post("/api/uploads/parts")
def report_parts(web: WebContext, named: NamedUpload) -> Response:
    """The parts of an upload that have arrived, as the store lists them."""
    try:
        parts = list_parts(named.find(check_inbox(web.settings.inbox)))
    except UploadGone as error:
        return _explain(error, HTTPStatus.GONE)
    return JSONResponse([[one.number, one.size, one.etag] for one in parts])


@router.post("/api/uploads/link")
def link_part(web: WebContext, part: NamedPart) -> JSONResponse:
    """A signed link to which the browser sends one part, to the store itself."""
    upload = part.find(check_inbox(web.settings.inbox))
    md5 = _encode_md5(part.digest)
    return JSONResponse({"link": sign_part(upload, part.number, md5, LINK_SECONDS), "md5": md5})


@router.put("/api/uploads/part")
async def take_part(
    request: Request,
    web: WebContext,
    name: str,
    upload: str,
    number: int,
    size: int,
    digest: Digest,
    folder: str = "",
) -> Response:
    """Take one part, and send it on to the store: where the browser cannot reach that."""
    inbox = check_inbox(web.settings.inbox)
    named = PartUpload(locate_file(inbox, folder, name), upload)
    wanted = measure_part(size, number)
    with TemporaryFile(prefix="dlcflow-part-") as file:
        await receive_part(request, file, wanted, digest)
        try:
            etag = await run_in_threadpool(send_part, named, number, file, wanted)
        except UploadGone as error:
            return _explain(error, HTTPStatus.GONE)
    return JSONResponse({"etag": etag})


@router.post("/api/uploads/finish")
def finish_file(web: WebContext, file: FinishedFile) -> Response:
    """Put the parts of a file together, once the store holds what was sent."""
    inbox = check_inbox(web.settings.inbox)
    check_file(inbox, file.folder, file.name, file.size)
    try:
        stored = finish_upload(
            file.find(inbox),
            file.size,
            file.digests,
            has_digests=file.has_digests,
            replaced=file.replaced,
        )
    except UploadGone as error:
        return _explain(error, HTTPStatus.GONE)
    except ObjectExists as error:
        return _explain(error, HTTPStatus.CONFLICT)
    except WrongParts as error:
        return _explain(error, HTTPStatus.CONFLICT, parts=error.numbers)
    return JSONResponse({"location": str(stored.location), "etag": stored.etag})


@router.post("/api/uploads/remove")
def remove_upload(web: WebContext, named: NamedUpload) -> JSONResponse:
    """Remove an unfinished upload and what has arrived of it."""
    abandon_upload(named.find(check_inbox(web.settings.inbox)))
    return JSONResponse({})


@router.post("/api/uploads/standings")
def report_standings(
    web: WebContext, files: Annotated[list[NamedFile], Field(max_length=MAX_FILES)]
) -> JSONResponse:
    """Where uploaded files stand in the inbox, with their runs and their results."""
    inbox = check_inbox(web.settings.inbox)
    places = [locate_file(inbox, file.folder, file.name) for file in files]
    return JSONResponse(
        [asdict(_keep_readable(web, one)) for one in find_standings(web.store, inbox, places)]
    )


def _keep_readable(web: Web, standing: MovieStanding) -> MovieStanding:
    """A standing without a link to results that this page does not show."""
    try:
        if standing.result:
            web.settings.check_readable(parse_address(standing.result))
    except NoSuchObject:
        return replace(standing, result="")
    return standing


def _encode_md5(digest: str) -> str:
    """A digest as the header Content-MD5 has it."""
    return b64encode(bytes.fromhex(digest)).decode()


def _explain(error: PoseError, status: HTTPStatus, **more: Any) -> JSONResponse:
    return JSONResponse({"error": str(error), **more}, status)
