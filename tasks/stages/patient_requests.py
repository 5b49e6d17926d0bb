"""Requests of a run that wait for a server which is being restarted."""

import os
from typing import Any

from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient

from tasks.stages.stage_times import ENGINE_RUN_VARIABLE

_NAME = "_has_connected"


def wait_for_restarts() -> None:
    """Let a run's clients try their first request again, too, where no server listens.

    Prefect's do so only once they have reached the server: a wrong address is to be found out at
    once. But a run makes new ones all the time, such as for each stage that asks for a place, and
    the address was right when its worker got it.
    """

    def has_connected(client: Any) -> bool:
        return ENGINE_RUN_VARIABLE in os.environ or bool(vars(client).get(_NAME))

    def note(client: Any, is_connected: bool) -> None:
        vars(client)[_NAME] = is_connected

    for kind in (PrefectHttpxAsyncClient, PrefectHttpxSyncClient):
        # A property goes before what their constructors set.
        setattr(kind, _NAME, property(has_connected, note))
