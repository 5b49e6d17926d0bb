"""A part of a file as it comes from a browser, where that does not send it to the store itself."""

import asyncio
import hashlib
from typing import BinaryIO

from fastapi import Request

from tasks.errors import BadInput, Retriable
from tasks.storage.multipart import choose_sent_part_bytes

LONGEST_SILENCE = 60.0
"""Seconds without a byte after which a browser counts as gone."""


def measure_part(size: int, number: int) -> int:
    """The bytes of one part of a file.

    Args:
        size: The file's bytes.
        number: The part's number, from 1.

    Raises:
        BadInput: The file has no such part.
    """
    length = choose_sent_part_bytes(size)
    start = (number - 1) * length
    if number < 1 or start >= size:
        raise BadInput(f"expected the number of a part of {size:,} bytes, found {number}")
    return min(length, size - start)


async def receive_part(request: Request, file: BinaryIO, size: int, digest: str) -> None:
    """Write a request's body into a file as it comes, however large it is.

    Args:
        request: The request.
        file: Where it goes.
        size: The bytes that it must have.
        digest: Their MD5 in hexadecimal digits.

    Raises:
        BadInput: It has more bytes.
        Retriable: It broke off, or was damaged on its way.
    """
    found, received = hashlib.md5(usedforsecurity=False), 0
    clock = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(LONGEST_SILENCE) as limit:
            async for chunk in request.stream():
                limit.reschedule(clock.time() + LONGEST_SILENCE)
                received += len(chunk)
                if received > size:
                    raise BadInput(f"expected a part of {size:,} bytes, found more")
                found.update(chunk)
                file.write(chunk)
    except TimeoutError as error:
        raise Retriable("the part stopped arriving; send it again") from error
    if received < size or found.hexdigest() != digest:
        raise Retriable("the part did not arrive as it was sent; send it again")
