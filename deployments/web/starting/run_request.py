"""A request as the form sends it, read and checked as far as no store has to be asked."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from deployments.web.web_settings import WebSettings
from tasks.environment_variables import WEB_RESULTS
from tasks.errors import BadInput
from tasks.messages import format_list
from tasks.pose.settings import PoseSettings
from tasks.pose.settings_form import read_settings_form
from tasks.stages.run_names import format_request_name
from tasks.storage.location import Location
from tasks.storage.store_errors import NoSuchObject

MAX_MOVIES = 1000
"""Movies and folders that are named one by one: Prefect keeps half a megabyte of parameters."""

MAX_PARAMETER_CHARACTERS = 400_000
"""Characters of all locations together."""

_Text = Annotated[str, Field(max_length=2000)]


class RunForm(BaseModel):
    """What the page sends."""

    model_config = ConfigDict(extra="forbid")

    model: _Text = ""
    movies: Annotated[list[_Text], Field(max_length=MAX_MOVIES)] = []
    output: _Text = ""
    settings: Annotated[
        dict[_Text, _Text | Annotated[list[_Text], Field(max_length=1000)]], Field(max_length=200)
    ] = {}


@dataclass(frozen=True)
class RunRequest:
    """A request that may be planned, and started.

    Attributes:
        model: Location of the model's zip.
        movies: Locations of movies and folders.
        output: Location that results go below.
        settings: Its settings.
    """

    model: str
    movies: tuple[str, ...]
    output: str
    settings: PoseSettings

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of Prefect's run, as its own form sends them."""
        return {
            "model": self.model,
            "movies": list(self.movies),
            "output": self.output,
            "settings": self.settings.model_dump(mode="json"),
        }

    @property
    def name(self) -> str:
        """The run's name, as it calls itself when it begins."""
        return format_request_name(self.movies, self.model)


def read_request(form: RunForm, settings: WebSettings) -> tuple[RunRequest | None, dict[str, str]]:
    """Read a form.

    Args:
        form: What the page sent.
        settings: Which locations may be opened.

    Returns:
        The request, or None; and what is wrong, by the names of fields.
    """
    chosen, problems = read_settings_form(form.settings)
    if chosen and chosen.nwb_metadata:
        problems |= _find_problem("nwb_metadata", lambda: _check_object(settings, chosen))
    problems |= _find_problem("model", lambda: _check_model(form.model, settings))
    problems |= _find_problem("movies", lambda: _check_movies(form.movies, settings))
    problems |= _find_problem("output", lambda: _check_output(form.output, settings))
    if problems or chosen is None:
        return None, problems
    return RunRequest(form.model, tuple(form.movies), form.output, chosen), {}


def _find_problem(name: str, check: Any) -> dict[str, str]:
    try:
        check()
    except BadInput as error:
        return {name: str(error)}
    return {}


def _check_object(settings: WebSettings, chosen: PoseSettings) -> None:
    settings.check_readable(Location.parse(chosen.nwb_metadata or ""))


def _check_model(text: str, settings: WebSettings) -> None:
    if not text:
        raise BadInput("expected a model, found none; choose one")
    settings.check_readable(Location.parse(text))


def _check_movies(texts: list[str], settings: WebSettings) -> None:
    if not texts:
        raise BadInput("expected at least one movie, found none; choose one, or a folder")
    if sum(map(len, texts)) > MAX_PARAMETER_CHARACTERS:
        raise BadInput(
            f"expected names of {MAX_PARAMETER_CHARACTERS:,} characters in all, found more; choose "
            "folders in place of their movies"
        )
    for text in texts:
        location = settings.check_readable(Location.parse(text))
        if location.has_glob and location.is_local and not location.path.exists():
            raise BadInput(f"{location}: expected a movie or a folder, found a pattern")


def _check_output(text: str, settings: WebSettings) -> None:
    if not text:
        raise BadInput("expected a location for results, found none; name one")
    location = Location.parse(text)
    if location.has_glob:
        raise BadInput(f"{location}: expected a location without the signs *, ?, and [")
    inside = WebSettings(results=settings.results)
    try:
        inside.check_readable(location)
    except NoSuchObject as error:
        raise BadInput(
            f"{location}: expected a location below {format_list(settings.results)}, where this "
            f"page shows results; whoever runs it can change {WEB_RESULTS}"
        ) from error
    if location in settings.results:
        raise BadInput(f"{location}: expected a folder below this one; add a name to it")
