"""The movie: its labeled movie in a player, its pictures, and its files."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from deployments.web.pages import WebContext, render_page
from deployments.web.results import find_run
from deployments.web.web_settings import parse_address
from tasks.pose.results.file_names import LABELED_MOVIE_FILE, PREVIEW_FILES
from tasks.storage.location import Location
from tasks.storage.store_errors import NoSuchObject

router = APIRouter()


@router.get("/movies/{address:path}", response_class=HTMLResponse)
def show_movie(request: Request, web: WebContext, address: str) -> Response:
    """A movie of a run, by the location of its folder below the run's."""
    folder = web.settings.check_readable(parse_address(f"{address.rstrip('/')}/"))
    output = Location(folder.bucket, folder.key.removesuffix(f"{folder.name}/"))
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
        movie=movie,
        files=files,
        labeled=files.get(LABELED_MOVIE_FILE),
        previews=[files[name] for name in PREVIEW_FILES if name in files],
    )
