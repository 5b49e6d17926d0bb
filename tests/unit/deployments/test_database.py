"""Which PostgreSQL serves a database: the one that made it."""

from pathlib import Path

import pytest

from deployments import database
from deployments.database import DatabaseUnavailableError, connection_url, find_programs


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders of programs that answer as PostgreSQL 18 of the wheel, and 15 of Debian, do."""
    answers = {"18": "18.6", "15": "15.18 (Debian 15.18-0+deb12u1)"}
    found = []
    for name, answer in answers.items():
        program = tmp_path / name / "postgres"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {answer}'\n")
        program.chmod(0o755)
        found.append(program.parent)
    monkeypatch.setattr(database, "_list_programs", lambda: found)
    return found


def make_data(folder: Path, version: str) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text(f"{version}\n")
    return folder


def test_a_new_database_gets_the_first(tmp_path: Path, installed: list[Path]) -> None:
    assert find_programs(tmp_path / "new") == installed[0]


@pytest.mark.parametrize(("version", "place"), [("18", 0), ("15", 1)])
def test_data_are_served_by_the_version_that_made_them(
    tmp_path: Path, installed: list[Path], version: str, place: int
) -> None:
    assert find_programs(make_data(tmp_path / "old", version)) == installed[place]


@pytest.mark.usefixtures("installed")
def test_data_of_a_version_that_is_gone_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError, match="made by PostgreSQL 16, which is not"):
        find_programs(make_data(tmp_path / "old", "16"))


def test_where_there_is_none_the_reason_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_list_programs", list)
    with pytest.raises(DatabaseUnavailableError, match="PostgreSQL is not installed"):
        find_programs(tmp_path)


def test_the_address_survives_a_password_with_special_characters(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a/b@c:d")
    assert connection_url(tmp_path, 5432) == (
        "postgresql+asyncpg://prefect:a%2Fb%40c%3Ad@127.0.0.1:5432/postgres"
    )
