"""Names of flow runs: what they do, so that a list of them can be read."""

from collections.abc import Mapping
from typing import Any

from prefect.runtime import flow_run

from tasks.storage.location import format_location

_MAX_NAMED = 3
"""Movies that a run's name names."""


def name_run() -> str:
    """Name the flow run that begins for what it works on."""
    return name_from_parameters(flow_run.parameters) or flow_run.flow_name or ""


def name_from_parameters(parameters: Mapping[str, Any]) -> str | None:
    """Name a run for what it works on, before it begins.

    Args:
        parameters: Its parameters, which nobody may have checked yet.

    Returns:
        ``mouse1, mouse2 · openfield`` for a request or a movie of one, ``session-7 · behavior``
        for tables, ``cells1, cells2 · neural`` for cell sets; None where it is no run of ours.

    >>> name_from_parameters({"movies": ["s3://lab/m1.mp4"], "model": "s3://lab/openfield.zip"})
    'm1 · openfield'
    """
    match parameters:
        case {"cell_sets": [_, *_] as inputs}:
            instrument = "neural"
        case {"annotations": [_, *_] as tables}:
            inputs, instrument = [str(one).removesuffix("/run.json") for one in tables], "behavior"
        case {"movies": [_, *_] as inputs, "model": str(instrument)}:
            pass
        case {"movie": str(movie), "model": str(instrument)}:
            inputs = [movie]
        case _:
            return None
    return format_request_name([str(one) for one in inputs], instrument)


def format_request_name(movies: list[str] | tuple[str, ...], model: str) -> str:
    """Name a request for its movies and its model.

    >>> format_request_name(
    ...     ["s3://lab/day1/m1.mp4", "s3://lab/day2/"], "s3://lab/models/openfield.zip"
    ... )
    'm1, day2/ · openfield'
    """
    names = [_short_name(movie) for movie in movies]
    more = [f"{len(names) - _MAX_NAMED} more"] if len(names) > _MAX_NAMED else []
    return f"{', '.join(names[:_MAX_NAMED] + more)} · {_short_name(model)}"


def _short_name(location: str) -> str:
    """The last part of a location, without its suffix unless it is a pattern."""
    name = format_location(location).rstrip("/").rpartition("/")[2]
    if location.endswith("/"):
        return f"{name}/"
    return name if set("*?[") & set(name) else name.rpartition(".")[0] or name
