"""Try a model on a movie's first frames, in the process that a run would have for it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tasks.command_line.movie_plans import MoviePlan
from tasks.pose.child_functions import preload_model
from tasks.pose.child_libraries import load_for_estimation
from tasks.pose.finishing import build_label_style
from tasks.pose.movie_inspection.needed_parts import FIRST_FRAMES, find_needed_parts
from tasks.pose.movies.reader import RECORDING_SUFFIX
from tasks.pose.settings import PoseSettings
from tasks.pose.speed.run_speed import TrialSeconds
from tasks.pose.speed.trial_run import TrialRequest, try_movie
from tasks.processes.environment import count_usable_cpus
from tasks.processes.stage_process import StageProcess
from tasks.run.estimator import child_environment
from tasks.run.movie import TORCH_DEVICE
from tasks.run.movie_outline import fetch_outline
from tasks.run_data import ReadyModel
from tasks.storage.store import ObjectInfo, ObjectStore

MAX_FETCHED_BYTES = 2**30
"""Bytes of a remote movie that is fetched whole for a trial, since no part of it can be read."""

_HEAD_BYTES = 2**23
"""Bytes at the beginning of an AVI that hold some frames."""

_HEAD_FRAMES = 10


def try_model(
    plan: MoviePlan, ready: ReadyModel, settings: PoseSettings, store: ObjectStore, scratch: Path
) -> TrialSeconds | None:
    """Measure how fast a model is on a movie's first frames.

    Args:
        plan: The movie.
        ready: The model.
        settings: The request's settings.
        store: Where the movie is.
        scratch: Folder for what is fetched of it.

    Returns:
        What was measured; None where the whole of a large movie would have to be fetched.

    Raises:
        BadInput: The weights do not fit, or the movie's first frames cannot be decoded.
        Retriable: The store fails, or the device has no room for the model now.
    """
    process = StageProcess(
        "trial",
        scratch / "trial.log",
        child_environment(scratch, threads=count_usable_cpus()),
        load_for_estimation,
    )
    try:
        process.start()
        started = time.monotonic()
        with _fetch_beginning(store, plan.source.info, scratch, process) as beginning:
            if beginning is None:
                return None
            movie, frames = beginning
            fetching = time.monotonic() - started
            process.call(preload_model, ready.project, TORCH_DEVICE)
            loading = time.monotonic() - started - fetching
            request = TrialRequest(
                project=ready.project,
                movie=movie,
                frames=min(frames, plan.frames or frames),
                crop=settings.crop,
                precision=settings.precision,
                body_parts=ready.model.body_parts,
                style=build_label_style(ready.model, settings),
            )
            return replace(process.call(try_movie, request, TORCH_DEVICE), start=loading)
    finally:
        process.end()


@contextmanager
def _fetch_beginning(
    store: ObjectStore, info: ObjectInfo, scratch: Path, process: StageProcess
) -> Iterator[tuple[Path, int] | None]:
    """A movie, or a local file with its beginning, and how many of its frames can be decoded."""
    local = store.local_path(info)
    if local is not None:
        yield local, _ALL_FRAMES
        return
    suffix, name = info.location.suffix.lower(), info.location.name
    path = scratch / f"trial{suffix}"

    def find_parts(file: Path) -> list[tuple[int, int]]:
        return process.call(find_needed_parts, file, name, 0)

    try:
        if fetch_outline(store, info, path, find_parts):
            yield path, FIRST_FRAMES
        elif suffix == ".avi" and info.size > _HEAD_BYTES:
            with path.open("wb") as file:
                file.write(store.read_part(info.location, 0, _HEAD_BYTES))
                file.truncate(info.size)
            yield path, _HEAD_FRAMES
        elif suffix == RECORDING_SUFFIX and info.size > MAX_FETCHED_BYTES:
            yield None
        else:
            store.download(info, path)
            yield path, _ALL_FRAMES
    finally:
        path.unlink(missing_ok=True)


_ALL_FRAMES = 10**9
