"""Results: the list of runs, a run's movies, and the files of both."""

from dataclasses import asdict
from http import HTTPStatus
from pathlib import PurePosixPath
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from deployments.web.files.object_answer import answer_with_object
from deployments.web.files.zip_answer import answer_with_zip
from deployments.web.listing.run_database import PAGE_LENGTH, IndexedRun, RunChoice
from deployments.web.pages import Web, WebContext, render_page
from deployments.web.web_settings import parse_address, to_address
from tasks.output.run_summary import PICTURE_SUFFIXES, VERDICTS, MovieSummary
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


_LINKS = {"pose": "movies", "behavior": "tables"}
"""How addresses of a run's movies begin, by its kind."""

MAX_PAGE = 10**6
"""A page beyond every list's end."""


@router.get("/api/listing")
def report_listing(web: WebContext) -> JSONResponse:
    """How far the list of runs is, for pages that show it."""
    web.index.request_refresh()
    state = web.index.state
    return JSONResponse({"mark": state.mark, "is_looking": state.is_looking})


@router.get("/runs/{address:path}", response_class=HTMLResponse)
def show_run(
    request: Request,
    web: WebContext,
    address: str,
    q: str = "",
    verdict: str = "",
    page: int = 1,
) -> Response:
    """A run: its movies, or what it has in their place, and its files."""
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
        files=list_run_files(output, run),
        figures=[
            output.child(name)
            for name in run.files
            if PurePosixPath(name).suffix in PICTURE_SUFFIXES and address_below(output, name)
        ],
        links=_LINKS.get(run.kind, ""),
        report=address_below(output, REPORT_FILE) if REPORT_FILE in run.files else "",
    )


@router.get("/tables/{address:path}", response_class=HTMLResponse)
def show_table(request: Request, web: WebContext, address: str) -> Response:
    """One table of a behavior run: its figures and its files."""
    output, run, table = find_movie(web, address)
    folder = output.child(f"{table.name}/")
    files = list(web.store.list(folder))
    places = [info.location for info in files]
    return render_page(
        request,
        "table.html",
        run=run,
        output=output,
        table=table,
        folder=folder,
        files=files,
        figures=[place for place in places if place.suffix in PICTURE_SUFFIXES],
        movies=[place for place in places if place.suffix == ".mp4"],
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


@router.get("/zip/{address:path}")
def download_folder(web: WebContext, address: str) -> Response:
    """Everything below a run's results, or one of its folders, as a zip file."""
    folder = web.settings.check_readable(parse_address(f"{address.rstrip('/')}/"))
    parent = Location(folder.bucket, folder.key.removesuffix(f"{folder.name}/"))
    if web.index.find_run(folder) is None:
        find_run(web, web.settings.check_readable(parent))
    return answer_with_zip(web.store, folder)


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


def find_movie(web: Web, address: str) -> tuple[Location, IndexedRun, MovieSummary]:
    """Find a movie of a run, or a table, by the address of its folder.

    Returns:
        The location of the run's results, the run, and the movie.

    Raises:
        NoSuchObject: There is no such run, or it has no such movie.
    """
    folder = web.settings.check_readable(parse_address(f"{address.rstrip('/')}/"))
    output = Location(folder.bucket, folder.key.removesuffix(f"{folder.name}/"))
    run = find_run(web, web.settings.check_readable(output))
    movie = web.index.database.get_movie(run.output, folder.name)
    if movie is None:
        raise NoSuchObject(f"{folder}: this run has nothing of this name.")
    return output, run, movie


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


def list_run_files(output: Location, run: IndexedRun) -> list[tuple[str, int | None, str]]:
    """List the files that are a whole run's: name, size where it is known, and address."""
    found: dict[str, int | None] = {**run.files, RUN_RECORD_FILE: None}
    addresses = ((name, size, address_below(output, name)) for name, size in found.items())
    return [(name, size, address) for name, size, address in addresses if address]


def count_pages(count: int) -> int:
    """Number of pages of a list, at least one."""
    return max(1, -(-count // PAGE_LENGTH))
