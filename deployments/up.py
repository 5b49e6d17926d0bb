"""``make up``: the whole service on this machine, to try it out; ``make down`` ends it.

``make drop MOVIE=…`` puts a movie into its inbox. ``make reset`` removes everything that it keeps.

The page for scientists, a Prefect server with its UI, on PostgreSQL, a worker, the deployments, the
receiver, and, unless boto3 is already set up for a store of your own, an embedded one with the
demo's model and movie in it. Objects and the runs' history stay over ``make down``. ``make up``
again starts only what is not running.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from deployments.background import (
    ROOT,
    STATE_FILE,
    ServiceParts,
    end_process,
    find_free_port,
    is_answering,
    is_running,
    print_line,
    read_settings,
    read_state,
    write_settings,
    write_state,
)
from deployments.database import (
    DATABASE_VARIABLES,
    DatabaseUnavailableError,
    connection_url,
    prepare_database,
    ready_command,
    serve_command,
)
from deployments.demo.inputs import DEMO_BUCKET, STORE_CREDENTIALS
from deployments.drop import MOVIES_VARIABLE, drop_movies, read_movies
from deployments.service_outline import describe_service
from tasks.command_line.prefect_environment import PREFECT_SETTINGS
from tasks.environment_variables import INBOX, WEB_INPUTS, WEB_RESULTS, WEB_URL
from tasks.messages import strip_full_stop

SERVICE_FOLDER = ROOT / ".cache" / "up"

PARTS = ("store", "database", "server", "worker", "receiver", "page")
"""Names of the parts, each after those that it depends on."""

STORE_FOLDER, DATABASE_FOLDER, PAGE_FOLDER = "store", "database", "page"
"""Folders in that folder."""

UI_PORT, STORE_PORT, RECEIVER_PORT, DATABASE_PORT, PAGE_PORT = 4200, 4201, 4202, 4203, 4204
"""Ports on loopback; the next free one if one is taken."""


def main(arguments: list[str] | None = None) -> int:
    """Start or end the service."""
    parser = argparse.ArgumentParser(prog="make", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "drop", "reset"))
    parser.add_argument("movies", nargs="*", type=Path, help="movies to drop")
    parser.add_argument(
        "--folder", type=Path, default=SERVICE_FOLDER, help="for logs, objects, and the database"
    )
    parser.add_argument("--yes", action="store_true", help="reset without asking")
    options = parser.parse_args(arguments)
    if options.command == "drop":
        typed = read_movies(os.environ.get(MOVIES_VARIABLE, ""))
        return drop_movies(options.folder, options.movies or typed)
    if options.command == "reset":
        return reset_service(options.folder, is_confirmed=options.yes)
    return (
        start_service(options.folder) if options.command == "up" else stop_service(options.folder)
    )


def start_service(folder: Path) -> int:
    """Start every part that is not running, in the order in which they need each other.

    Parts that run are left alone, above all the store, which is in use. Parts that have ended are
    started again where they were served before, since the others know them by that address.
    """
    known = read_state(folder)
    state = {name: part for name, part in known.items() if is_running(part)}
    if not state:
        known = {}  # nothing relies on the old addresses
    page = _choose_address(known, "page", PAGE_PORT)
    environment, store = _build_environment(folder, known, page)
    if state and (clash := _find_clash(folder, environment)):
        print_line(f"error: {clash}")
        return 1
    folder.mkdir(parents=True, exist_ok=True)
    parts = ServiceParts(folder, environment, state)
    was_running = set(state)
    try:
        _start_all_parts(parts, store, page, known)
    except (RuntimeError, KeyboardInterrupt) as error:
        _stop_parts(folder, keep=was_running)
        reason = strip_full_stop(str(error)) or "interrupted"
        print_line(f"error: {reason}; the logs are in {folder}/")
        return 1
    write_settings(parts)
    print_line(describe_service(parts, embedded=store is not None))
    return 0


def _find_clash(folder: Path, environment: dict[str, str]) -> str:
    """Explain why running parts cannot be joined: they use another store or inbox."""
    known = read_settings(folder)
    if not known:
        return ""
    names = [
        name
        for name in ("AWS_ENDPOINT_URL", INBOX.name)
        if known.get(name) != environment.get(name)
    ]
    if not names:
        return ""
    return (
        f"the service is up with other settings ({', '.join(names)}); "
        "`make down` first, then `make up`"
    )


def stop_service(folder: Path) -> int:
    """End every part, the last one first, and what each has started."""
    if not (folder / STATE_FILE).exists():
        print_line("nothing is up")
        return 0
    _stop_parts(folder)
    return 0


def _stop_parts(folder: Path, keep: Collection[str] = ()) -> None:
    state = read_state(folder)
    # Those that depend on others first, whatever the order in which they were started.
    for name in sorted(state, key=PARTS.index, reverse=True):
        part = state[name]
        if name in keep:
            continue
        if is_running(part):
            print_line(f"ending {name}")
            end_process(part["pid"])
        else:
            print_line(f"{name} has ended already")
    kept = {name: part for name, part in state.items() if name in keep}
    if kept:
        write_state(folder, kept)
    else:
        (folder / STATE_FILE).unlink(missing_ok=True)


def reset_service(folder: Path, *, is_confirmed: bool) -> int:
    """End every part and remove everything that they keep, after asking.

    Args:
        folder: Where they keep it.
        is_confirmed: Whether the user has already agreed.

    Returns:
        The exit status: 0 if nothing is kept any more, 1 if the user did not agree.
    """
    if not folder.exists():
        print_line("nothing is kept")
        return 0
    if not is_confirmed:
        print_line(
            f"This ends the service and removes everything in {folder}/: the embedded store's "
            "objects (movies and results), the history of runs, and logs."
        )
        sys.stdout.write("Type yes to go on: ")
        sys.stdout.flush()
        if sys.stdin.readline().strip() != "yes":
            print_line("nothing was removed")
            return 1
    _stop_parts(folder)
    shutil.rmtree(folder)
    print_line(f"removed {folder}/")
    return 0


def _build_environment(
    folder: Path, known: Mapping[str, Mapping[str, Any]], page: str
) -> tuple[dict[str, str], str | None]:
    """Build the environment of every part, with the embedded store's address if there is one.

    Args:
        folder: Where the parts keep what they keep.
        known: Parts that were started before, by name, whose addresses are used again.
        page: Where the page for scientists is served.
    """
    ui = _choose_address(known, "server", UI_PORT)
    environment = (
        {WEB_URL.name: page}
        | os.environ
        | PREFECT_SETTINGS
        | {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"{ui}/api",
            "PREFECT_UI_URL": ui,
            "PYTHONPATH": str(ROOT),
        }
    )
    configured = ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID")
    # A shell that has sourced the settings names the embedded store: that is no other one.
    embedded = known.get("store", {}).get("url") or _read_embedded_address(folder)
    is_ours = embedded and os.environ.get("AWS_ENDPOINT_URL") == embedded
    if any(name in os.environ for name in configured) and not is_ours:
        return environment, None
    store = _choose_address(known, "store", STORE_PORT)
    return environment | {
        **STORE_CREDENTIALS,
        "AWS_ENDPOINT_URL": store,
        INBOX.name: f"s3://{DEMO_BUCKET}/inbox/",
        WEB_RESULTS.name: f"s3://{DEMO_BUCKET}/results/",
        WEB_INPUTS.name: f"s3://{DEMO_BUCKET}/models/ s3://{DEMO_BUCKET}/movies/",
    }, store


def _read_embedded_address(folder: Path) -> str | None:
    """Read the embedded store's last address; None if there was none."""
    if not (folder / STORE_FOLDER).exists():
        return None
    return read_settings(folder).get("AWS_ENDPOINT_URL")


def _choose_address(known: Mapping[str, Mapping[str, Any]], name: str, port: int) -> str:
    """Choose where a part is served: where it was before, or else at a free port."""
    before = known.get(name, {}).get("url")
    return str(before) if before else f"http://127.0.0.1:{find_free_port(port)}"


def _start_all_parts(
    parts: ServiceParts, store: str | None, page: str, known: Mapping[str, Mapping[str, Any]]
) -> None:
    python = (sys.executable, "-m")
    listen = [*python, "deployments.receiver"]
    if store:
        serve = [*python, "deployments.embedded_store", "--port", _parse_port(store)]
        parts.start("store", [*serve, "--folder", str(parts.folder / STORE_FOLDER)], store)
        queue = parts.run_command(
            "filling the bucket", (*python, "deployments.demo.fill", DEMO_BUCKET)
        )
        listen += ["--queue", queue]
    database = _start_database(parts, known)
    ui = parts.environment["PREFECT_UI_URL"]
    parts.start(
        "server",
        (*python, "deployments.server", "--port", _parse_port(ui)),
        ui,
        partial(is_answering, f"{ui}/api/health"),
        database,
    )
    parts.run_command("deploying", (*python, "deployments.deploy"))
    if store:
        parts.run_command("filling in the form", (*python, "deployments.demo.form", DEMO_BUCKET))
    # Runs have some seconds to end by themselves, and some to clean up: less than GRACE in all.
    parts.start("worker", (*python, "deployments.worker", "--grace", "8"))
    receiver = _choose_address(known, "receiver", RECEIVER_PORT)
    parts.start("receiver", [*listen, "--port", _parse_port(receiver)], receiver)
    show = [*python, "deployments.web", "--port", _parse_port(page)]
    show += ["--cache", str(parts.folder / PAGE_FOLDER)]
    parts.start("page", show, page, partial(is_answering, f"{page}/health"))


def _start_database(parts: ServiceParts, known: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Start PostgreSQL for the server, unless the user has set up a database.

    Returns:
        What the server's environment gets: the database's address, or nothing for Prefect's own
        choice, SQLite.
    """
    folder = parts.folder / DATABASE_FOLDER
    if any(os.environ.get(name) for name in DATABASE_VARIABLES):
        return {}
    if "server" in parts.started and "database" not in known:
        return {}  # it runs on SQLite, and goes on there until `make down`
    try:
        prepare_database(folder)
        port = int(_parse_port(_choose_address(known, "database", DATABASE_PORT)))
        ready = ready_command(folder, port)
        parts.start(
            "database",
            serve_command(folder, port),
            f"postgresql://127.0.0.1:{port}",
            lambda: subprocess.run(ready, check=False).returncode == 0,
        )
    except DatabaseUnavailableError as error:
        print_line(f"the server keeps its history in SQLite, which is slow under load: {error}")
        return {}
    return {DATABASE_VARIABLES[0]: connection_url(folder, port)}


def _parse_port(url: str) -> str:
    return url.rpartition(":")[2]


if __name__ == "__main__":
    sys.exit(main())
