"""Errors typed by what the caller can do about them.

A retry policy, an exit status and a run's verdict each ask one ``isinstance`` question of these
classes; nothing else decides whether an error is worth another try.
"""

from pathlib import Path


class PoseError(Exception):
    """Any failure that the product explains in a sentence to its user.

    Attributes:
        stage: The name of the stage that failed, once that is known.
        output: The last lines that the stage's process wrote, where they may help.
    """

    stage: str | None = None
    output: str | None = None


class BadInput(PoseError):  # noqa: N818 - the name says what it is, as in the documentation
    """The person who asked must change something; another try cannot help."""


class Retriable(PoseError):  # noqa: N818
    """The store, the network or a worker failed; the same request may well succeed later."""


class FullDisk(Retriable):
    """A disk has too little room, which may change.

    Attributes:
        folder: A folder on that disk; None for that of temporary files.
        is_waited_for: Whether the run has waited for room already.
    """

    folder: Path | None = None
    is_waited_for: bool = False


class StageFailed(PoseError):  # noqa: N818
    """A stage of ours or of DeepLabCut's broke on this input."""


class PoseWarning(UserWarning):
    """Something about a movie's poses that its record tells, in one sentence."""


class MoviesFailed(PoseError):  # noqa: N818
    """A run finished although some of its movies failed.

    Attributes:
        only_bad_input: Whether nothing was delivered, and each movie was itself the reason.
    """

    def __init__(self, message: str, *, only_bad_input: bool) -> None:
        super().__init__(message)
        self.only_bad_input = only_bad_input
