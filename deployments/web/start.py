"""Start a run: pick a model and movies, choose settings, see what it would do, and start it."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import ValidationError

from deployments.web import inputs
from deployments.web.pages import WebContext, read_body, render_page
from deployments.web.prefect_server import open_prefect_client
from deployments.web.starting.inquiries import Inquiry
from deployments.web.starting.run_request import RunForm, RunRequest, read_request
from deployments.web.starting.start_context import (
    FIRST_PATIENCE,
    StartContext,
    Starting,
    answer_later,
    end_processes,
)
from tasks.errors import BadInput
from tasks.messages import find_field_problem
from tasks.pose.settings_form import FieldKind, FormField, describe_form
from tasks.storage.location import Location
from tasks.storage.store_errors import NoSuchObject

router = APIRouter(lifespan=end_processes)
router.include_router(inputs.router)


@router.get("/start", response_class=HTMLResponse)
def show_form(request: Request, web: WebContext, starting: StartContext) -> Response:
    """The form."""
    starting.inputs.request_refresh()
    fields = [one for one in describe_form() if one.kind is not FieldKind.OF_MODEL]
    return render_page(
        request,
        "start.html",
        usual=sorted((field for field in fields if not field.is_expert), key=_is_narrow),
        expert=[field for field in fields if field.is_expert],
        folders=starting.inputs.folders,
        output=suggest_output(web.settings.results),
        results=web.settings.results,
    )


def _is_narrow(field: FormField) -> bool:
    """Return whether several fields fit beside each other; those that do not come first."""
    return field.kind not in {FieldKind.NUMBERS, FieldKind.BODY_PARTS}


def suggest_output(results: tuple[Location, ...]) -> str:
    """Suggest a folder that runs' results go into; empty where no location is configured."""
    if not results:
        return ""
    first = results[0]
    return str(first if first.key else Location(first.bucket, "results/"))


async def read_run_form(request: Request) -> RunForm:
    """Read the form as the page's script sends it, in JSON.

    Raises:
        BadInput: It is too large, or no form.
    """
    try:
        return RunForm.model_validate_json(await read_body(request))
    except ValidationError as error:
        problem = find_field_problem(error)
        raise BadInput(f"{'.'.join(map(str, problem.path))}: {problem.text}") from error


SentForm = Annotated[RunForm, Depends(read_run_form)]
"""Type of a route's parameter that gets the form."""


@router.post("/api/start/fields")
def check_fields(web: WebContext, form: SentForm) -> JSONResponse:
    """Check the form without asking a store: problems by the names of their fields."""
    _, problems = read_request(form, web.settings)
    return JSONResponse({"problems": problems})


@router.post("/api/start/plan")
def plan_run(web: WebContext, starting: StartContext, form: SentForm) -> JSONResponse:
    """Begin to plan a request; what is wrong with it already, by the names of its fields."""
    from deployments.web.starting.request_plan import PLAN_STEPS, plan_for_page  # noqa: PLC0415 - Prefect

    request, problems = read_request(form, web.settings)
    if request is None:
        return JSONResponse({"problems": problems})
    key = uuid4().hex
    starting.plans.ask(key, plan_for_page, request, steps=PLAN_STEPS)
    return JSONResponse({"problems": {}, "plan": key})


@router.get("/api/start/plan/{key}", response_class=HTMLResponse)
def show_plan(request: Request, starting: StartContext, key: str) -> Response:
    """Show what a request would do; answer 202 until it is known."""
    asked = find_plan(starting, key)
    if not asked.ended.wait(FIRST_PATIENCE):
        return answer_later(request, asked)
    return render_page(
        request,
        "start/plan.html",
        plan=asked.answer,
        problem=asked.problem,
        request_=asked.arguments[0],
        key=key,
    )


@router.post("/api/start/run/{key}")
def start_run(starting: StartContext, key: str) -> JSONResponse:
    """Create the run of a request that has been planned, and say where it is shown."""
    from deployments.web.starting.prefect_runs import create_run  # noqa: PLC0415 - loads Prefect

    asked = find_plan(starting, key)
    if asked.answer is None or not asked.answer.can_start:
        raise BadInput("this request would be refused; change it, and check it again")
    request: RunRequest = asked.arguments[0]
    with open_prefect_client() as client:
        run = create_run(client, request, key)
    return JSONResponse({"address": f"/progress/{run}"})


def find_plan(starting: Starting, key: str) -> Inquiry:
    """Find a plan.

    Raises:
        NoSuchObject: The page has been started anew since, or many others have been made.
    """
    asked = starting.plans.find(key)
    if asked is None:
        raise NoSuchObject("This plan is no longer known: check the request again.")
    return asked
