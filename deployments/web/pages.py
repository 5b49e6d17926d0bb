"""What every part of the page shares: its context, templates, and the reading of forms.

from deployments.web.pages import WebContext, render_page

router = APIRouter()


@router.get("/things", response_class=HTMLResponse)
def show_things(request: Request, web: WebContext) -> Response:
    return render_page(request, "things.html", things=web.store.list(…))
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from deployments.web.listing.run_index import RunIndex
from deployments.web.web_settings import WebSettings, to_address
from tasks.command_line.dry_run_report import describe_action
from tasks.errors import BadInput
from tasks.messages import format_duration
from tasks.pose.settings_form import FormField
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore

WEB_FOLDER = Path(__file__).parent
STATIC_FOLDER = WEB_FOLDER / "static"

MAX_FORM_BYTES = 2**20
"""Bytes of a form."""


@dataclass(frozen=True)
class Web:
    """What the parts of the page work with.

    Attributes:
        settings: Settings, with the folders that may be opened.
        store: Opens any location; methods block, so routes that call them are no coroutines.
        index: The runs below the configured locations.
        parts: Names and addresses of the parts that the navigation leads to.
    """

    settings: WebSettings
    store: ObjectStore
    index: RunIndex
    parts: tuple[tuple[str, str], ...]


def get_web(request: Request) -> Web:
    """The context of the application that answers a request."""
    return cast("Web", request.app.state.web)


WebContext = Annotated[Web, Depends(get_web)]
"""Type of a route's parameter that gets the page's context."""


def render_page(
    request: Request, template: str, http_status: int = 200, **values: Any
) -> HTMLResponse:
    """Render a template below `templates/`; every value in it is escaped.

    Args:
        request: The request.
        template: Its file name; it extends `base.html`.
        http_status: Status of the answer.
        values: What it shows.
    """
    web = get_web(request)
    shown = {"settings": web.settings, "parts": web.parts, "here": request.url.path}
    text = _load_environment().get_template(template).render(request=request, **shown, **values)
    return HTMLResponse(text, http_status)


async def read_body(request: Request) -> bytes:
    """Read what a page sent.

    Raises:
        BadInput: It is too large.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            raise BadInput(f"expected a form of at most {MAX_FORM_BYTES:,} bytes")
    return body


async def read_form(request: Request) -> dict[str, str]:
    """Read the fields of a form that a page sent; of a field that comes twice the last one counts.

    Raises:
        BadInput: It is too large, or no form.
    """
    body = await read_body(request)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000))
    except ValueError as error:
        raise BadInput("expected a form, found something else") from error


@cache
def static_address(name: str) -> str:
    """The address of a file below `static/`, which changes with its content."""
    digest = hashlib.sha256((STATIC_FOLDER / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?{digest}"


@cache
def _load_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(WEB_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"static": static_address, "query": _format_query}
    environment.filters |= {
        "address": to_address_below,
        "moment": format_moment,
        "size": format_size,
        "length_of": format_length,
        "number": lambda count: "–" if count is None else f"{count:,}",
        "plain_number": lambda number: f"{number:.15g}",
        "duration": format_duration,
        "movie_action": describe_action,
        "groupby_runs": _split_by_group,
        "json_attribute": lambda value: json.dumps(value, ensure_ascii=False),
    }
    return environment


def _split_by_group(fields: Iterable[FormField]) -> list[tuple[str, list[FormField]]]:
    """Fields one after the other that belong together, with the title of their group."""
    return [(group, list(ones)) for group, ones in groupby(fields, key=lambda one: one.group)]


def to_address_below(location: Location, *names: str) -> str:
    """The part of an address that stands for a location, or for a name below it."""
    return to_address(location.child(*names) if names else location)


def _format_query(values: Mapping[str, Any], **changes: Any) -> str:
    """The query of an address: some values with changes, without those that are empty."""
    chosen = {name: value for name, value in {**values, **changes}.items() if value}
    return f"?{urlencode(chosen)}" if chosen else "?"


def format_moment(text: str) -> str:
    """A time in UTC as people read it, from ISO 8601."""
    try:
        return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return "–"


_KILO = 1000


def format_size(count: float) -> str:
    """A number of bytes as people read it."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < _KILO:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KILO
    return f"{count:.1f} TB"


def format_length(seconds: float | None) -> str:
    """A movie's length as people read it: ``12.3 s``, ``4:05``, ``1:02:03``."""
    if seconds is None:
        return "–"
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
