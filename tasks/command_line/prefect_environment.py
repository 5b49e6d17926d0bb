"""Environment that Prefect reads when it is imported; nothing here loads Prefect."""

import os
import tempfile
from pathlib import Path

PREFECT_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # An own server takes its time on a busy machine; the default of 20 s is too little there.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300",
}
"""Prefect reads these once, when it is imported: nothing leaves the machine but to the store."""


TEMPORARY_SERVER_SETTINGS = {
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    # Nobody watches a server that ends with its run. These services write to its SQLite database
    # beside the run itself, which once found it locked for a minute.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}
"""For a server of the run's own, where no PREFECT_API_URL names another."""


def prepare_environment() -> None:
    """Set what Prefect reads when it is imported, where the user has not set it."""
    os.environ.update(PREFECT_SETTINGS | os.environ)
    # An empty address is none; Prefect would take it for one and lose every event.
    if not os.environ.get("PREFECT_API_URL"):
        os.environ.pop("PREFECT_API_URL", None)
        os.environ.update(TEMPORARY_SERVER_SETTINGS | os.environ)
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    existing = next(part for part in (home, *home.parents) if part.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        # Prefect keeps settings and its own server's database there, and waits in vain without.
        os.environ["PREFECT_HOME"] = tempfile.mkdtemp(prefix="dlcflow-prefect-")
