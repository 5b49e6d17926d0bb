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
    STATE_FILE,
    ServiceParts,
    end_process,
    find_free_port,
    print_line,
    read_start_mark,
)
from deployments.demo.inputs import DEMO_BUCKET, STORE_CREDENTIALS
from flows.__main__ import PREFECT_SETTINGS
from tasks.environment_variables import INBOX, read_inbox

SERVICE_FOLDER = ROOT / ".cache" / "up"

SETTINGS_FILE = "env"
"""File in the folder that a shell can source, to use what is up."""

UI_PORT, STORE_PORT, RECEIVER_PORT = 4200, 4201, 4202
"""Where things are served, on loopback; the next free port where one is taken."""


def main(arguments: list[str] | None = None) -> int:
    """Start or end the service."""
    parser = argparse.ArgumentParser(prog="make", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "drop"))
    parser.add_argument("movies", nargs="*", type=Path, help="movies to drop")
    parser.add_argument(
        "--folder", type=Path, default=SERVICE_FOLDER, help="for logs and the database"
    )
    options = parser.parse_args(arguments)
    if options.command == "drop":
        return drop_movies(options.folder, options.movies)
    return (
        start_service(options.folder) if options.command == "up" else stop_service(options.folder)
    )


def start_service(folder: Path) -> int:
    """Start every part, in the order in which they need each other, and say where to look."""
    if (folder / STATE_FILE).exists():
        print_line("it is already up, or was not ended with `make down`; ending it first")
        stop_service(folder)
    folder.mkdir(parents=True, exist_ok=True)
    environment, store = _build_environment(folder)
    parts = ServiceParts(folder, environment)
    try:
        _start_all_parts(parts, store)
    except (RuntimeError, KeyboardInterrupt) as error:
        stop_service(folder)
        print_line(f"error: {error or 'interrupted'}; the logs are in {folder}/")
        return 1
    _write_settings(parts)
    print_line(_describe_service(parts, embedded=store is not None))
    return 0


def _write_settings(parts: "ServiceParts") -> None:
    aws = (name for name in parts.environment if name.startswith("AWS_"))
    names = [name for name in ("PREFECT_API_URL", INBOX.name, *aws) if name in parts.environment]
    lines = [f"export {name}={shlex.quote(parts.environment[name])}\n" for name in names]
    file = parts.folder / SETTINGS_FILE
    file.touch(mode=0o600)
    file.write_text("".join(lines), encoding="utf-8")


def stop_service(folder: Path) -> int:
    """End every part, the last one first, and what each has started."""
    state = folder / STATE_FILE
    if not state.exists():
        print_line("nothing is up")
        return 0
    for name, part in reversed(json.loads(state.read_text(encoding="utf-8")).items()):
        # Its number may be another's by now, after a restart of the machine above all.
        if (mark := part.get("born")) and mark == read_start_mark(part["pid"]):
            print_line(f"ending {name}")
            end_process(part["pid"])
        else:
            print_line(f"{name} has ended already")
    state.unlink()
    return 0


def drop_movies(folder: Path, movies: Sequence[Path]) -> int:
    """Put movies into the inbox, as a laboratory would."""
    from tasks.errors import PoseError  # noqa: PLC0415

    if refusal := _explain_refused_drop(folder, movies):
        print_line(f"error: {refusal}")
        return 1
    settings = _read_settings(folder)
    os.environ.update(settings)
    try:
        for movie in movies:
            print_line(
                f"{_upload_to_inbox(movie, settings[INBOX.name])}; its run appears "
                f"{_describe_run_start(folder)}"
            )
    except PoseError as error:
        print_line(f"error: {error}")
        return 1
    return 0


def _explain_refused_drop(folder: Path, movies: Sequence[Path]) -> str:
    """Explain why nothing can be dropped; return an empty string if it can."""
    if not (folder / STATE_FILE).exists() or not (folder / SETTINGS_FILE).exists():
        return "nothing is up; `make up` first"
    if not read_inbox(_read_settings(folder)):
        return f"there is no inbox; `make down`, then `{INBOX}=s3://bucket/inbox/ make up`"
    if not movies:
        return "no movie is named; `make drop MOVIE=my-movie.mp4`"
    missing = [str(movie) for movie in movies if not movie.is_file()]
    return f"there is no file {', '.join(missing)}; name a movie on this machine" if missing else ""


def _upload_to_inbox(movie: Path, inbox: str) -> str:
    """Upload a movie to the inbox and return its location there.

    Raises:
        PoseError: The store does not take it.
    """
    from tasks.storage.location import Location  # noqa: PLC0415 - boto3 reads the environment
    from tasks.storage.lookup import LocationStore  # noqa: PLC0415

    target = Location.parse(f"{inbox.rstrip('/')}/").child(movie.name)
    return str(LocationStore().upload(movie, target).location)


def _describe_run_start(folder: Path) -> str:
    """Describe when the run will start: at once only if the store sends notifications."""
    embedded = "store" in json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    if embedded:
        return "within seconds"
    return "within ten minutes, or within seconds if the store sends notifications"


def _read_settings(folder: Path) -> dict[str, str]:
    """Return the environment variables with which programs use the running service."""
    words = shlex.split((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    return dict(word.split("=", 1) for word in words if "=" in word)


def _build_environment(folder: Path) -> tuple[dict[str, str], str | None]:
    """Build the environment of every part, with the embedded store's address if there is one."""
    port = find_free_port(UI_PORT)
    api = f"http://127.0.0.1:{port}/api"
    environment = (
        dict(os.environ)
        | PREFECT_SETTINGS
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
        **STORE_CREDENTIALS,
        "AWS_ENDPOINT_URL": store,
        INBOX.name: f"s3://{DEMO_BUCKET}/inbox/",
    }, store


def _start_all_parts(parts: ServiceParts, store: str | None) -> None:
    python = (sys.executable, "-m")
    listen = [*python, "deployments.receiver"]
    if store:
        serve = (*python, "moto.server", "-H", "127.0.0.1", "-p", _parse_port(store))
        parts.start("store", serve, store)
        queue = parts.run_command(
            "filling the bucket", (*python, "deployments.demo.fill", DEMO_BUCKET)
        )
        listen += ["--queue", queue]
    ui = parts.environment["PREFECT_UI_URL"]
    serve_ui = (*python, "deployments.server", "--port", _parse_port(ui))
    parts.start("server", serve_ui, ui, f"{ui}/api/health")
    parts.run_command("deploying", (*python, "deployments.deploy"))
    if store:
        parts.run_command("filling in the form", (*python, "deployments.demo.form", DEMO_BUCKET))
    # Runs have some seconds to end by themselves, and some to clean up: less than GRACE in all.
    parts.start("worker", (*python, "deployments.worker", "--grace", "8"))
    receiver = f"http://127.0.0.1:{find_free_port(RECEIVER_PORT)}"
    parts.start("receiver", [*listen, "--port", _parse_port(receiver)], receiver)


def _parse_port(url: str) -> str:
    return url.rpartition(":")[2]


def _describe_service(parts: ServiceParts, *, embedded: bool) -> str:
    store, results = (
        parts.environment.get("AWS_ENDPOINT_URL", ""),
        f"s3://{DEMO_BUCKET}/results/first/",
    )
    real = f"AWS_ENDPOINT_URL=… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… {INBOX}=s3://… make up"
    lines = ["", f"Prefect's UI    {parts.environment['PREFECT_UI_URL']}"]
    if embedded:
        lines += [
            "first run       Deployments → pose-estimation → Run → Quick run",
            f"results         {results} (linked on the run's page, under Artifacts)",
            f"object store    {store} (embedded: it keeps nothing after `make down`)",
            f"a real store    {real}",
        ]
    lines += [
        f"inbox           {_describe_inbox(read_inbox(parts.environment))}",
        (
            f"in a shell      source {parts.folder / SETTINGS_FILE}  # python -m flows … then uses "
            "it too"
        ),
        f"logs            {parts.folder}/ (logs of runs: worker.log)",
    ]
    return "\n".join([*lines, ""])


def _describe_inbox(location: str | None) -> str:
    if location:
        return f"{location} (make drop MOVIE=my-movie.mp4)"
    return f"none, runs start from the form only ({INBOX}=s3://bucket/inbox/ make up)"


if __name__ == "__main__":
    sys.exit(main())
