"""A flow in the place of pose estimation, which takes its time and leaves a mark for each start."""

import os
import time
from pathlib import Path
from uuid import uuid4

from prefect import flow, task


@task(name="Estimate poses", persist_result=False)
def sleep(seconds: float) -> None:
    """Be busy."""
    time.sleep(seconds)


@flow(name="pose-estimation", persist_result=False)
def pose_estimation(marks: str, seconds: float, fails: bool = False) -> None:
    """Leave a mark that names this process, be busy, and leave another.

    Args:
        marks: Folder for the marks.
        seconds: How long to be busy.
        fails: Whether to fail instead.
    """
    if fails:
        raise ValueError("m1.mp4: Estimate poses: the movie is no movie")
    folder, mark = Path(marks), uuid4().hex
    (folder / f"{mark}.started").write_text(str(os.getpid()), encoding="ascii")
    sleep(seconds)
    (folder / f"{mark}.ended").touch()
