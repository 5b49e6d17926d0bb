"""The gate that every request passes: its host, its origin, its session, and read-only mode."""

import ipaddress
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.web.access.sessions import Sessions
from deployments.web.web_settings import WebSettings
from tasks.environment_variables import WEB_READ_ONLY, WEB_URL, WEB_USER_HEADER

HEALTH_PATH, LOGIN_PATH, LOGOUT_PATH = "/health", "/login", "/logout"
_STATIC_PATH = "/static/"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ALWAYS_ALLOWED = frozenset({LOGIN_PATH, LOGOUT_PATH})


class Gate:
    """Refuses requests that must not reach the page, and puts security headers into every answer.

    Attributes:
        app: The application that answers the others.
        settings: Who may do what.
        sessions: The sessions, where there is a password.
        headers: Headers of every answer that does not bring other ones.
    """

    def __init__(
        self, app: ASGIApp, settings: WebSettings, sessions: Sessions, headers: dict[str, str]
    ) -> None:
        self.app, self.settings, self.sessions, self.headers = app, settings, sessions, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        if scope["type"] == "websocket":
            return  # there are none, and an open one would pass the gate
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = self.find_refusal(Request(scope)) or self.app
        await answer(scope, receive, send_with_headers)

    def find_refusal(self, request: Request) -> Response | None:
        """The answer to a request that is refused; None where it may pass."""
        path = request.url.path
        if path == HEALTH_PATH:  # asked by machines, under any name
            return None
        if not self._is_known_host(request.headers.get("host", "")):
            return _refuse(
                request,
                HTTPStatus.MISDIRECTED_REQUEST,
                f"This page is not served under this name; whoever runs it can set {WEB_URL}.",
            )
        is_change = request.method not in _SAFE_METHODS
        if is_change and not is_same_origin(request):
            return _refuse(
                request,
                HTTPStatus.FORBIDDEN,
                "This request comes from another site, or from a program that names no origin.",
            )
        if is_change and self.settings.is_read_only and path not in _ALWAYS_ALLOWED:
            return _refuse(
                request,
                HTTPStatus.FORBIDDEN,
                f"This page is read-only ({WEB_READ_ONLY}): nothing can be started or uploaded.",
            )
        return self._find_login_refusal(request)

    def _is_known_host(self, host: str) -> bool:
        name = (urlsplit(f"//{host}").hostname or "") if host else ""
        if name == "localhost" or name == (urlsplit(self.settings.url or "").hostname or ""):
            return bool(name)
        return _is_ip_address(name)  # which no other site can make lead here

    def _find_login_refusal(self, request: Request) -> Response | None:
        if header := self.settings.user_header:
            if self._is_from_proxy(request) and request.headers.get(header, "").strip():
                return None
            if not self.settings.password:
                return _refuse(
                    request,
                    HTTPStatus.UNAUTHORIZED,
                    "Open this page by the address of the proxy that lets people in "
                    f"({WEB_USER_HEADER}).",
                )
        path = request.url.path
        is_open = path in _ALWAYS_ALLOWED or path.startswith(_STATIC_PATH)
        if is_open or not self.settings.password or self.sessions.has_session(request):
            return None
        if request.method not in _SAFE_METHODS or path.startswith("/api/"):
            return _refuse(request, HTTPStatus.UNAUTHORIZED, "The session has ended; log in again.")
        asked = path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{LOGIN_PATH}?next={quote(asked)}", HTTPStatus.SEE_OTHER)

    def _is_from_proxy(self, request: Request) -> bool:
        try:
            address = ipaddress.ip_address(request.client.host if request.client else "")
        except ValueError:
            return False
        return any(address in network for network in self.settings.proxies)


def is_same_origin(request: Request) -> bool:
    """Return whether a request that changes something comes from one of our own pages.

    Browsers send Sec-Fetch-Site since 2023, and Origin with every POST before that.
    """
    if site := request.headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host")


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refuse(request: Request, status: HTTPStatus, reason: str) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": reason}, status)
    return PlainTextResponse(reason, status)
