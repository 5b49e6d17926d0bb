"""Runs under way: what each waits for, how far it is, and how it ended."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from deployments.web.pages import Web, WebContext, render_page
from deployments.web.prefect_server import open_prefect_client
from deployments.web.web_settings import to_address
from tasks.errors import BadInput
from tasks.storage.location import Location

router = APIRouter()

changing_router = APIRouter()
"""Routes that read-only mode leaves out."""


@router.get("/progress", response_class=HTMLResponse)
def list_progress(request: Request, web: WebContext) -> Response:
    """Runs under way, and those that ended last."""
    from deployments.web.starting.prefect_runs import list_runs  # noqa: PLC0415 - loads Prefect
    from deployments.web.starting.run_progress import summarize_run  # noqa: PLC0415

    with open_prefect_client() as client:
        active, ended = ([summarize_run(client, run) for run in runs] for runs in list_runs(client))
    return render_page(
        request,
        "runs_under_way.html",
        active=active,
        ended=[(run, find_results_address(web, run.output)) for run in ended],
    )


@router.get("/progress/{run_id}", response_class=HTMLResponse)
def show_progress(request: Request, web: WebContext, run_id: UUID) -> Response:
    """How far a run is."""
    from deployments.web.starting.run_progress import read_progress  # noqa: PLC0415 - loads Prefect

    with open_prefect_client() as client:
        run = read_progress(client, run_id)
    if not run.is_active:
        web.index.request_refresh()
    return render_page(
        request,
        "progress.html",
        run=run,
        results="" if run.is_active else find_results_address(web, run.output),
    )


@changing_router.post("/progress/{run_id}/cancel")
def cancel(run_id: UUID) -> Response:
    """Cancel a run."""
    from deployments.web.starting.prefect_runs import cancel_run  # noqa: PLC0415 - loads Prefect

    with open_prefect_client() as client:
        cancel_run(client, run_id)
    return RedirectResponse(f"/progress/{run_id}", HTTPStatus.SEE_OTHER)


def find_results_address(web: Web, output: str) -> str:
    """The address of a run's results; empty where there are none, or the page may not open them."""
    if not output:
        return ""
    try:
        folder = web.settings.check_readable(Location.parse(f"{output.rstrip('/')}/"))
        return f"/runs/{to_address(folder)}" if web.index.find_run(folder) else ""
    except BadInput:
        return ""
