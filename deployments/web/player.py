"""The movie: a player with traces in step, its worst frames, its pictures, and its files."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from numpy.typing import NDArray

from deployments.web.movies.delivered_movie import find_output
from deployments.web.movies.open_movie import OpenMovie, OpenMovies
from deployments.web.movies.player_facts import describe_movie, list_worst
from deployments.web.pages import WebContext, render_page
from deployments.web.results import find_run
from deployments.web.web_settings import parse_address
from tasks.errors import BadInput
from tasks.pose.results.file_names import LABELED_MOVIE_FILE, PREVIEW_FILES
from tasks.pose.results.playback.tensor_message import MEDIA_TYPE, encode_arrays
from tasks.pose.results.playback.trace_window import MAX_SPANS, select_window
from tasks.storage.location import Location
from tasks.storage.store_errors import NoSuchObject

router = APIRouter()


@router.get("/movies/{address:path}", response_class=HTMLResponse)
def show_movie(request: Request, web: WebContext, address: str) -> Response:
    """A movie of a run, by the location of its folder below the run's."""
    folder = web.settings.check_readable(parse_address(f"{address.rstrip('/')}/"))
    output = find_output(folder)
    run = find_run(web, output)
    movie = web.index.database.get_movie(run.output, folder.name)
    if movie is None:
        raise NoSuchObject(f"{folder}: this run has no movie of this name.")
    files = {info.location.key.removeprefix(folder.key): info for info in web.store.list(folder)}
    return render_page(
        request,
        "movie.html",
        run=run,
        output=output,
        folder=folder,
        movie=movie,
        files=files,
        has_poses=any(name.endswith(".h5") for name in files),
        labeled=files.get(LABELED_MOVIE_FILE),
        previews=[files[name] for name in PREVIEW_FILES if name in files],
    )


Opener = Callable[..., OpenMovie]


def get_opener(request: Request, web: WebContext, address: str) -> Opener:
    """Opens the movie of a request, where it may be opened."""
    folder: Location = web.settings.check_readable(parse_address(f"{address.rstrip('/')}/"))
    movies = cast("OpenMovies", request.app.state.movies)
    return lambda version="": movies.open(folder, version)


OpenerContext = Annotated[Opener, Depends(get_opener)]


@router.get("/api/player/{address:path}")
def describe(open_movie: OpenerContext) -> Response:
    """What the player is told when a movie is opened: docs/web.md describes its form."""
    return _answer_with_arrays(*describe_movie(open_movie()))


@router.get("/api/traces/{address:path}")
def send_traces(
    open_movie: OpenerContext,
    version: str,
    first: Annotated[int, Query(ge=0)],
    last: Annotated[int, Query(ge=1)],
    spans: Annotated[int, Query(ge=1, le=MAX_SPANS)],
    keypoints: str,
) -> Response:
    """Some keypoints' traces from one frame up to another: docs/web.md describes their form."""
    opened = open_movie(version)
    if opened.version != version:
        return _say_changed()
    frames = range(opened.traces.frames)[first:last]
    chosen = _parse_places(keypoints, len(opened.traces.parts))
    if not frames:
        raise BadInput(f"expected frames from 0 to {opened.traces.frames - 1}, found {first}")
    return _answer_with_arrays(select_window(opened.traces, frames, chosen, spans), None)


@router.get("/api/worst/{address:path}")
def send_worst_frames(open_movie: OpenerContext, version: str) -> Response:
    """The frames that a person should look at first, the worst first."""
    opened = open_movie(version)
    return _say_changed() if opened.version != version else JSONResponse(list_worst(opened))


def _parse_places(text: str, count: int) -> list[int]:
    words = text.split(",") if text else []
    if len(words) > count or not all(w.isascii() and w.isdigit() and int(w) < count for w in words):
        raise BadInput(f"expected numbers of keypoints from 0 to {count - 1}")
    return list(map(int, words))


def _answer_with_arrays(arrays: Mapping[str, NDArray[Any]], facts: object) -> Response:
    return Response(encode_arrays(arrays, facts), media_type=MEDIA_TYPE)


def _say_changed() -> Response:
    error = "the results of this movie have changed; load the page again"
    return JSONResponse({"error": error}, HTTPStatus.CONFLICT)
