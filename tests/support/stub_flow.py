"""A flow in the place of pose estimation, which takes its time and leaves a mark for each start."""

import os
import time
from pathlib import Path
from uuid import uuid4

from prefect import flow, task


@task(name="Estimate poses", persist_result=False)
def wait_until_enough(seconds: float, enough: Path) -> None:
    """Be busy until somebody has had enough."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not enough.exists():
        time.sleep(0.1)


@flow(name="pose-estimation", persist_result=False)
def pose_estimation(marks: str, seconds: float, fails: bool = False) -> None:
    """Leave a mark that names this process, be busy, and leave another.

    Args:
        marks: Folder for the marks.
        seconds: How long to be busy, at most: a file `enough` among the marks ends it.
        fails: Whether to fail instead.
    """
    if fails:
        raise ValueError("m1.mp4: Estimate poses: the movie is no movie")
    folder, mark = Path(marks), uuid4().hex
    (folder / f"{mark}.started").write_text(str(os.getpid()), encoding="ascii")
    wait_until_enough(seconds, folder / "enough")
    (folder / f"{mark}.ended").touch()
