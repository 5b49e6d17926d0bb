"""``make drop``: put movies into the inbox of the service that is up."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from deployments.background import (
    SETTINGS_FILE,
    STATE_FILE,
    print_line,
    read_settings,
    read_state,
)
from tasks.environment_variables import INBOX, read_inbox
from tasks.messages import strip_full_stop

MOVIES_VARIABLE = "MOVIE"
"""Environment variable in which make passes what was typed after ``MOVIE=``."""


def read_movies(text: str) -> list[Path]:
    """Read the names typed after ``MOVIE=``.

    Args:
        text: One file name, which may hold spaces and quotes, or several as a shell writes them.
    """
    if not text.strip():
        return []
    if Path(text).exists():
        return [Path(text)]
    try:
        words = shlex.split(text)
    except ValueError:  # a quotation that is not closed: a name with an apostrophe
        words = [text]
    return [Path(word).expanduser() for word in words]


def drop_movies(folder: Path, movies: Sequence[Path]) -> int:
    """Put movies into the inbox, as a laboratory would, and print what becomes of each.

    Movies that cannot be analyzed are not uploaded; the others are.

    Args:
        folder: Folder of the service that is up.
        movies: Local files.

    Returns:
        The exit status: 0 if each movie is in the inbox now, 1 if one was refused.
    """
    from tasks.errors import PoseError  # noqa: PLC0415

    if refusal := _explain_refusal(folder, movies):
        print_line(f"error: {refusal}")
        return 1
    settings = read_settings(folder)
    os.environ.update(settings)
    status = 0
    for movie in movies:
        try:
            location, is_new = _upload_if_changed(movie, settings[INBOX.name])
        except PoseError as error:
            print_line(f"error: {error}")
            status = 1
            continue
        if is_new:
            print_line(f"{location}; its run appears {_describe_run_start(folder)}")
        else:
            print_line(f"{location} is in the inbox already, unchanged; {_describe_run(location)}")
    return status


def _explain_refusal(folder: Path, movies: Sequence[Path]) -> str:
    """Explain why nothing can be dropped; return an empty string if it can."""
    if not (folder / STATE_FILE).exists() or not (folder / SETTINGS_FILE).exists():
        return "nothing is up; `make up` first"
    if not read_inbox(read_settings(folder)):
        return f"there is no inbox; `make down`, then `{INBOX}=s3://bucket/inbox/ make up`"
    if not movies:
        return "no movie is named; `make drop MOVIE=my-movie.mp4`"
    missing = [str(movie) for movie in movies if not movie.is_file()]
    return f"there is no file {', '.join(missing)}; name a movie on this machine" if missing else ""


def _upload_if_changed(movie: Path, inbox: str) -> tuple[str, bool]:
    """Upload a movie unless the inbox holds the same content under its name.

    Returns:
        Its location in the inbox, and whether it is new there.

    Raises:
        BadInput: It is not a movie that can be analyzed.
        PoseError: The store does not take it.
    """
    from tasks.errors import BadInput  # noqa: PLC0415
    from tasks.file_digest import compute_sha256  # noqa: PLC0415
    from tasks.inbox.accepted_files import explain_name_refusal  # noqa: PLC0415
    from tasks.pose.movies.reader import probe_movie  # noqa: PLC0415 - slow
    from tasks.storage.location import Location  # noqa: PLC0415
    from tasks.storage.lookup import LocationStore  # noqa: PLC0415 - boto3 reads the environment
    from tasks.storage.store_errors import NoSuchObject  # noqa: PLC0415

    if refusal := explain_name_refusal(movie.name):
        raise BadInput(refusal)
    probe_movie(movie)
    store, target = LocationStore(), Location.parse(f"{inbox.rstrip('/')}/").child(movie.name)
    try:
        known = store.stat(target)
    except NoSuchObject:
        known = None
    if known and known.size == movie.stat().st_size:
        sha256 = store.known_sha256(known)
        if sha256 and sha256 == compute_sha256(movie):
            return str(target), False
    return str(store.upload(movie, target).location), True


def _describe_run(location: str) -> str:
    """Describe the latest run for a movie that the inbox holds already: no other one starts."""
    from tasks.errors import PoseError  # noqa: PLC0415
    from tasks.inbox.start_runs import find_movie_run  # noqa: PLC0415 - Prefect takes seconds

    try:
        run = find_movie_run(location)
    except PoseError:
        return "no run starts for it"
    if run is None:
        return "its run has not been started yet: the inbox's page says what it waits for"
    if run.is_under_way:
        return f"its run {run.state_description}, and no other one starts"
    told = f" ({strip_full_stop(run.message)})" if run.message else ""
    return f"its run has {run.state.lower()}{told}, and no other one starts"


def _describe_run_start(folder: Path) -> str:
    """Describe when the run will start: at once only if the store sends notifications."""
    if "store" in read_state(folder):
        return "within seconds"
    return "within ten minutes, or within seconds if the store sends notifications"
