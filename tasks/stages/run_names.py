"""Names of flow runs: what they do, so that a list of them can be read."""

from prefect.runtime import flow_run

from tasks.storage.location import format_location

_MAX_NAMED = 3
"""Movies that a run's name names."""


def name_request_run() -> str:
    """Name a run for its movies and its model: ``mouse1, mouse2 · openfield``."""
    parameters = flow_run.parameters
    return format_request_name(parameters.get("movies", ()), str(parameters.get("model", "")))


def name_movie_run() -> str:
    """Name the run of one movie of a spread request: ``mouse1 · openfield``."""
    parameters = flow_run.parameters
    return format_request_name([str(parameters.get("movie", ""))], str(parameters.get("model", "")))


def name_behavior_run() -> str:
    """Name a behavior run for its tables: ``session-7 · behavior``."""
    tables = flow_run.parameters.get("annotations", ())
    return format_request_name([str(one).removesuffix("/run.json") for one in tables], "behavior")


def name_neural_run() -> str:
    """Name a run on neural activity for its cell sets: ``cells1, cells2 · neural``."""
    cells = flow_run.parameters.get("cell_sets", ())
    return format_request_name([str(one) for one in cells], "neural")


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
