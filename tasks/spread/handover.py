"""One movie's results as a file, from the run that made them to the one that gathers them."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tasks.errors import StageFailed
from tasks.output.result_archive import (
    check_archive,
    extract_files,
    read_description,
    result_files,
    with_files_in,
    write_archive,
)
from tasks.run_data import AnalyzedMovie, MovieOutcome

_OUTCOME_ADAPTER: TypeAdapter[MovieOutcome] = TypeAdapter(
    MovieOutcome, config=ConfigDict(ser_json_inf_nan="constants")
)


class MoviePlace(BaseModel):
    """Place of a movie in its request, filled in by the request's run.

    Attributes:
        number: The movie's place in the request, counted from 0.
        name: Its folder below the output location.
        part: Location that its outcome is handed over at.
        model_etag: The model archive that the request found.
        movie_etag: The movie that the request found.
        run: The request's run.
        claims: Location of the folder in which that run must have a claim for this one to write;
            None where the store cannot lock.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    name: str
    part: str
    model_etag: str | None
    movie_etag: str | None
    run: str | None = None
    claims: str | None = None


def write_handover(outcome: MovieOutcome, target: Path) -> None:
    """Write a movie's outcome.

    Args:
        outcome: The results, whose files lie in this run's scratch folder, or the failure.
        target: The zip to write.
    """
    files = result_files(outcome) if isinstance(outcome, AnalyzedMovie) else []
    write_archive(outcome, _OUTCOME_ADAPTER, files, target)


def read_handover(source: Path, folder: Path) -> MovieOutcome:
    """Read a movie's outcome.

    Args:
        source: The zip.
        folder: Where its files go; what it does not name is left in the zip.

    Returns:
        The results, with their files in `folder`, or the failure.

    Raises:
        StageFailed: It is no part that this version wrote.
    """
    try:
        check_archive(source)
        outcome = read_description(source, _OUTCOME_ADAPTER)
    except StageFailed as error:
        raise StageFailed(
            f"{error}. Make all workers run the same version, then run again"
        ) from error
    if not isinstance(outcome, AnalyzedMovie):
        return outcome
    here = with_files_in(outcome, folder)
    extract_files(source, result_files(here))
    return here
