"""A flow for tests of workers: it writes down that it has run."""

import os
from pathlib import Path

from prefect import flow


@flow(name="once")
def record_process(folder: str, name: str) -> None:
    """Add this process to the file of that name."""
    with (Path(folder) / name).open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
