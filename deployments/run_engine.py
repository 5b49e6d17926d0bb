"""A worker's command for each run: Prefect's engine, as a copy of a process that has loaded it.

Prefect's own command loads Prefect twice, once to look for the flow's code and once to run it.
This one passes signals on to the copy, and ends as it does. Where the machine keeps no such
process, or it is not ready, this becomes the engine itself.
"""

import os
import signal
import sys
from pathlib import Path

from deployments import copied_engine
from tasks.processes.copied_process import CopiedProcess, start_copy
from tasks.processes.environment import build_child_environment
from tasks.processes.owner import describe_owner
from tasks.processes.template_address import find_template_socket
from tasks.run.scratch_folder import share_folder

LOADER = f"{copied_engine.__name__}:{copied_engine.load_flows.__qualname__}"


def main() -> int:
    """Carry out the flow run that the environment names.

    Returns:
        The exit status of the engine.
    """
    share_folder(Path.cwd())  # the run may go on after its worker was killed
    environment = build_child_environment({})
    template = find_template_socket(copied_engine.__name__, LOADER, environment)
    fds = {0: 0, 1: 1, 2: 2}
    copy = template and start_copy(template, describe_owner(), environment=environment, fds=fds)
    if not copy:
        os.execv(sys.executable, [sys.executable, "-m", "prefect.engine"])  # noqa: S606
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: _pass_on(copy, number))
    status = copy.wait()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _pass_on(copy: CopiedProcess, number: int) -> None:
    if copy.returncode is None:
        os.kill(copy.pid, number)


if __name__ == "__main__":
    sys.exit(main())
