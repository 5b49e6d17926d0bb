"""Opens archive after archive under watch, and prints a line of JSON for each.

Run with the folder of the cases as its argument; standard input has one case's name a line, and
the first few cases only serve to import what opening an archive imports.
"""

import sys

from tests.watch.hook import Watch

watch = Watch()  # before anything else is imported

import json  # noqa: E402
import resource  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

MEMORY_LIMIT = 600 * 2**20
"""Bytes of address space that one archive may take, on top of what the imports have."""

CPU_LIMIT_SECONDS = 20
"""Processor seconds that one archive may take."""


def main(cases: Path, warm_up: int) -> None:
    for number, name in enumerate(sys.stdin.read().splitlines()):
        if number == warm_up:
            limit_memory()
        watch.allowed = str(project_folder(cases / name).resolve())
        limit_processor()
        print(json.dumps(open_case(cases / name, watched=number >= warm_up)), flush=True)


def project_folder(case: Path) -> Path:
    return case / "scratch" / "project"


def limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_LIMIT, used + MEMORY_LIMIT))


def limit_processor() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + CPU_LIMIT_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))


def open_case(case: Path, *, watched: bool) -> dict[str, Any]:
    from tasks.errors import BadInput
    from tasks.pose.model.archive import unpack_model

    before = read_peak_memory(reset=True)
    started = time.process_time()
    watch.on = watched
    result: dict[str, Any] = {"name": case.name}
    try:
        model = unpack_model(case / "m.zip", "m.zip", project_folder(case))
        result |= {"outcome": "opened", "repairs": model.repairs + model.warnings}
    except BadInput as error:
        result |= {"outcome": "refused", "message": str(error)}
    except BaseException as error:  # noqa: BLE001 - the test tells of all that is raised
        result |= {"outcome": "raised", "message": f"{type(error).__name__}: {error}"[:500]}
    watch.on = False
    result |= {"seen": watch.seen[:], "seconds": time.process_time() - started}
    watch.seen.clear()
    return result | {"bytes": read_peak_memory(reset=False) - before}


def read_peak_memory(*, reset: bool) -> int:
    """The most memory in use since the last reset, in bytes."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
