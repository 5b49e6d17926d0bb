"""The web application of our Prefect server, its settings, and how it is served."""

import os
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from deployments.server.upkeep_process import keep_upkeep
from tasks.command_line.prefect_environment import PREFECT_SETTINGS
from tasks.pose.form_schema import ERROR_MESSAGE

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SERVER_SETTINGS = PREFECT_SETTINGS | {
    # Slots that a killed run held come back, over a restart of the server too.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
        "prefect.server.concurrency.lease_storage.filesystem"
    ),
    # Where the page came from: by whatever name, and through whichever proxy, a browser got there.
    "PREFECT_UI_API_URL": "/api",
    # No origin: a page from elsewhere must not ask this server through its reader's browser, which
    # Prefect allows to every page.
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "none",
    # Runs wait for a GPU as a matter of course: that they are late says nothing after 15 seconds,
    # and to mark hundreds of them keeps SQLite from everything else.
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "3600",
    # The newer UI shows neither what a run under way has made since its page was opened nor how
    # many stages it has had.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    # A run has 30 seconds to end; what is still Cancelling then has nobody left to end it.
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS": "60",
    # A work pool is not green for a minute and a half after its last worker has gone.
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "5",
    "PREFECT_SERVER_SERVICES_FOREMAN_WORK_QUEUE_LAST_POLLED_TIMEOUT_SECONDS": "30",
    # Advertisements for Prefect's paid service.
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}
"""Prefect's settings here, unless somebody has set them."""


def run_server(host: str, port: int, *, has_upkeep: bool = True) -> None:
    """Serve as ``prefect server start`` does, with a process beside it that looks after runs."""
    import uvicorn  # noqa: PLC0415

    app = create_application()
    from prefect.settings import get_current_settings  # noqa: PLC0415

    server = get_current_settings().server
    password = server.api.auth_string.get_secret_value() if server.api.auth_string else None
    with keep_upkeep(host, port, password) if has_upkeep else nullcontext():
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_level=server.logging_level.lower(),
            timeout_keep_alive=server.api.keepalive_timeout,
            ws_ping_interval=server.api.websocket_ping_interval,
            ws_ping_timeout=server.api.websocket_ping_timeout,
        )


def create_application() -> "FastAPI":
    """Make the web application, for any ASGI server (``uvicorn --factory``)."""
    os.environ.update(SERVER_SETTINGS | os.environ)
    from prefect.server.api import collections  # noqa: PLC0415 - reads the environment
    from prefect.server.api.server import create_app  # noqa: PLC0415
    from prefect.settings import get_current_settings  # noqa: PLC0415

    from deployments.server.name_new_runs import NewRunNames  # noqa: PLC0415
    from deployments.server.state_rules import install_rules  # noqa: PLC0415

    _shorten_sqlite_wait()
    _refuse_in_words()
    install_rules()
    # A list without an address is read from the installed package at once.
    collections.KNOWN_VIEWS.update(dict.fromkeys(collections.KNOWN_VIEWS, ""))
    app = create_app(final=True)
    api, store = get_current_settings().server.ui.api_url, os.environ.get("AWS_ENDPOINT_URL")
    app.add_middleware(NewRunNames)
    app.add_middleware(HeadersMiddleware, headers=build_security_headers(api, store))
    return app


_SQLITE_WAIT_MS = 5_000
"""Milliseconds that a statement waits for another connection's, instead of Prefect's minute.

Now and then a request of Prefect's holds SQLite while it waits for a second connection,
which waits for it in turn until it gives up: all runs stand still for as long. A request
that gives up is asked to try again, as Prefect's clients do.
"""


def _shorten_sqlite_wait() -> None:
    from prefect.server.database.configurations import AioSqliteConfiguration  # noqa: PLC0415

    set_up = AioSqliteConfiguration.setup_sqlite

    def set_up_with_short_wait(self: Any, connection: Any, record: Any) -> None:
        set_up(self, connection, record)
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_SQLITE_WAIT_MS}")
        cursor.close()

    AioSqliteConfiguration.setup_sqlite = set_up_with_short_wait  # type: ignore[method-assign,assignment]


def _refuse_in_words() -> None:
    """Let a schema's own refusal stand in place of the validator's sentence.

    The form's pages and the API both show what Prefect's validator says.
    """
    from prefect.utilities.schema_tools import validation  # noqa: PLC0415

    validator: Any = validation._VALIDATOR  # noqa: SLF001 - it has no other name
    iterate_errors = validator.iter_errors

    def iterate_errors_in_words(self: Any, *given: Any, **named: Any) -> Iterator[Any]:
        for error in iterate_errors(self, *given, **named):
            told = error.schema.get(ERROR_MESSAGE) if isinstance(error.schema, dict) else None
            if isinstance(told, str):
                error.message = told
            yield error

    if iterate_errors.__name__ != iterate_errors_in_words.__name__:
        validator.iter_errors = iterate_errors_in_words


def build_security_headers(api: str | None, store: str | None) -> dict[str, str]:
    """The headers by which a browser asks nobody but this server and the store.

    Args:
        api: Where the UI finds the API, which may be another server.
        store: Where the store is, whose pictures artifacts may show.
    """
    policy = {
        "default-src": ("'self'",),
        # The time line of a run is drawn by PixiJS, which compiles its shaders' setters.
        "script-src": ("'self'", "'unsafe-eval'"),
        "connect-src": ("'self'", *_parse_origin(api)),
        "img-src": ("'self'", "data:", "blob:", *_parse_origin(store)),
        "style-src": ("'self'", "'unsafe-inline'"),
        "font-src": ("'self'", "data:"),
        "worker-src": ("'self'", "blob:"),
        "object-src": ("'none'",),
        "base-uri": ("'self'",),
        "form-action": ("'self'",),
        "frame-ancestors": ("'self'",),
    }
    return {
        "content-security-policy": "; ".join(f"{k} {' '.join(v)}" for k, v in policy.items()),
        # Links lead outside, to Prefect's documentation and to the store: they tell no addresses
        # of ours, and their hosts are not even looked up before they are followed.
        "referrer-policy": "same-origin",
        "x-dns-prefetch-control": "off",
        "x-content-type-options": "nosniff",
    }


def _parse_origin(url: str | None) -> tuple[str, ...]:
    parts = urlsplit(url or "")
    return (f"{parts.scheme}://{parts.netloc}",) if parts.netloc else ()


class HeadersMiddleware:
    """Puts headers into every answer.

    Attributes:
        app: The application that answers.
        headers: What to put in.
    """

    def __init__(self, app: "ASGIApp", headers: Mapping[str, str]) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request; a websocket's messages are passed on as they are."""
        from starlette.datastructures import MutableHeaders  # noqa: PLC0415

        async def send_with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)
