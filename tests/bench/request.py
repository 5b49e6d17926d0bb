"""The whole request, as a user makes it: `python -m flows run`, from the shell to its end."""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.servers import PrefectServer

SHOWN_CHARACTERS = 4000
"""Characters of what a failed request said."""


def run_request(
    server: PrefectServer,
    model: Path,
    movie: Path,
    folder: Path,
    device: str,
    precision: str,
    copies: int = 1,
) -> float:
    """Run our flow on a movie, or on several movies with the same frames.

    Args:
        server: The Prefect server that it is seen on.
        model: The model's zip.
        movie: The movie.
        folder: An empty folder for movies and results.
        device: ``cpu`` hides GPUs.
        precision: The setting of that name.
        copies: How many movies the request has.

    Returns:
        Seconds, with the start of Python and all imports.

    Raises:
        RuntimeError: With the end of what the request said, if it fails.
    """
    movies = folder / "movies"
    movies.mkdir(parents=True)
    for index in range(copies):
        (movies / f"m{index}{movie.suffix}").symlink_to(movie)
    command = [sys.executable, "-m", "flows", "run", "--model", model, "--precision", precision]
    command += ["--movies", f"{movies}/", "--output", f"{folder}/out/"]
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {}
    started = time.perf_counter()
    with (folder / "log").open("wb") as log:
        done = subprocess.run(
            [str(word) for word in command],
            check=False,
            cwd=ROOT,
            env={**os.environ, **server.environment, **hidden},
            stdout=log,
            stderr=log,
        )
    seconds = time.perf_counter() - started
    if done.returncode:
        told = (folder / "log").read_text(errors="replace")
        raise RuntimeError(f"the request failed:\n{told[-SHOWN_CHARACTERS:]}")
    return seconds
