"""Pages that a run shows in Prefect's UI while it is under way."""

import hashlib
import re
from collections.abc import Callable

from prefect.artifacts import create_markdown_artifact
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger

from tasks.environment_variables import read_web_url
from tasks.stages.stage import to_pose_error
from tasks.storage.location import Location, to_address


def artifact_key(kind: str, what: str) -> str:
    """A page's key: what it is about as far as a key can say it, and a few characters of a digest.

    >>> artifact_key("results", "s3://lab/Session 7/")
    'results-s3-lab-session-7-279ab8'
    """
    plain = re.sub(r"[^a-z0-9]+", "-", f"{kind}-{what}".lower()).strip("-")
    return f"{plain}-{hashlib.sha256(what.encode(errors='surrogatepass')).hexdigest()[:6]}"


def show_artifact(key: str, markdown: str, description: str | None = None) -> None:
    """Show a page beside the task that runs; without a server there is nobody to show it to.

    Args:
        key: Lower case with dashes; pages of one key are versions of each other.
        markdown: The page.
        description: What it is, in a sentence.
    """
    if TaskRunContext.get() is None:
        return
    try:
        create_markdown_artifact(markdown, key=key, description=description)
    except Exception as error:  # noqa: BLE001 - a picture of the work, never a part of it
        get_run_logger().warning(
            "The page %s could not be created: %s", key, _summarize_error(error)
        )


def _summarize_error(error: Exception) -> str:
    """An error without what it quotes: the server answers with the page, and its signed links."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"{type(error).__name__} {status}" if status else type(error).__name__


def show_run_page(
    kind: str, output: str, status: str, render: Callable[[], tuple[str, str]]
) -> str:
    """Show the page of a run's results, with a link to the page for scientists where there is one.

    Everything is delivered by then: a failure is only logged.

    Args:
        kind: Kind of the page, for its key.
        output: Location of the results.
        status: The run's status.
        render: Makes the page, and the sentence that is returned.

    Returns:
        What became of it.
    """
    try:
        page, sentence = render()
        if url := read_web_url():
            folder = to_address(Location.parse(output)).rstrip("/")
            page = f"**[Open the results]({url.rstrip('/')}/runs/{folder}/)**\n\n{page}"
    except Exception as error:  # noqa: BLE001 - a page must not undo what is delivered
        get_run_logger().warning("The run's page could not be created: %s", to_pose_error(error))
        return "no page could be made"
    show_artifact(artifact_key(kind, output), page, f"{status}: {output}")
    return sentence
