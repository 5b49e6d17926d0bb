"""Results as one file: a zip of a text that tells what they are, and of the files beside it."""

import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from tasks.errors import StageFailed
from tasks.run_data import EXPORTS_FOLDER, AnalyzedMovie

T = TypeVar("T")

_DESCRIPTION_FILE = "movie.json"

_DAMAGE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    KeyError,
    EOFError,
    NotImplementedError,
    RuntimeError,
)
"""Errors that zipfile raises for changed bytes of an archive, whichever they are."""


def write_archive(told: T, kind: TypeAdapter[T], files: Iterable[Path], target: Path) -> None:
    """Write an archive.

    Args:
        told: What the results are.
        kind: How that is written as JSON.
        files: The files beside it; their names are all different.
        target: The zip to write.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(_DESCRIPTION_FILE, kind.dump_json(told))
        for path in files:
            archive.write(path, path.name)


def check_archive(source: Path) -> None:
    """Read an archive's every file.

    Raises:
        StageFailed: It is no archive, or is damaged.
    """
    with _explain_damage(source.name), zipfile.ZipFile(source) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"{damaged} is damaged")


def read_description(source: Path | BinaryIO, kind: TypeAdapter[T]) -> T:
    """Read what an archive's results are.

    Raises:
        StageFailed: It is no archive of this kind that this version wrote.
    """
    with _explain_damage(source.name), zipfile.ZipFile(source) as archive:
        return kind.validate_json(archive.read(_DESCRIPTION_FILE))


@contextmanager
def _explain_damage(name: str) -> Iterator[None]:
    try:
        yield
    except (*_DAMAGE_ERRORS, OSError, ValidationError) as error:
        raise StageFailed(
            f"{name}: expected one movie's results, written by this version; found "
            f"{type(error).__name__}"
        ) from error


def extract_files(source: Path, files: Iterable[Path]) -> None:
    """Write files of an archive, each under the name that it has there.

    Raises:
        StageFailed: One of them is missing or damaged.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            for path in files:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(path.name))
    except _DAMAGE_ERRORS as error:
        raise StageFailed(f"{source.name}: {error}; it is damaged") from error


def result_files(movie: AnalyzedMovie) -> list[Path]:
    """The files of a movie's results that annotations and report are made of."""
    refine = [frame.picture for frame in movie.exports.refine]
    return [movie.poses, *movie.previews.values(), *movie.labeled.worst.values(), *refine]


def with_files_in(movie: AnalyzedMovie, folder: Path) -> AnalyzedMovie:
    """The same results with their files in another folder; only file names are kept of theirs."""
    return replace(
        movie,
        poses=folder / movie.poses.name,
        previews={name: folder / path.name for name, path in movie.previews.items()},
        labeled=replace(
            movie.labeled, worst={i: folder / path.name for i, path in movie.labeled.worst.items()}
        ),
        exports=replace(
            movie.exports,
            files={n: folder / EXPORTS_FOLDER / p.name for n, p in movie.exports.files.items()},
            refine=tuple(
                replace(frame, picture=folder / frame.picture.name)
                for frame in movie.exports.refine
            ),
        ),
    )
