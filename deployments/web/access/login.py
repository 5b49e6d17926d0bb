"""The form that asks for the password, and the end of a session."""

import asyncio
from http import HTTPStatus
from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from deployments.web.access.gate import LOGIN_PATH, LOGOUT_PATH
from deployments.web.access.sessions import Sessions
from deployments.web.pages import read_form, render_page

WRONG_PASSWORD_SECONDS = 1.0
"""How long the answer to a wrong password takes; a client gets one at a time."""

router = APIRouter()


@router.get(LOGIN_PATH, response_class=HTMLResponse)
def show_login(request: Request, next: str = "/") -> Response:  # noqa: A002 - as in the address
    """The form."""
    return render_page(request, "login.html", target=keep_on_page(next), problem="")


@router.post(LOGIN_PATH)
async def log_in(request: Request) -> Response:
    """Begin a session where the password is right."""
    form = await read_form(request)
    sessions = cast("Sessions", request.app.state.sessions)
    target = keep_on_page(form.get("next", "/"))
    client = request.client.host if request.client else ""
    # Whoever guesses has to wait for each answer before the next guess is looked at.
    async with sessions.turns.setdefault(client, asyncio.Lock()):
        if sessions.is_password(form.get("password", "")):
            answer = RedirectResponse(target, HTTPStatus.SEE_OTHER)
            sessions.begin(answer)
            return answer
        await asyncio.sleep(WRONG_PASSWORD_SECONDS)
    problem = "That is not the password."
    return render_page(request, "login.html", HTTPStatus.FORBIDDEN, target=target, problem=problem)


@router.post(LOGOUT_PATH)
def log_out(request: Request) -> Response:
    """End the session."""
    answer = RedirectResponse(LOGIN_PATH, HTTPStatus.SEE_OTHER)
    cast("Sessions", request.app.state.sessions).end(answer)
    return answer


def keep_on_page(target: str) -> str:
    """An address to go on to, if it is one of this page's; else the first page."""
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_ours and target.isprintable() else "/"
