"""SQLite tables of runs and their movies, made from run records, to be searched and paged."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.output.run_summary import VERDICTS, MovieSummary, RunSummary

PAGE_LENGTH = 100
"""Rows of a page."""

_FILE = "runs-2.sqlite"
"""Name of the database; its number changes with the tables."""

_TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    output TEXT PRIMARY KEY, name TEXT, etag TEXT, finished TEXT, status TEXT, kind TEXT,
    model TEXT, movies INTEGER, verdicts TEXT, files TEXT, folders TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS newest ON runs (finished DESC, output);
CREATE TABLE IF NOT EXISTS movies (
    output TEXT, number INTEGER, name TEXT, verdict TEXT, urgency INTEGER, reasons TEXT,
    frames INTEGER, seconds REAL, picture TEXT,
    PRIMARY KEY (output, urgency, number)
) WITHOUT ROWID;
"""

_RUN_COLUMNS = "output, name, finished, status, kind, model, movies, verdicts, files, folders"
_MOVIE_COLUMNS = "number, name, verdict, reasons, frames, seconds, picture"


@dataclass(frozen=True)
class IndexedRun:
    """A run in the database.

    Attributes:
        output: Location of its results, with a slash at its end.
        name: Path below the folder with results.
        finished: When it ended, UTC, in ISO 8601; empty if its record is unreadable.
        status: Complete, partial, failed, or unreadable.
        kind: Pose, behavior, neural, or another.
        model: File name of its model; may be empty.
        movies: Number of its movies.
        verdicts: Number of them by verdict.
        files: Sizes of the files that are the whole run's, by path below its results.
        folders: Names of folders with files of several movies.
    """

    output: str
    name: str
    finished: str
    status: str
    kind: str
    model: str
    movies: int
    verdicts: dict[str, int]
    files: dict[str, int]
    folders: tuple[str, ...]


@dataclass(frozen=True)
class RunChoice:
    """What to look for among runs.

    Attributes:
        text: Words of which each must be in the name, model, date, status, or a movie's name.
        kind: Kind of runs; empty for all.
        verdict: Verdict of at least one of a run's movies; empty for all.
    """

    text: str = ""
    kind: str = ""
    verdict: str = ""


class RunDatabase:
    """The tables, in a folder; safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / _FILE
        try:
            self._create_tables()
        except sqlite3.DatabaseError:  # it was damaged; everything in it can be read again
            self._file.unlink()
            self._create_tables()

    def _create_tables(self) -> None:
        with suppress(FileExistsError):
            self._file.touch(mode=0o600, exist_ok=False)
        with self._open() as database:
            database.executescript(f"PRAGMA journal_mode = WAL; {_TABLES}")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._file, timeout=60)) as database, database:
            database.execute("PRAGMA synchronous = NORMAL")
            yield database

    def read_etags(self) -> dict[str, str]:
        """ETags of all run records that have been read, by the location of their results."""
        with self._open() as database:
            return dict(database.execute("SELECT output, etag FROM runs").fetchall())

    def read_etag(self, output: str) -> str | None:
        """ETag of the record of one run, as it was read last; None if it was not."""
        with self._open() as database:
            row = database.execute("SELECT etag FROM runs WHERE output = ?", (output,)).fetchone()
        return row[0] if row else None

    def save_run(self, output: str, name: str, etag: str, run: RunSummary) -> None:
        """Put a run in, in the place of what was known of it."""
        row = (output, name, etag, run.finished, run.status, run.kind, run.model)
        counts = (len(run.movies), json.dumps(run.verdicts))
        files = (json.dumps(dict(run.files)), json.dumps(run.folders))
        movies = (
            (
                output,
                index,
                movie.name,
                movie.verdict,
                VERDICTS.index(movie.verdict) if movie.verdict in VERDICTS else 0,
                json.dumps(movie.reasons),
                movie.frames,
                movie.seconds,
                movie.picture,
            )
            for index, movie in enumerate(run.movies)
        )
        with self._open() as database:
            database.execute("DELETE FROM movies WHERE output = ?", (output,))
            database.execute(
                "REPLACE INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?)", (*row, *counts, *files)
            )
            database.executemany("INSERT INTO movies VALUES (?,?,?,?,?,?,?,?,?)", movies)

    def remove_runs(self, outputs: Sequence[str]) -> None:
        """Remove runs whose results are gone."""
        with self._open() as database:
            for output in outputs:
                database.execute("DELETE FROM runs WHERE output = ?", (output,))
                database.execute("DELETE FROM movies WHERE output = ?", (output,))

    def find_runs(self, choice: RunChoice, page: int = 1) -> tuple[list[IndexedRun], int]:
        """Find runs, the newest first.

        Args:
            choice: What to look for.
            page: Which page of them, from 1.

        Returns:
            That page, and how many there are in all.
        """
        where, values = _build_run_condition(choice)
        rows, count = self._read_page(
            _RUN_COLUMNS, f"runs WHERE {where}", "finished DESC, output", values, page
        )
        return [_to_run(row) for row in rows], count

    def get_run(self, output: str) -> IndexedRun | None:
        """Return a run by the location of its results; None if it is not known."""
        rows, _ = self._read_page(_RUN_COLUMNS, "runs WHERE output = ?", "output", [output])
        return _to_run(rows[0]) if rows else None

    def find_movies(
        self, output: str, text: str = "", verdict: str = "", page: int = 1
    ) -> tuple[list[MovieSummary], int]:
        """Find movies of a run, those that need a look first.

        Args:
            output: The run.
            text: Words of which each must be in a movie's name.
            verdict: Their verdict; empty for all.
            page: Which page of them, from 1.

        Returns:
            That page, and how many there are in all.
        """
        words = [_to_pattern(word) for word in text.split()]
        where = "output = ?" + r" AND name LIKE ? ESCAPE '\'" * len(words)
        values = [output, *words]
        if verdict:
            where, values = f"{where} AND verdict = ?", [*values, verdict]
        rows, count = self._read_page(
            _MOVIE_COLUMNS, f"movies WHERE {where}", "urgency, number", values, page
        )
        return [_to_movie(row) for row in rows], count

    def get_movie(self, output: str, name: str) -> MovieSummary | None:
        """Return a movie of a run by its name; None if there is none."""
        where = "movies WHERE output = ? AND name = ?"
        rows, _ = self._read_page(_MOVIE_COLUMNS, where, "number", [output, name])
        return _to_movie(rows[0]) if rows else None

    def _read_page(
        self, columns: str, source: str, order: str, values: Sequence[str], page: int = 1
    ) -> tuple[list[Any], int]:
        """Read a page of rows, and how many there are; strangers' words are among the values."""
        count = f"SELECT count(*) FROM {source}"  # noqa: S608
        rows = f"SELECT {columns} FROM {source} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
        limits = (PAGE_LENGTH, PAGE_LENGTH * (page - 1))
        with self._open() as database:
            (found,) = database.execute(count, values).fetchone()
            return database.execute(rows, (*values, *limits)).fetchall(), found


def _build_run_condition(choice: RunChoice) -> tuple[str, list[str]]:
    conditions, values = ["1"], list[str]()
    for word in choice.text.split():
        columns = ("name", "model", "finished", "kind", "status")
        like = r" LIKE ? ESCAPE '\'"
        any_column = " OR ".join(f"{column}{like}" for column in columns)
        movie = f"SELECT 1 FROM movies WHERE movies.output = runs.output AND movies.name{like}"  # noqa: S608
        conditions.append(f"({any_column} OR EXISTS ({movie}))")
        values += [_to_pattern(word)] * (len(columns) + 1)
    if choice.kind:
        conditions.append("kind = ?")
        values.append(choice.kind)
    if choice.verdict:
        conditions.append("json_extract(verdicts, '$.' || ?) > 0")
        values.append(f'"{choice.verdict}"')
    return " AND ".join(conditions), values


def _to_pattern(word: str) -> str:
    for sign in "\\%_":
        word = word.replace(sign, f"\\{sign}")
    return f"%{word}%"


def _to_run(row: tuple[str, str, str, str, str, str, int, str, str, str]) -> IndexedRun:
    output, name, finished, status, kind, model, movies, verdicts, files, folders = row
    return IndexedRun(
        output=output,
        name=name,
        finished=finished,
        status=status,
        kind=kind,
        model=model,
        movies=movies,
        verdicts=json.loads(verdicts),
        files=json.loads(files),
        folders=tuple(json.loads(folders)),
    )


def _to_movie(
    row: tuple[int, str, str, str, int | None, float | None, str],
) -> MovieSummary:
    number, name, verdict, reasons, frames, seconds, picture = row
    told = tuple(json.loads(reasons))
    return MovieSummary(number, name, verdict, told, frames, seconds, picture)
