"""Best-effort requests during shutdown: give up after a few seconds without an answer."""

import contextvars
import threading
from collections.abc import Callable

ANSWER_TIMEOUT = 5.0
"""Seconds for an answer; a cancelled run has 30 in all."""


def run_with_timeout(action: Callable[[], object], seconds: float = ANSWER_TIMEOUT) -> bool:
    """Do something for a while, in a thread that is left alone when its time is up.

    Args:
        action: What to do; its errors are its own.
        seconds: How long to wait for it.

    Returns:
        Whether it finished.
    """
    # Which server there is, Prefect keeps in context variables.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(action,), name="briefly", daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()
