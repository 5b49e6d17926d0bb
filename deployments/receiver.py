"""Receives what object stores tell of arrivals, and passes it on as Prefect events.

    python -m deployments.receiver --port 8090                     MinIO, Ceph: an HTTP webhook
    python -m deployments.receiver --queue https://sqs…/arrivals   AWS: a queue that S3 writes to

Arrivals in the inbox (DLCFLOW_INBOX) are gathered: the first one is passed on within a second, and
those of the next seconds together, so that a flood of movies makes few events.

Notifications are hints: one that comes twice, late or never does no harm, since runs are started
under separate keys, and since the scheduled look at the inbox finds what was missed.
"""

import argparse
import hmac
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deployments.debounce import Debouncer
from tasks.command_line.prefect_environment import prepare_environment
from tasks.environment_variables import (
    INBOX,
    RECEIVER_TOKEN,
    read_inbox,
    read_receiver_token,
)
from tasks.errors import Retriable
from tasks.storage.location import Location
from tasks.storage.notifications import parse_notification

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

log = logging.getLogger("receiver")

RETRY_PAUSE = 5.0
"""Seconds to wait after a failure before the queue is asked again."""

MAX_NOTIFICATION_BYTES = 2**20
"""Bytes of a notification."""

NO_INBOX_MESSAGE = (
    f"expected an inbox (--inbox or {INBOX}), found none: all messages would be removed "
    "from the queue without starting a run"
)

ArrivalDebouncer = Debouncer[Location]


def main(arguments: list[str] | None = None) -> int:
    """Receive until interrupted; what has been received by then is passed on first."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.receiver",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, help="port to listen at for webhooks")
    parser.add_argument("--queue", metavar="URL", help="SQS queue to read")
    parser.add_argument(
        "--inbox",
        metavar="LOCATION",
        action="append",
        help=f"inbox that a deployment looks at, once for each; by default ${INBOX}",
    )
    options = parser.parse_args(arguments)
    if options.port is None and options.queue is None:
        parser.error("give --port, --queue, or both")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    prepare_environment()
    inboxes = parse_inboxes(options.inbox or [read_inbox() or ""])
    if options.queue and not inboxes:
        sys.exit(NO_INBOX_MESSAGE)
    receive_notifications(options, inboxes)
    return 0


def parse_inboxes(texts: Sequence[str]) -> list[Location]:
    """Read the inboxes' locations, with or without the slash at their ends.

    Raises:
        SystemExit: One is no location.
    """
    try:
        found = [Location.parse(f"{text.rstrip('/')}/") for text in texts if text]
    except ValueError as error:
        sys.exit(f"the inbox: {error}")
    if not found:
        log.warning("no inbox is named: give --inbox or set %s; all arrivals are ignored", INBOX)
    return found


def receive_notifications(options: argparse.Namespace, inboxes: Sequence[Location]) -> None:
    """Receive from a webhook, a queue or both until SIGTERM or Ctrl-C."""
    # The server ends by itself on a signal and raises it again; what is waiting goes out first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gatherer = ArrivalDebouncer(lambda found: _announce_arrivals(inboxes, found))
    stop = threading.Event()
    readers = [threading.Thread(target=read_queue, args=(options.queue, gatherer, stop))]
    try:
        for reader in readers if options.queue else ():
            reader.daemon = True
            reader.start()
        if options.port is not None:
            serve_webhooks(options.host, options.port, gatherer)
        else:
            stop.wait()
    except KeyboardInterrupt:
        log.info("ending")
    finally:
        stop.set()
        gatherer.close()


def _announce_arrivals(inboxes: Sequence[Location], found: Sequence[Location]) -> None:
    from tasks.inbox.arrivals import emit_arrival_events  # noqa: PLC0415 - Prefect takes seconds to load

    count = emit_arrival_events(inboxes, found)
    log.info("%d arrivals, %d events", len(found), count)


def read_queue(url: str, gatherer: ArrivalDebouncer, stop: threading.Event, wait: int = 20) -> None:
    """Gather a queue's messages until told to stop; one is removed once it has been passed on.

    While nothing can be passed on they are left in the queue: it would send again and again those
    that are not removed, and after some times put them aside.
    """
    from tasks.storage.sqs import MessageQueue  # noqa: PLC0415

    queue: MessageQueue | None = None
    while not stop.is_set():
        try:
            queue = queue or MessageQueue(url)
            _receive_messages(queue, gatherer, wait)
        except Retriable as error:
            log.warning("%s", error)
            stop.wait(RETRY_PAUSE)
        while (gatherer.is_failing or gatherer.is_full) and not stop.wait(RETRY_PAUSE):
            pass


def _receive_messages(queue: Any, gatherer: ArrivalDebouncer, wait: int) -> None:
    messages = queue.receive_messages(wait)
    receipts = [receipt for receipt, _ in messages]
    if messages:
        found = [location for _, body in messages for location in _parse_notification(body)]
        gatherer.add(found, lambda: _acknowledge_messages(queue, receipts))


def _acknowledge_messages(queue: Any, receipts: Sequence[str]) -> None:
    try:
        queue.acknowledge(receipts)
    except Retriable as error:
        log.warning("messages will be received again: %s", error)


def _parse_notification(body: bytes | str) -> list[Location]:
    """Parse a notification; return nothing for an unreadable one, which would be sent forever."""
    try:
        return parse_notification(body)
    except ValueError as error:
        log.warning("left aside: %s", error)
        return []


def serve_webhooks(host: str, port: int, gatherer: ArrivalDebouncer) -> None:
    """Listen for webhooks until interrupted."""
    import uvicorn  # noqa: PLC0415

    if host not in {"127.0.0.1", "::1", "localhost"} and not read_receiver_token():
        log.warning(
            "anyone who can reach %s can send notifications; to prevent that, set %s",
            host,
            RECEIVER_TOKEN,
        )
    uvicorn.run(create_application(gatherer), host=host, port=port, log_level="warning")


def create_application(gatherer: ArrivalDebouncer) -> "FastAPI":
    """The web application: ``POST /`` takes a notification, ``GET /`` says that all is well.

    A notification is answered at once, before it has been passed on: Ceph lets the writer of an
    object wait for the answer. When too much waits, the store is told to try again.
    """
    from fastapi import FastAPI, HTTPException, Request  # noqa: PLC0415

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.api_route("/", methods=["GET", "HEAD"])
    def report_health() -> dict[str, str]:
        return {"status": "listening"}

    @app.post("/")
    async def receive_notification(request: Request) -> dict[str, Any]:
        if not _has_valid_token(request):
            raise HTTPException(
                401, f"expected the token in {RECEIVER_TOKEN} as Authorization: Bearer"
            )
        body = await _read_body(request)
        if body is None:
            raise HTTPException(413, f"expected at most {MAX_NOTIFICATION_BYTES} bytes")
        if gatherer.is_full:
            raise HTTPException(503, "too many arrivals wait for the Prefect server; try again")
        found = _parse_notification(body)
        gatherer.add(found)
        return {"arrivals": len(found)}

    return app


def _has_valid_token(request: "Request") -> bool:
    """Return whether a notification carries the token, if one is set."""
    token = read_receiver_token()
    header = request.headers.get("authorization", "").removeprefix("Bearer ")
    sent = header or request.query_params.get("token", "")
    return not token or hmac.compare_digest(token.encode(), sent.encode(errors="replace"))


async def _read_body(request: "Request") -> bytes | None:
    """The body, or nothing when it is too large: no more of it is read then."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_NOTIFICATION_BYTES:
            return None
    return body


if __name__ == "__main__":
    sys.exit(main())
