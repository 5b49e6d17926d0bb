"""Results: the list of runs, a run's movies, and the files of both."""

from dataclasses import asdict
from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from deployments.web.files.object_answer import answer_with_object
from deployments.web.listing.run_database import PAGE_LENGTH, IndexedRun, RunChoice
from deployments.web.pages import Web, WebContext, render_page
from deployments.web.web_settings import parse_address, to_address
from tasks.output.run_summary import VERDICTS
from tasks.pose.results.file_names import REPORT_FILE, RUN_RECORD_FILE
from tasks.storage.location import Location
from tasks.storage.store_errors import NoSuchObject

router = APIRouter()


@router.get("/", response_class=HTMLResponse)
def list_runs(
    request: Request,
    web: WebContext,
    q: str = "",
    kind: str = "",
    verdict: str = "",
    page: int = 1,
) -> Response:
    """The runs below the configured locations, the newest first."""
    web.index.request_refresh()
    choice = RunChoice(q[:200], kind, verdict)
    page = max(1, min(page, MAX_PAGE))
    runs, count = web.index.database.find_runs(choice, page)
    return render_page(
        request,
        "results.html",
        runs=[(run, Location.parse(run.output)) for run in runs],
        count=count,
        choice=asdict(choice),
        values={"q": q, "kind": kind, "verdict": verdict},
        page=page,
        pages=count_pages(count),
        verdicts=VERDICTS,
        state=web.index.state,
    )


MAX_PAGE = 10**6
"""A page beyond every list's end."""


@router.get("/api/listing")
def report_listing(web: WebContext) -> JSONResponse:
    """How far the list of runs is, for pages that show it."""
    web.index.request_refresh()
    state = web.index.state
    return JSONResponse({"version": state.version, "is_looking": state.is_looking})


@router.get("/runs/{address:path}", response_class=HTMLResponse)
def show_run(
    request: Request,
    web: WebContext,
    address: str,
    q: str = "",
    verdict: str = "",
    page: int = 1,
) -> Response:
    """A run: its movies, those that need a look first, and its files."""
    output = web.settings.check_readable(parse_address(address))
    if not output.key.endswith("/"):
        return RedirectResponse(f"/runs/{to_address(output)}/", HTTPStatus.SEE_OTHER)
    run = find_run(web, output)
    page = max(1, min(page, MAX_PAGE))
    movies, count = web.index.database.find_movies(run.output, q[:200], verdict, page)
    return render_page(
        request,
        "run.html",
        run=run,
        output=output,
        movies=[(movie, address_below(output, movie.picture)) for movie in movies],
        count=count,
        values={"q": q, "verdict": verdict},
        page=page,
        pages=count_pages(count),
        verdicts=VERDICTS,
        report=address_below(output, REPORT_FILE),
    )


@router.api_route("/files/{address:path}", methods=["GET", "HEAD"])
def open_file(request: Request, web: WebContext, address: str, download: bool = False) -> Response:
    """A file of the store, to be shown where a browser can, or to be saved."""
    location = web.settings.check_readable(parse_address(address))
    return answer_with_object(
        request,
        web.store,
        web.store.stat(location),
        has_store_links=web.settings.has_store_links,
        is_download=download,
    )


def find_run(web: Web, output: Location) -> IndexedRun:
    """Find a run as the store has it now.

    Raises:
        NoSuchObject: No run has ended there.
    """
    run = web.index.find_run(output)
    if run is None:
        raise NoSuchObject(
            f"{output}: there is no {RUN_RECORD_FILE}; no run has ended here, or its results were "
            "removed."
        )
    return run


def address_below(output: Location, path: str) -> str:
    """The part of an address for a file below a run's results; empty where there is no such file.

    Args:
        output: The run.
        path: What its record says, which a stranger may have written.
    """
    parts = path.split("/")
    if not path or not {"", ".", ".."}.isdisjoint(parts):
        return ""
    return f"{to_address(output)}{quote(path, safe='/')}"


def count_pages(count: int) -> int:
    """Number of pages of a list, at least one."""
    return max(1, -(-count // PAGE_LENGTH))
