"""Find a model archive in its store and look into it, without Prefect and without a GPU."""

import tempfile
from pathlib import Path

from tasks.errors import BadInput, PoseError, Retriable
from tasks.pose.model.inspection import Inspection, as_json, as_text, inspect_archive
from tasks.pose.model.selection import ModelChoice
from tasks.run.find_model import find_model
from tasks.storage.location import format_location
from tasks.storage.lookup import LocationStore
from tasks.storage.store_errors import CHANGED_MESSAGE, convert_os_errors

USABLE, UNKNOWN, REFUSED = 0, 1, 2
"""Exit statuses of `python -m flows inspect`; the store failed, in the second."""


def inspect_model_at(text: str, choice: ModelChoice) -> Inspection:
    """Look into the archive at a location; a remote one is fetched first, and not kept.

    Args:
        text: The location.
        choice: The shuffle and the snapshot that are wanted, where the archive holds several.

    Returns:
        The model, and everything that stands in its way.

    Raises:
        BadInput: There is no such archive.
        Retriable: The store cannot be reached.
    """
    store = LocationStore()
    with convert_os_errors():  # the scratch folder's disk may be full
        info = find_model(store, text)
        with tempfile.TemporaryDirectory(prefix="dlcflow-", ignore_cleanup_errors=True) as scratch:
            folder = Path(scratch)
            path, sha256 = store.local_path(info), None
            if path is None:
                path = folder / "model.zip"
                sha256 = store.download(info, path)
            inspection = inspect_archive(
                path, info.location.name, folder / "project", sha256, choice
            )
            if store.stat(info.location).etag != info.etag:
                raise Retriable(f"{info.location}: {CHANGED_MESSAGE}")
            return inspection


def report_inspection(
    text: str, choice: ModelChoice, *, as_object: bool
) -> tuple[int, str, list[str]]:
    """Print the report of `python -m flows inspect`.

    Args:
        text: The archive's location.
        choice: The shuffle and the snapshot that are wanted, where the archive holds several.
        as_object: Whether to render JSON, for programs.

    Returns:
        Exit status, text for standard output, sentences for standard error.
    """
    try:
        inspection = inspect_model_at(text, choice)
    except PoseError as error:
        inspection = Inspection(format_location(text), None, (str(error),))
        status = REFUSED if isinstance(error, BadInput) else UNKNOWN
        return status, as_json(inspection) if as_object else "", list(inspection.problems)
    status = USABLE if inspection.is_usable else REFUSED
    shown = as_json(inspection) if as_object else as_text(inspection)
    return status, shown, list(inspection.problems)
