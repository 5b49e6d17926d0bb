"""``make up``: the whole service on this machine, to try it out; ``make down`` ends it.

``make drop MOVIE=…`` puts a movie into its inbox.

A Prefect server with its UI, a worker, the deployments, the receiver, and, unless boto3 is already
set up for a store of your own, an embedded one (moto's server, which keeps nothing afterwards)
with the demo's model and movie in it.
"""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from deployments.background import (
    ROOT,
    STATE,
    Parts,
    born,
    find_free_port,
    print_line,
    stop_process,
)
from deployments.definitions import INBOX
from deployments.demo.inputs import BUCKET, STORE
from flows.__main__ import QUIET

FOLDER = ROOT / ".cache" / "up"

SETTINGS = "env"
"""File in the folder that a shell can source, to use what is up."""

UI_PORT, STORE_PORT, RECEIVER_PORT = 4200, 4201, 4202
"""Where things are served, on loopback; the next free port where one is taken."""


def main(arguments: list[str] | None = None) -> int:
    """Start or end the service."""
    parser = argparse.ArgumentParser(prog="make", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "drop"))
    parser.add_argument("movies", nargs="*", type=Path, help="movies to drop")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for logs and the database")
    options = parser.parse_args(arguments)
    if options.command == "drop":
        return drop(options.folder, options.movies)
    return up(options.folder) if options.command == "up" else down(options.folder)


def up(folder: Path) -> int:
    """Start every part, in the order in which they need each other, and say where to look."""
    if (folder / STATE).exists():
        print_line("it is up already, or was not ended with `make down`; doing that first")
        down(folder)
    folder.mkdir(parents=True, exist_ok=True)
    environment, store = _environment(folder)
    parts = Parts(folder, environment)
    try:
        _start_all(parts, store)
    except (RuntimeError, KeyboardInterrupt) as error:
        down(folder)
        print_line(f"error: {error or 'interrupted'}; the logs are in {folder}/")
        return 1
    _write_settings(parts)
    print_line(_where(parts, embedded=store is not None))
    return 0


def _write_settings(parts: "Parts") -> None:
    aws = (name for name in parts.environment if name.startswith("AWS_"))
    names = [name for name in ("PREFECT_API_URL", INBOX, *aws) if name in parts.environment]
    lines = [f"export {name}={shlex.quote(parts.environment[name])}\n" for name in names]
    file = parts.folder / SETTINGS
    file.touch(mode=0o600)
    file.write_text("".join(lines), encoding="utf-8")


def down(folder: Path) -> int:
    """End every part, the last one first, and what each has started."""
    state = folder / STATE
    if not state.exists():
        print_line("nothing is up")
        return 0
    for name, part in reversed(json.loads(state.read_text(encoding="utf-8")).items()):
        # Its number may be another's by now, after a restart of the machine above all.
        if (mark := part.get("born")) and mark == born(part["pid"]):
            print_line(f"ending {name}")
            stop_process(part["pid"])
        else:
            print_line(f"{name} has ended already")
    state.unlink()
    return 0


def drop(folder: Path, movies: Sequence[Path]) -> int:
    """Put movies into the inbox, as whoever films them would."""
    from tasks.errors import PoseError  # noqa: PLC0415

    if refusal := _no_drop(folder, movies):
        print_line(f"error: {refusal}")
        return 1
    settings = _settings(folder)
    os.environ.update(settings)
    try:
        for movie in movies:
            print_line(f"{_dropped(movie, settings[INBOX])}; its run appears {_when(folder)}")
    except PoseError as error:
        print_line(f"error: {error}")
        return 1
    return 0


def _no_drop(folder: Path, movies: Sequence[Path]) -> str:
    """Why nothing can be dropped; empty where it can."""
    if not (folder / STATE).exists() or not (folder / SETTINGS).exists():
        return "nothing is up; `make up` first"
    if not _settings(folder).get(INBOX):
        return f"there is no inbox; `make down`, then `{INBOX}=s3://bucket/inbox/ make up`"
    if not movies:
        return "no movie is named; `make drop MOVIE=my-movie.mp4`"
    missing = [str(movie) for movie in movies if not movie.is_file()]
    return f"there is no file {', '.join(missing)}; name a movie on this machine" if missing else ""


def _dropped(movie: Path, inbox: str) -> str:
    """Where in the inbox a movie lies now.

    Raises:
        PoseError: The store does not take it.
    """
    from tasks.storage.location import Location  # noqa: PLC0415 - boto3 reads the environment
    from tasks.storage.lookup import store_for  # noqa: PLC0415
    from tasks.storage.user_errors import convert_store_errors  # noqa: PLC0415

    with convert_store_errors():
        target = Location.parse(f"{inbox.rstrip('/')}/").child(movie.name)
        return str(store_for(target).upload(movie, target).location)


def _when(folder: Path) -> str:
    """When a run appears: a store of one's own tells of arrivals where it has been set up to."""
    embedded = "store" in json.loads((folder / STATE).read_text(encoding="utf-8"))
    return "within seconds" if embedded else "within ten minutes, or seconds where the store tells"


def _settings(folder: Path) -> dict[str, str]:
    """What programs find in their environment to use the service that is up."""
    words = shlex.split((folder / SETTINGS).read_text(encoding="utf-8"))
    return dict(word.split("=", 1) for word in words if "=" in word)


def _environment(folder: Path) -> tuple[dict[str, str], str | None]:
    """What every part gets, and the address of the embedded store where there is to be one."""
    port = find_free_port(UI_PORT)
    api = f"http://127.0.0.1:{port}/api"
    environment = (
        dict(os.environ)
        | QUIET
        | {
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": api,
            "PREFECT_UI_URL": f"http://127.0.0.1:{port}",
            "PYTHONPATH": str(ROOT),
        }
    )
    if any(name in os.environ for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_ACCESS_KEY_ID")):
        return environment, None
    store = f"http://127.0.0.1:{find_free_port(STORE_PORT)}"
    return environment | {
        **STORE,
        "AWS_ENDPOINT_URL": store,
        INBOX: f"s3://{BUCKET}/inbox/",
    }, store


def _start_all(parts: Parts, store: str | None) -> None:
    python = (sys.executable, "-m")
    listen = [*python, "deployments.receiver"]
    if store:
        serve = (*python, "moto.server", "-H", "127.0.0.1", "-p", _port_of(store))
        parts.start("store", serve, store)
        queue = parts.run("filling the bucket", (*python, "deployments.demo.fill", BUCKET))
        listen += ["--queue", queue]
    ui = parts.environment["PREFECT_UI_URL"]
    serve_ui = (*python, "deployments.server", "--port", _port_of(ui))
    parts.start("server", serve_ui, ui, f"{ui}/api/health")
    parts.run("deploying", (*python, "deployments.deploy"))
    if store:
        parts.run("filling in the form", (*python, "deployments.demo.form", BUCKET))
    # Runs have some seconds to end by themselves, and some to clean up: less than GRACE in all.
    parts.start("worker", (*python, "deployments.worker", "--grace", "8"))
    receiver = f"http://127.0.0.1:{find_free_port(RECEIVER_PORT)}"
    parts.start("receiver", [*listen, "--port", _port_of(receiver)], receiver)


def _port_of(url: str) -> str:
    return url.rpartition(":")[2]


def _where(parts: Parts, *, embedded: bool) -> str:
    store, results = parts.environment.get("AWS_ENDPOINT_URL", ""), f"s3://{BUCKET}/results/first/"
    real = f"AWS_ENDPOINT_URL=… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… {INBOX}=s3://… make up"
    lines = ["", f"Prefect's UI    {parts.environment['PREFECT_UI_URL']}"]
    if embedded:
        lines += [
            "first run       Deployments → pose-estimation → Run → Quick run",
            f"results         {results} (the run's page, under Artifacts, links to them)",
            f"object store    {store} (embedded: it keeps nothing after `make down`)",
            f"a real store    {real}",
        ]
    lines += [
        f"inbox           {_inbox(parts.environment.get(INBOX))}",
        f"in a shell      source {parts.folder / SETTINGS}  # python -m flows … then uses it too",
        f"logs            {parts.folder}/ (what runs say: worker.log)",
    ]
    return "\n".join([*lines, ""])


def _inbox(location: str | None) -> str:
    if location:
        return f"{location} (make drop MOVIE=my-movie.mp4)"
    return f"none, runs start from the form only ({INBOX}=s3://bucket/inbox/ make up)"


if __name__ == "__main__":
    sys.exit(main())
