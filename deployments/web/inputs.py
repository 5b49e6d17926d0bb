"""Models and movies that the form which starts runs picks from, and what is said of each."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from deployments.web.pages import Web, WebContext, render_page
from deployments.web.results import MAX_PAGE, count_pages
from deployments.web.starting.inquiries import Inquiry
from deployments.web.starting.start_context import (
    FIRST_PATIENCE,
    StartContext,
    Starting,
    answer_later,
)
from deployments.web.web_settings import parse_address
from tasks.errors import BadInput
from tasks.pose.model.inspection import describe_facts
from tasks.pose.settings_form import FieldKind, describe_form, read_settings_form
from tasks.storage.location import Location
from tasks.storage.store_errors import NoSuchObject

router = APIRouter()

STEPS = ("looking into it",)
"""Words shown while a model or a movie is inspected, step by step."""


@router.get("/api/start/models", response_class=HTMLResponse)
def list_models(
    request: Request, starting: StartContext, q: str = "", page: int = 1, chosen: str = ""
) -> Response:
    """A page of the models that there are."""
    page = max(1, min(page, MAX_PAGE))
    inputs = starting.inputs
    inputs.request_refresh()
    models, count = inputs.find_models(q[:200], page)
    return render_page(
        request,
        "start/models.html",
        models=models,
        count=count,
        page=page,
        pages=count_pages(count),
        is_search=bool(q.strip()),
        chosen=chosen,
        inputs=inputs,
    )


@router.get("/api/start/movies/{address:path}", response_class=HTMLResponse)
def list_movies(
    request: Request,
    web: WebContext,
    starting: StartContext,
    address: str,
    q: str = "",
    page: int = 1,
) -> Response:
    """A page of a folder with movies; without an address of those that are configured."""
    page = max(1, min(page, MAX_PAGE))
    inputs = starting.inputs
    inputs.request_refresh()
    where = web.settings.check_readable(parse_address(address)) if address else None
    found = inputs.open_folder(where, q[:200], page)
    return render_page(
        request,
        "start/movies.html",
        found=found,
        page=page,
        pages=count_pages(found.count),
        is_search=bool(q.strip()),
        inputs=inputs,
    )


@router.get("/api/start/model/{address:path}", response_class=HTMLResponse)
def show_model(
    request: Request,
    web: WebContext,
    starting: StartContext,
    address: str,
    shuffle: str = "",
    snapshot: str = "",
) -> Response:
    """Show what ``inspect`` says of a model; answer 202 until it is known."""
    from deployments.web.starting.model_look import look_into_model  # noqa: PLC0415 - when it is needed

    settings, problems = read_settings_form({"shuffle": shuffle, "snapshot": snapshot})
    if settings is None:
        raise BadInput("; ".join(problems.values()))
    choice = (settings.shuffle, settings.snapshot)
    found, problem = None, ""
    location = web.settings.check_readable(parse_address(address))
    try:
        info = web.store.stat(location)
    except BadInput as error:  # it has been removed, which is an answer
        problem = str(error)
    else:
        key = (str(location), info.etag, info.size, info.modified, *choice)
        asked = starting.models.ask(key, look_into_model, info, *choice, steps=STEPS)
        if not asked.ended.wait(FIRST_PATIENCE):
            return answer_later(request, asked)
        found, problem = asked.answer, asked.problem
    return render_page(
        request,
        "start/model.html",
        problem=problem,
        found=found,
        rows=describe_facts(found.facts) if found else (),
        shuffles=found.facts.shuffles if found and found.facts.knows("shuffles") else (),
        body_parts=found.model.all_body_parts if found and found.model else (),
        chosen={"shuffle": shuffle, "snapshot": snapshot},
        model_fields=[one for one in describe_form() if one.kind is FieldKind.OF_MODEL],
    )


@router.get("/api/start/movie/{address:path}", response_class=HTMLResponse)
def show_movie(request: Request, web: WebContext, starting: StartContext, address: str) -> Response:
    """Show what ``inspect --movie`` says of a movie; answer 202 until it is known."""
    location = web.settings.check_readable(parse_address(address))
    look, problem = None, ""
    try:
        asked = _ask_movie(web, starting, location)
    except BadInput as error:  # it has been removed, which is an answer
        problem = str(error)
    else:
        if not asked.ended.wait(FIRST_PATIENCE):
            return answer_later(request, asked)
        look, problem = asked.answer, asked.problem
    return render_page(
        request,
        "start/movie.html",
        facts=look.facts if look else None,
        problems=look.facts.problems if look else (problem,),
        has_picture=bool(look and look.picture),
        address=address,
    )


@router.get("/api/start/frame/{address:path}")
def send_frame(web: WebContext, starting: StartContext, address: str) -> Response:
    """A frame of a movie that has been looked into, as JPEG."""
    location = web.settings.check_readable(parse_address(address))
    asked = _ask_movie(web, starting, location)
    asked.ended.wait(FRAME_PATIENCE)
    picture = asked.answer.picture if asked.answer else None
    if picture is None:
        raise NoSuchObject(asked.problem or "no frame of this movie can be shown")
    return Response(picture, media_type="image/jpeg")


FRAME_PATIENCE = 20.0
"""Seconds that a frame is waited for."""


def _ask_movie(web: Web, starting: Starting, location: Location) -> Inquiry:
    from tasks.command_line.movie_look import look_at_movie  # noqa: PLC0415 - loads PyAV

    info = web.store.stat(location)
    key = (str(location), info.etag, info.size, info.modified)
    return starting.movies.ask(key, look_at_movie, info, steps=STEPS)
