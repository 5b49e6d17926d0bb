"""A day of service in an hour: movies are dropped, and what can happen to a service happens.

    make day                                   200 movies in 60 minutes
    make day MOVIES=20 MINUTES=8 SEED=7        fewer, at the same moments again

What `make up` starts, in a folder of its own, with a clock of schedules that goes 24 times as fast.
One movie in twenty is bad; the worker is killed twice, once with all that it has started; the
server and the database are restarted; and the disk of temporary files is full for a minute. In the
end it prints what was found, and ends with 1 if anything is not as it should be.
"""

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from _pytest.outcomes import Skipped

from tests.day.day_service import DayService
from tests.day.service_day import ServiceDay
from tests.support.notice_listener import listen_to_notices
from tests.support.small_disk import mount_small_disk

DISK_BYTES = 512 << 20
"""Size of the disk of temporary files."""


def main() -> int:
    """Live through a day; the exit status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.day",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--movies", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, help="for logs and results that are kept")
    options = parser.parse_args()
    print(
        f"{options.movies} movies in {options.minutes:g} minutes, SEED={options.seed}", flush=True
    )
    with ExitStack() as stack:
        folder = options.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="dlcflow-day-"))
        )
        folder.mkdir(parents=True, exist_ok=True)
        try:
            disk = stack.enter_context(mount_small_disk(folder.resolve() / "tmp", DISK_BYTES))
        except Skipped as why:
            sys.exit(f"error: {why}")
        listener = stack.enter_context(listen_to_notices())
        service = DayService(folder.resolve() / "up", disk)
        stack.callback(service.down)
        day = ServiceDay(service, listener, random.Random(options.seed), folder / "movies")
        return day.live(options.movies, options.minutes * 60)


if __name__ == "__main__":
    sys.exit(main())
