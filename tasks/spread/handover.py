"""One movie's results as a file, from the run that made them to the one that gathers them."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tasks.errors import StageFailed
from tasks.output.result_archive import files_of, moved, pack, told_in, unpack
from tasks.run_data import Analysed, Outcome

_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(
    Outcome, config=ConfigDict(ser_json_inf_nan="constants")
)


class Place(BaseModel):
    """Where a movie stands in its request; the request's own run fills this in.

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


def write_part(outcome: Outcome, target: Path) -> None:
    """Write a movie's outcome.

    Args:
        outcome: The results, whose files lie in this run's scratch folder, or the failure.
        target: The zip to write.
    """
    files = files_of(outcome) if isinstance(outcome, Analysed) else []
    pack(outcome, _OUTCOME, files, target)


def read_part(source: Path, folder: Path) -> Outcome:
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
        outcome = told_in(source, _OUTCOME)
    except StageFailed as error:
        raise StageFailed(
            f"{error}. Make all workers run the same version, then run again"
        ) from error
    if not isinstance(outcome, Analysed):
        return outcome
    here = moved(outcome, folder)
    unpack(source, files_of(here))
    return here
