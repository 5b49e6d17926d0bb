"""Names for new runs: a run is called after its movies from the moment that it exists.

Prefect's forms send names of their own making, and a run gets its real one when it begins: while
it waits, a list would show `merry-tody`.
"""

import json
import re
from typing import TYPE_CHECKING, Any

from tasks.stages.run_names import name_from_parameters

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NEW_RUN_PATH = re.compile(r"/deployments/[0-9a-f-]{36}/create_flow_run/?$")

_MAX_BODY_BYTES = 2**20
"""Bytes of a request that are looked into; Prefect takes parameters of half of that."""


class NewRunNames:
    """Replaces the name in requests that create a run of ours, as the run itself would.

    Attributes:
        app: The application that answers.
    """

    def __init__(self, app: "ASGIApp") -> None:
        self.app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if _creates_run(scope):
            body, again = await _read_body(receive)
            if body is not None and (named := _replace_name(body)) is not None:
                scope, receive = _with_body(scope, receive, named)
            else:
                receive = again
        await self.app(scope, receive, send)


def _creates_run(scope: "Scope") -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "POST"
        and _NEW_RUN_PATH.search(scope["path"]) is not None
    )


async def _read_body(receive: "Receive") -> "tuple[bytes | None, Receive]":
    """Read a request's body: it, or None if it is too long; and what receives it once more."""
    messages: list[Message] = []
    size, more = 0, True
    while more and size <= _MAX_BODY_BYTES:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)

    async def receive_again() -> "Message":
        return messages.pop(0) if messages else await receive()

    body = b"".join(message.get("body", b"") for message in messages)
    return (None if more else body), receive_again


def _replace_name(body: bytes) -> bytes | None:
    """The body with the run's real name; None where it has none of ours."""
    try:
        request: Any = json.loads(body)
        name = name_from_parameters(request["parameters"])
    except (ValueError, TypeError, KeyError):
        return None  # the application says what is wrong with it
    return None if name is None else json.dumps(request | {"name": name}).encode()


def _with_body(scope: "Scope", receive: "Receive", body: bytes) -> "tuple[Scope, Receive]":
    """The request with another body."""
    others = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    headers = [*others, (b"content-length", str(len(body)).encode())]
    left = [body]

    async def receive_named() -> "Message":
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return {**scope, "headers": headers}, receive_named
