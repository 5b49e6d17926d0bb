"""Somebody who is told: an HTTP server that keeps the notices that a block of Prefect sends it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NOTICE_WORDS = {"subject": "{{subject}}", "body": "{{body}}"}
"""What a custom webhook block is to send."""


class NoticeListener:
    """Somebody who is told.

    Attributes:
        told: The notices.
        refuses: Whether it takes none.
        url: Its address, without a scheme.
    """

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []
        self.refuses = False
        self.url = ""

    def about(self, text: str) -> list[dict[str, str]]:
        """Notices that a text occurs in."""
        return [one for one in list(self.told) if text in json.dumps(one, ensure_ascii=False)]


@contextmanager
def listen_to_notices() -> Iterator[NoticeListener]:
    """Listen on loopback while the block runs."""
    found = NoticeListener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not found.refuses:
                found.told.append(body)
            self.send_response(503 if found.refuses else 200)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.url = f"127.0.0.1:{server.server_port}/"
        yield found
        server.shutdown()
