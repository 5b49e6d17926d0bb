"""A Prefect server that is quicker than a real one to believe that a worker is gone.

For tests of workers and automations, which need not wait for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.command_line.prefect_environment import PREFECT_SETTINGS
from tests.support.servers import run_prefect_server

PASSWORD = "lab:secret"

QUICK_SETTINGS = {
    "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_FOREMAN_INACTIVITY_HEARTBEAT_MULTIPLE": "2",
    "PREFECT_SERVER_SERVICES_FOREMAN_WORK_QUEUE_LAST_POLLED_TIMEOUT_SECONDS": "5",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
    "PREFECT_UI_URL": "http://prefect.lab",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "2",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}


@contextmanager
def quick_prefect_server(folder: Path, database: str | None = None) -> Iterator[dict[str, str]]:
    """Start a server, behind a password, with a database in a folder.

    Args:
        folder: Where it keeps what it keeps, and its log.
        database: Address of another database.

    Yields:
        The environment that a client of it needs.
    """
    with run_prefect_server(folder, database, PASSWORD, **QUICK_SETTINGS) as prefect:
        found = prefect.environment.items()
        mine = {name: value for name, value in found if name.startswith("PREFECT_")}
        yield PREFECT_SETTINGS | QUICK_SETTINGS | mine
