"""The web application: its parts, the gate before them, and answers to errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from deployments.web import player, progress, results, start, upload
from deployments.web.access import login
from deployments.web.access.gate import HEALTH_PATH, Gate
from deployments.web.access.sessions import Sessions
from deployments.web.listing.run_index import RunIndex
from deployments.web.movies.open_movie import OpenMovies
from deployments.web.pages import STATIC_FOLDER, Web, render_page
from deployments.web.web_settings import WebSettings
from tasks.errors import BadInput, PoseError, Retriable
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectStore
from tasks.storage.store_errors import NoSuchObject

LOOKING_PARTS: tuple[tuple[APIRouter, str, str], ...] = (
    (results.router, "Results", "/"),
    (player.router, "", ""),
    (progress.router, "Under way", "/progress"),
)
"""Routers of the parts, with name and address of each in the navigation; empty to leave it out."""

CHANGING_PARTS: tuple[tuple[APIRouter, str, str], ...] = (
    (start.router, "Start a run", "/start"),
    (progress.changing_router, "", ""),
    (upload.router, "Upload", "/upload"),
)
"""As `LOOKING_PARTS`: those that start something or write, which read-only mode leaves out."""


def create_application(settings: WebSettings, cache: Path) -> FastAPI:
    """Make the page.

    Args:
        settings: Settings of the page.
        cache: A folder for what can be made again at any time.
    """
    parts = LOOKING_PARTS if settings.is_read_only else LOOKING_PARTS + CHANGING_PARTS
    store = LocationStore()
    index = RunIndex(store, settings.results, settings.name_in_results, cache)
    navigation = tuple((name, path) for _, name, path in parts if name)

    @asynccontextmanager
    async def keep_index(_: FastAPI) -> AsyncIterator[None]:
        index.start()
        yield
        index.stop()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=keep_index)
    app.state.web = Web(settings, store, index, navigation)
    app.state.sessions = Sessions(settings)
    app.state.movies = OpenMovies(store, settings)
    app.add_middleware(
        Gate,
        settings=settings,
        sessions=app.state.sessions,
        headers=build_security_headers(find_store_origins(store, settings.folders)),
    )
    app.mount("/static", _LastingFiles(directory=STATIC_FOLDER))
    app.add_api_route(HEALTH_PATH, _report_health, methods=["GET", "HEAD"])
    if settings.password:
        app.include_router(login.router)
    for router, _, _ in parts:
        app.include_router(router)
    for kind in (PoseError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _explain_error)
    return app


def find_store_origins(store: ObjectStore, folders: tuple[Location, ...]) -> tuple[str, ...]:
    """The origins of signed links to objects in some folders, which browsers may then ask."""
    origins = []
    for bucket in dict.fromkeys(folder.bucket for folder in folders if folder.bucket):
        with suppress(PoseError):  # there are no credentials, which is told where they are needed
            link = urlsplit(store.create_signed_link(Location(bucket, "x"), 1) or "")
            origins.append(f"{link.scheme}://{link.netloc}")
    return tuple(dict.fromkeys(origins))


def build_security_headers(store: tuple[str, ...]) -> dict[str, str]:
    """The headers by which a browser asks nobody but this page and the store.

    Args:
        store: Origins of the store, which files come from and go to.
    """
    policy = {
        "default-src": ("'none'",),
        "script-src": ("'self'",),
        "style-src": ("'self'",),
        "font-src": ("'self'",),
        "img-src": ("'self'", "data:", "blob:", *store),
        "media-src": ("'self'", "blob:", *store),
        "connect-src": ("'self'", *store),
        "worker-src": ("'self'",),
        "form-action": ("'self'",),
        "base-uri": ("'none'",),
        "frame-ancestors": ("'none'",),
    }
    return {
        "content-security-policy": "; ".join(f"{k} {' '.join(v)}" for k, v in policy.items()),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-dns-prefetch-control": "off",
        "cache-control": "no-store",
    }


class _LastingFiles(StaticFiles):
    """Static files, which browsers keep: their addresses change with what is in them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        if scope.get("query_string"):
            answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer


def _report_health() -> Response:
    return PlainTextResponse("listening")


def _explain_error(request: Request, error: Exception) -> Response:
    """Answer with an error's sentence: as JSON to scripts, and as a page to people."""
    status, text = _to_status(error), str(error)
    if isinstance(error, HTTPException):
        text = "There is no such page." if status == HTTPStatus.NOT_FOUND else str(error.detail)
    elif isinstance(error, RequestValidationError):
        text = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": text}, status)
    return render_page(request, "problem.html", status, text=text, status=status)


def _to_status(error: Exception) -> int:
    match error:
        case HTTPException(status_code=status):
            return status
        case NoSuchObject():
            return HTTPStatus.NOT_FOUND
        case BadInput() | RequestValidationError():
            return HTTPStatus.BAD_REQUEST
        case Retriable():
            return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.INTERNAL_SERVER_ERROR
