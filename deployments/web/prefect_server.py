"""Prefect's API, for the parts that start and watch runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from tasks.command_line.prefect_environment import prepare_environment
from tasks.errors import BadInput, Retriable

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


@contextmanager
def open_prefect_client() -> Iterator["SyncPrefectClient"]:
    """Talk to the server that PREFECT_API_URL names; loads Prefect, which takes seconds at first.

    Raises:
        BadInput: No server is named, since none is started for the page; or it refuses its login.
        Retriable: It cannot be reached, or fails.
    """
    import os  # noqa: PLC0415

    import httpx  # noqa: PLC0415

    if not os.environ.get("PREFECT_API_URL"):
        raise BadInput(
            "there is no Prefect server to start runs on: have PREFECT_API_URL set for this page"
        )
    prepare_environment()
    from prefect.client.orchestration import get_client  # noqa: PLC0415

    try:
        with get_client(sync_client=True) as client:
            yield client
    except httpx.TransportError as error:
        raise Retriable(f"the Prefect server does not answer ({error}); try again") from error
    except httpx.HTTPStatusError as error:
        status = error.response.status_code
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise BadInput(
                "the Prefect server does not let this page in: have PREFECT_API_AUTH_STRING, or "
                "PREFECT_API_KEY, set for it"
            ) from error
        raise Retriable(
            f"the Prefect server answers with an error ({status}); try again"
        ) from error
