"""One movie's results as a file, handed from the run that made them to the one that gathers them.

A part is a zip: ``movie.json`` tells what was found or why the movie failed, and beside it lie the
files that annotations and report are made of.
"""

import zipfile
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tasks.pose.errors import StageFailed
from tasks.recording import Analysed, Outcome

_MOVIE = "movie.json"
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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    name: str
    part: str
    model_etag: str | None
    movie_etag: str | None


def write_part(outcome: Outcome, target: Path) -> None:
    """Write a movie's outcome.

    Args:
        outcome: The results, whose files lie in this run's scratch folder, or the failure.
        target: The zip to write.
    """
    files = _files(outcome) if isinstance(outcome, Analysed) else []
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(_MOVIE, _OUTCOME.dump_json(outcome))
        for path in files:
            archive.write(path, path.name)


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
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(source) as archive:
            outcome = _OUTCOME.validate_json(archive.read(_MOVIE))
            if not isinstance(outcome, Analysed):
                return outcome
            here = _moved(outcome, folder)
            for path in _files(here):
                path.write_bytes(archive.read(path.name))
    except (zipfile.BadZipFile, KeyError, ValidationError) as error:
        raise StageFailed(
            f"{source.name}: expected one movie's results, written by this version; found "
            f"{type(error).__name__}. Make all workers run the same version, then run again"
        ) from error
    return here


def _files(movie: Analysed) -> list[Path]:
    """What annotations and report are made of."""
    return [movie.poses, *movie.previews.values(), *movie.labeled.worst.values()]


def _moved(movie: Analysed, folder: Path) -> Analysed:
    """The same results with their files in another folder; only file names are kept of theirs."""
    return replace(
        movie,
        poses=folder / movie.poses.name,
        previews={name: folder / path.name for name, path in movie.previews.items()},
        labeled=replace(
            movie.labeled, worst={i: folder / path.name for i, path in movie.labeled.worst.items()}
        ),
    )
