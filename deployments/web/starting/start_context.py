"""What the routes of the form that starts runs share."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response

from deployments.web.pages import Web, render_page
from deployments.web.starting.input_index import InputIndex
from deployments.web.starting.inquiries import Inquiry, InquiryLane


@dataclass(frozen=True)
class Starting:
    """What the form works with.

    Attributes:
        inputs: Models and movies to pick from.
        models: Looks into models.
        movies: Looks into movies.
        plans: Makes plans of requests.
    """

    inputs: InputIndex
    models: InquiryLane
    movies: InquiryLane
    plans: InquiryLane

    def close(self) -> None:
        """End the processes."""
        for lane in (self.models, self.movies, self.plans):
            lane.close()


_creating = threading.Lock()


def get_starting(request: Request) -> Starting:
    """What the form of an application works with, which begins when somebody opens the form."""
    state = request.app.state
    with _creating:
        if not hasattr(state, "starting"):
            web = cast("Web", state.web)
            settings = web.settings
            folders = (*settings.inputs, *((settings.inbox,) if settings.inbox else ()))
            lanes = (InquiryLane(name) for name in ("model", "movie", "plan"))
            state.starting = Starting(InputIndex(web.store, folders), *lanes)
    return cast("Starting", state.starting)


StartContext = Annotated[Starting, Depends(get_starting)]
"""Type of a route's parameter that gets what the form works with."""


@asynccontextmanager
async def end_processes(app: FastAPI) -> AsyncIterator[None]:
    """End what the form has started, once the page ends."""
    yield
    if hasattr(app.state, "starting"):
        app.state.starting.close()


FIRST_PATIENCE = 0.3
"""Seconds that a page waits for an answer before it says that there is none yet."""


def answer_later(request: Request, asked: Inquiry) -> Response:
    """Say that an answer is on its way, and what goes on."""
    return render_page(request, "start/later.html", HTTPStatus.ACCEPTED, text=asked.text)
