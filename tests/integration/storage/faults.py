"""A small HTTP proxy that stands before a real store and does it wrong when it is told to."""

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class ProxyRequest:
    """What a fault looks at before it decides."""

    method: str
    path: str
    number: int
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AnswerItself:
    """Answers without asking the store."""

    status: int
    code: str = ""
    message: str = ""


@dataclass(frozen=True)
class ResetConnection:
    """Closes the connection hard, without an answer."""


@dataclass(frozen=True)
class DropAnswer:
    """Passes the request on, and closes the connection hard in the place of an answer."""


@dataclass(frozen=True)
class CutBody:
    """Passes on half of the body and closes the connection."""


@dataclass(frozen=True)
class ShortenBody:
    """Passes on all but the last byte, and says that this is all there is."""


@dataclass(frozen=True)
class DelayAnswer:
    """Answers only after some seconds."""

    seconds: float


@dataclass(frozen=True)
class DamageUpload:
    """Turns over the first byte of what the client sends."""


@dataclass(frozen=True)
class DamageDownload:
    """Turns over a byte of what the store sends, by default the last."""

    place: int = -1


@dataclass(frozen=True)
class RunAfterwards:
    """Lets the request pass, then does something."""

    action: Callable[[], object]


Fault = (
    AnswerItself
    | ResetConnection
    | DropAnswer
    | CutBody
    | ShortenBody
    | DelayAnswer
    | DamageUpload
    | DamageDownload
    | DropAnswer
    | RunAfterwards
)
Rule = Callable[[ProxyRequest], Fault | None]


class FaultOnFirst:
    """A rule: a fault on the first requests of a method for each key, and none after that.

    Args:
        faults: The method, the fault and how many requests get it, by a part of their path.
    """

    def __init__(self, faults: dict[str, tuple[str, Fault, float]]) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self.seen: Counter[str] = Counter()

    def __call__(self, request: ProxyRequest) -> Fault | None:
        for part, (method, fault, times) in self._faults.items():
            if part in request.path and request.method == method:
                with self._lock:
                    self.seen[part] += 1
                    return fault if self.seen[part] <= times else None
        return None


class FaultyProxy(ThreadingHTTPServer):
    """Forwards every request, unless its rule names a fault."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        address = urlsplit(upstream)
        self.upstream = (address.hostname or "", address.port or 80)
        self._lock = threading.Lock()
        self.use_rule(lambda request: None)

    def use_rule(self, rule: Rule) -> None:
        """Begin to count anew, and let a rule decide what goes wrong from now on."""
        with self._lock:
            self.rule = rule
            self.requests: list[ProxyRequest] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def choose_fault(self, method: str, path: str, headers: Mapping[str, str]) -> Fault | None:
        with self._lock:
            number = sum(r.method == method for r in self.requests)
            request = ProxyRequest(method, path, number, headers)
            self.requests.append(request)
        return self.rule(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that went away are part of these tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def serve_request(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match fault := self.server.choose_fault(self.command, self.path, dict(self.headers)):
            case AnswerItself():
                self._send_answer(fault)
            case ResetConnection():
                self._reset_connection()
            case _:
                self._forward_request(sent, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve_request  # noqa: N815

    def _forward_request(self, sent: bytes, fault: Fault | None) -> None:
        if isinstance(fault, DelayAnswer):
            time.sleep(fault.seconds)
        if isinstance(fault, DamageUpload) and sent:
            sent = bytes([sent[0] ^ 255]) + sent[1:]
        status, headers, body = self._ask_store(sent)
        if isinstance(fault, RunAfterwards):
            fault.action()
        if isinstance(fault, DropAnswer):
            self._reset_connection()
        else:
            self._pass_on(status, headers, body, fault)

    def _ask_store(self, sent: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = HTTPConnection(*self.server.upstream, timeout=30)
        headers = {k: v for k, v in self.headers.items() if k.lower() != "expect"}
        try:
            upstream.request(self.command, self.path, sent or None, headers)
            answer: HTTPResponse = upstream.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            upstream.close()

    def _pass_on(
        self, status: int, headers: dict[str, str], body: bytes, fault: Fault | None
    ) -> None:
        if isinstance(fault, ShortenBody):
            body = body[:-1]
        if isinstance(fault, DamageDownload) and body:
            spoiled = bytearray(body)
            spoiled[fault.place] ^= 255
            body = bytes(spoiled)
        skipped = {"connection", "transfer-encoding", "content-length"}
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in skipped:
                self.send_header(name, value)
        length = headers.get("Content-Length") if self.command == "HEAD" else len(body)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if isinstance(fault, CutBody):
            self.wfile.write(body[: len(body) // 2])
            self._reset_connection()
        else:
            self.wfile.write(body)

    def _send_answer(self, fault: AnswerItself) -> None:
        said = f"<Code>{fault.code}</Code><Message>{escape(fault.message)}</Message>"
        body = f"<Error>{said}</Error>".encode() if fault.code else b""
        self.send_response_only(fault.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def _reset_connection(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        # Without lingering, closing sends a reset rather than an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the tests' output quiet."""


@contextmanager
def run_faulty_proxy(upstream: str) -> Iterator[FaultyProxy]:
    """Run a proxy before a store."""
    proxy = FaultyProxy(upstream)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


def fail_on(method: str, fault: Fault, *numbers: int) -> Rule:
    """The fault on requests of one method: on all, or on those of these numbers, from 0."""

    def decide_fault(request: ProxyRequest) -> Fault | None:
        meant = request.method == method and (not numbers or request.number in numbers)
        return fault if meant else None

    return decide_fault
