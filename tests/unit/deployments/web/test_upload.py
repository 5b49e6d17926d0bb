"""What the upload page's server refuses, without a store."""

import asyncio
import hashlib
from tempfile import TemporaryFile
from typing import Any

import pytest
from fastapi import Request

from deployments.web.uploads.file_checks import check_file, locate_file
from deployments.web.uploads.received_part import measure_part, receive_part
from tasks.errors import BadInput, PoseError
from tasks.storage.location import Location
from tasks.storage.multipart import SENT_PART_BYTES
from tests.unit.deployments.web.conftest import OpenPage

INBOX = Location("lab", "inbox/")
FILE = {"folder": "", "name": "m1.mp4", "size": 9}


def test_a_page_that_may_not_write_has_no_upload(open_page: OpenPage) -> None:
    page = open_page(inbox=INBOX, is_read_only=True)
    assert page.get("/upload").status_code == 404
    assert "Upload" not in page.get("/").text
    assert page.get("/api/uploads/unfinished").status_code == 404
    refused = page.post("/api/uploads/begin", json=FILE)
    assert (refused.status_code, "read-only" in refused.json()["error"]) == (403, True)
    assert page.put("/api/uploads/part", content=b"x").status_code == 403


def test_other_sites_and_strangers_upload_nothing(open_page: OpenPage) -> None:
    other = {"sec-fetch-site": "cross-site"}
    assert (
        open_page(inbox=INBOX).post("/api/uploads/begin", json=FILE, headers=other).status_code
        == 403
    )
    locked = open_page(inbox=INBOX, password="a long enough one")
    assert locked.post("/api/uploads/begin", json=FILE).status_code == 401
    assert locked.get("/upload").headers["location"] == "/login?next=/upload"


@pytest.mark.parametrize(
    ("inbox", "told"),
    [
        (None, "this page has no inbox; whoever runs it can set DLCFLOW_INBOX"),
        (
            Location("", "/data/inbox/"),
            "this inbox is a folder; copy movies to /data/inbox/ instead",
        ),
    ],
)
def test_an_inbox_must_be_in_a_bucket(open_page: OpenPage, inbox: Any, told: str) -> None:
    page = open_page(inbox=inbox)
    assert page.post("/api/uploads/begin", json=FILE).json() == {"error": told}
    shown = page.get("/upload").text
    assert 'type="file"' not in shown
    assert ("DLCFLOW_INBOX" if inbox is None else "/data/inbox/") in shown


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("", ""),
        ("", ".."),
        ("", "../m1.mp4"),
        ("", "/m1.mp4"),
        ("..", "m1.mp4"),
        ("../results/", "m1.mp4"),
        ("day1//", "m1.mp4"),
        ("/", "m1.mp4"),
        ("", "m1\n.mp4"),
        ("", "m1\0.mp4"),
        ("", "m1\ud800.mp4"),
        ("", f"{'ü' * 600}.mp4"),
    ],
)
def test_no_name_leads_out_of_the_inbox(folder: str, name: str) -> None:
    with pytest.raises(BadInput):
        check_file(INBOX, folder, name, 9)


def test_a_name_is_a_name_whatever_it_says() -> None:
    for name in ("<script>alert(1)<\\script>.mp4", "a b+c%41&#?.mp4", "..mp4", "🐭.avi"):
        assert locate_file(INBOX, "day 1/cam", name) == Location("lab", f"inbox/day 1/cam/{name}")


def test_a_file_has_parts_of_one_length() -> None:
    size = 2 * SENT_PART_BYTES + 5
    assert [measure_part(size, number) for number in (1, 2, 3)] == [SENT_PART_BYTES] * 2 + [5]
    for number in (0, 4):
        with pytest.raises(BadInput, match="expected the number of a part"):
            measure_part(size, number)


async def receive(sent: list[bytes]) -> bytes:
    rest = list(sent)

    async def read() -> dict[str, Any]:
        body = rest.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(rest)}

    digest = hashlib.md5(b"the part", usedforsecurity=False).hexdigest()
    with TemporaryFile() as file:
        await receive_part(Request({"type": "http"}, read), file, 8, digest)
        file.seek(0)
        return file.read()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ([b"the ", b"part"], ""),
        ([b"the part"], ""),
        ([b"the pert"], "did not arrive as it was sent"),
        ([b"the "], "did not arrive as it was sent"),
        ([b"the part", b"!"], "expected a part of 8 bytes, found more"),
    ],
)
def test_a_part_is_taken_only_as_it_was_sent(sent: list[bytes], told: str) -> None:
    if not told:
        assert asyncio.run(receive(sent)) == b"the part"
        return
    with pytest.raises(PoseError, match=told):
        asyncio.run(receive(sent))
