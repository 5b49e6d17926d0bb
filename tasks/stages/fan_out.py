"""Run work in parallel; if the run ends early, cancel what has not started and stop the rest."""

from collections.abc import Callable, Iterable
from concurrent.futures import wait
from typing import Any

END_TIMEOUT = 15.0
"""Seconds that a run which ends early waits for work that has begun; Prefect gives it 30."""


def wait_for_all(begun: Iterable[Any], end: Callable[[], None]) -> list[Any]:
    """Wait for all pieces of work.

    Where this is interrupted, those that have not begun never do, and the others have ended, or
    have had their time: the caller may remove what they worked with. Prefect itself cancels
    them only after all else of the flow has been left.

    Args:
        begun: Makes Prefect's futures, one after the other.
        end: Ends what is under way; called once, when this is interrupted.

    Returns:
        Their states, in order.
    """
    futures: list[Any] = []
    try:
        for future in begun:
            futures.append(future)  # noqa: PERF402 - those that were made until it is interrupted
        for future in futures:
            future.wait()
    except BaseException:
        running = [f.wrapped_future for f in futures if not f.wrapped_future.cancel()]
        end()
        wait(running, timeout=END_TIMEOUT)
        raise
    return [future.state for future in futures]
