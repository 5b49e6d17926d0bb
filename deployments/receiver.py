"""Receives what object stores tell of arrivals, and passes it on as Prefect events.

    python -m deployments.receiver --port 8090                     MinIO, Ceph: an HTTP webhook
    python -m deployments.receiver --queue https://sqs…/arrivals   AWS: a queue that S3 writes to

Notifications are hints: one that comes twice, late or never does no harm, since runs are started
under a key of their own, and since the scheduled look at the inbox finds what was missed.
"""

import argparse
import hmac
import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from flows.__main__ import prepare_environment

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger("receiver")

TOKEN = "DLCFLOW_RECEIVER_TOKEN"  # noqa: S105 - the name of the variable that holds it
"""Environment variable; where it is set, a webhook must send it as ``Authorization: Bearer …``."""

PAUSE = 5.0
"""Seconds to wait after a failure before the queue is asked again."""

LARGEST = 2**20
"""Bytes of a notification."""


def main(arguments: list[str] | None = None) -> int:
    """Receive until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.receiver",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, help="port to listen at for webhooks")
    parser.add_argument("--queue", metavar="URL", help="SQS queue to read")
    options = parser.parse_args(arguments)
    if options.port is None and options.queue is None:
        parser.error("give --port, --queue, or both")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    prepare_environment()
    if options.queue:
        reader = threading.Thread(target=read_queue, args=(options.queue,), daemon=True)
        reader.start()
    if options.port is not None:
        serve(options.host, options.port)
    else:
        reader.join()
    return 0


def read_queue(url: str, stop: threading.Event | None = None, wait: int = 20) -> None:
    """Announce a queue's messages until told to stop; a message is removed once it is announced."""
    from tasks.storage.sqs import MessageQueue  # noqa: PLC0415

    queue = MessageQueue(url)
    while stop is None or not stop.is_set():
        try:
            for receipt, body in queue.messages(wait):
                _announce(body)
                queue.acknowledge(receipt)
        except ConnectionError as error:
            log.warning("%s", error)
            time.sleep(PAUSE)


def _announce(body: bytes | str) -> bool:
    from tasks.arrivals import announce  # noqa: PLC0415 - Prefect takes seconds to load

    try:
        count = announce(body)
    except ValueError as error:
        log.warning("left aside: %s", error)
        return False
    log.info("%d arrivals announced", count)
    return True


def serve(host: str, port: int) -> None:
    """Listen for webhooks until interrupted."""
    import uvicorn  # noqa: PLC0415

    uvicorn.run(application(), host=host, port=port, log_level="warning")


def application() -> "FastAPI":
    """The web application: ``POST /`` takes a notification, ``GET /`` says that all is well."""
    from fastapi import FastAPI, HTTPException, Request  # noqa: PLC0415

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    def well() -> dict[str, str]:
        return {"status": "listening"}

    @app.post("/")
    async def notified(request: Request) -> dict[str, str]:
        token = os.environ.get(TOKEN)
        sent = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and not hmac.compare_digest(token.encode(), sent.encode()):
            raise HTTPException(401, f"expected the token in {TOKEN} as Authorization: Bearer")
        body = await request.body()
        if len(body) > LARGEST:
            raise HTTPException(413, f"expected at most {LARGEST} bytes")
        # Malformed ones are answered as received: a store would send them again and again.
        return {"status": "announced" if _announce(body) else "left aside"}

    return app


if __name__ == "__main__":
    sys.exit(main())
