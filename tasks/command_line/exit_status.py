"""How a command ends: its exit status, and what it says where nothing was done.

Nothing here loads Prefect: it may end while that is loaded.
"""

import sys

from tasks.errors import BadInput, PoseError

COMPLETE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses; the last is what shells give for a command that Ctrl-C ended."""


def print_refusal(error: PoseError) -> int:
    """Say why nothing was done, and return the exit status."""
    sys.stderr.write(f"error: {error}\n")
    return BAD_INPUT if isinstance(error, BadInput) else FAILED


def print_interruption() -> int:
    """Say that the run was stopped by its user, and return the exit status."""
    sys.stderr.write("error: interrupted; run the same command again to continue\n")
    return INTERRUPTED
