"""The log of a run: the cause of a failure in its own words, first and once."""

import logging
import re

from tasks.errors import PoseError

_FAILED = re.compile(r"Finished in state Failed\((['\"])(?P<cause>.*)\1\)$", re.DOTALL)

_REPEATED = re.compile(r"Task run failed with (?!.* will start )", re.DOTALL)
"""Prefect's other account of a failed stage, with a traceback where there is none; one that is
going to be tried again has no other."""

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")
"""Loggers of what Prefect says of runs."""


class CauseFilter(logging.Filter):
    """Lets a failure say its cause once, and nothing of Prefect's way of carrying it around.

    An error of ours is a sentence for the person who reads it: where in Prefect it was raised again
    helps nobody. Any other exception keeps its traceback.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged; that of a failure becomes its cause."""
        text = record.getMessage()
        if _REPEATED.match(text):
            return False
        if record.exc_info and isinstance(record.exc_info[1], PoseError):
            return False
        if found := _FAILED.match(text):
            record.msg, record.args = found["cause"], None
            record.levelno, record.levelname = logging.ERROR, "ERROR"
        return True


_FILTER = CauseFilter()


def tell_causes_once() -> None:
    """Have all runs of this process logged that way."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
