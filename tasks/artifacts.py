"""Pages that a run shows in Prefect's UI while it is under way."""

from prefect.artifacts import create_markdown_artifact
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger


def show(key: str, markdown: str) -> None:
    """Show a page beside the task that runs; without a server there is nobody to show it to.

    Args:
        key: Lower case with dashes; pages of one key are versions of each other.
        markdown: The page.
    """
    if TaskRunContext.get() is None:
        return
    try:
        create_markdown_artifact(markdown, key=key)
    except Exception as error:  # noqa: BLE001 - a picture of the work, never a part of it
        get_run_logger().warning("The page %s cannot be shown: %s", key, error)
