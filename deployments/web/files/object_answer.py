"""Answers that hold an object of the store, or a part of it, for downloads and for players."""

import mimetypes
import re
from collections.abc import Iterator
from email.utils import format_datetime
from http import HTTPStatus

from fastapi import Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from tasks.storage.store import ObjectInfo, ObjectStore, format_attachment

CHUNK_BYTES = 2**22
"""Bytes that are asked of the store at a time: each is a request."""

LINK_SECONDS = 120
"""How long a signed link for a download works: it has to be followed within that, not to end."""

MEDIA_LINK_SECONDS = 6 * 3600
"""How long one for a player works, which asks again for each place that a person goes to."""

_STORED_POLICY = (
    "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_STORED_PAGE_POLICY = f"sandbox allow-downloads allow-popups; {_STORED_POLICY}"
"""What a stored page may do: be looked at. It may be a stranger's, so nothing in it runs.

In a sandbox a movie that is opened by itself would be refused its own bytes.
"""

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SHOWN_TYPES = ("image/", "video/", "audio/")
_PAGE_TYPES = ("text/", "image/svg")

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def answer_with_object(
    request: Request,
    store: ObjectStore,
    info: ObjectInfo,
    *,
    has_store_links: bool,
    is_download: bool = False,
) -> Response:
    """Answer with an object, whole or the part that was asked for, or with a link to it.

    Args:
        request: The request, with its headers.
        store: Where the object is.
        info: The object, as `ObjectStore.stat` found it.
        has_store_links: Whether the browser is sent on to the store.
        is_download: Whether the browser is to save it rather than to show it.
    """
    kind = find_content_type(info.location.name)
    # A page's relative links lead to its neighbors here, and what runs in it is seen to here.
    if has_store_links and not kind.startswith(_PAGE_TYPES):
        seconds = MEDIA_LINK_SECONDS if kind.startswith("video/") else LINK_SECONDS
        name = info.location.name if is_download or not kind.startswith(_SHOWN_TYPES) else None
        if link := store.create_signed_link(info.location, seconds, name):
            return RedirectResponse(link, HTTPStatus.TEMPORARY_REDIRECT, _NO_CACHE)
    return _answer_with_bytes(request, store, info, kind, is_download=is_download)


_NO_CACHE = {"cache-control": "no-store"}


def find_content_type(name: str) -> str:
    """The content type that a browser is told, by a name's suffix, whatever the store says."""
    suffix = f".{name.rpartition('.')[2].lower()}"
    guessed = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "")
    return guessed if suffix in _TYPES or guessed.startswith(_SHOWN_TYPES) else _BINARY


_BINARY = "application/octet-stream"


def _answer_with_bytes(
    request: Request, store: ObjectStore, info: ObjectInfo, kind: str, *, is_download: bool
) -> Response:
    headers = {
        "accept-ranges": "bytes",
        "content-type": kind,
        "content-security-policy": (
            _STORED_PAGE_POLICY if kind.startswith(_PAGE_TYPES) else _STORED_POLICY
        ),
        # It is asked for again each time, which is answered without bytes if it has not changed.
        "cache-control": "private, no-cache",
    }
    if is_download or kind == _BINARY:
        headers["content-disposition"] = format_attachment(info.location.name)
    if info.etag:
        headers["etag"] = f'"{info.etag.strip(chr(34))}"'
    if info.modified:
        headers["last-modified"] = format_datetime(info.modified, usegmt=True)
    if info.etag and headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    part = range(info.size)
    status = HTTPStatus.OK
    if chosen := _find_range(request, headers.get("etag")):
        part = _take_range(part, *chosen)
        status = HTTPStatus.PARTIAL_CONTENT
        headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{info.size}"
        if not part:
            headers["content-range"] = f"bytes */{info.size}"
            return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    headers["content-length"] = str(len(part))
    if request.method == "HEAD" or not part:
        return Response(status_code=status, headers=headers)
    return StreamingResponse(read_in_chunks(store, info, part), status, headers)


def _find_range(request: Request, etag: str | None) -> tuple[str, str] | None:
    """First and last byte that were asked for, as they were written; None for the whole object.

    Several ranges at a time are answered with the whole object, as a server may.
    """
    found = _RANGE.fullmatch(request.headers.get("range", ""))
    if not found or not any(found.groups()):
        return None
    condition = request.headers.get("if-range")
    return None if condition and condition != etag else (found[1], found[2])


def _take_range(whole: range, first: str, last: str) -> range:
    if not first:  # the last so many bytes
        return whole[-int(last) :] if int(last) else range(0)
    return whole[int(first) : int(last) + 1 if last else None]


def read_in_chunks(
    store: ObjectStore, info: ObjectInfo, part: range | None = None
) -> Iterator[bytes]:
    """Read an object, or a part of it, as one version of it holds it.

    Raises:
        PoseError: The object has changed meanwhile, or the store cannot be reached.
    """
    part = range(info.size) if part is None else part
    for start in part[::CHUNK_BYTES]:
        length = min(CHUNK_BYTES, part.stop - start)
        yield store.read_part(info.location, start, length, info.etag)
