"""What this machine remembers of past runs' speed, for forecasts of later ones.

A small file for each run, beside the logs of commands: losing them loses forecasts, no result.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tasks.environment_variables import find_state_folder
from tasks.pose.results.run_record import RunRecord
from tasks.pose.speed.past_runs import PastRun, summarize_run

MAX_REMEMBERED_RUNS = 100
"""Files that stay; older ones are removed."""

_ADAPTER: TypeAdapter[PastRun] = TypeAdapter(PastRun)


def remember_run(record: RunRecord) -> None:
    """Remember how fast a run was; where nothing can be written, it is forgotten.

    Args:
        record: The run. Of one that was spread over workers, this machine knows nothing.
    """
    run = summarize_run(record)
    if record.is_spread or not any(movie.estimated or movie.is_drawn for movie in run.movies):
        return
    folder = _find_folder()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{run.finished:%Y%m%d-%H%M%S}-{os.getpid()}.json"
        partial = path.with_suffix(".partial")
        partial.write_bytes(_ADAPTER.dump_json(run))
        partial.replace(path)
        for old in sorted(folder.glob("*.json"))[:-MAX_REMEMBERED_RUNS]:
            old.unlink(missing_ok=True)


def read_remembered_runs() -> list[PastRun]:
    """Read what this machine remembers of past runs, in any order."""
    return list(_read_files(_find_folder()))


def _read_files(folder: Path) -> Iterator[PastRun]:
    for path in folder.glob("*.json"):
        with suppress(OSError, ValidationError):  # of another version, or being removed
            yield _ADAPTER.validate_json(path.read_bytes())


def _find_folder() -> Path:
    return find_state_folder() / "past-runs"
