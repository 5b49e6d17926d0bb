"""``make deploy``: bring a Prefect server to what this checkout says, however often it is run.

Work pools come from ``infra/work-pools``, deployments from ``deployments/prefect.yaml``,
automations from ``deployments/automations.yaml``. What an earlier checkout made and this one no
longer has is removed; what others made is left alone.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

import tasks

HERE = Path(__file__).parent
ROOT = HERE.parent
POOLS = ROOT / "infra" / "work-pools"
KINDS = tuple(sorted(path.stem for path in POOLS.glob("*.yaml")))

POOL = "gpu"

INBOX = "DLCFLOW_INBOX"
"""Environment variable: the location that movies are dropped into."""

NOTIFY = "DLCFLOW_NOTIFY"
"""Environment variable: the notification block that tells when something is wrong."""

OURS = "dlcflow: "
"""How names of our automations begin."""

TRIGGERED = "dlcflow: arrival in the inbox"
"""The automation that Prefect makes of a deployment's trigger."""

QUEUES = {"urgent": 1, "default": 2, "bulk": 3}
"""Priorities: what lies in a queue of a lower number is started first."""


def main(arguments: list[str] | None = None) -> int:
    """Reconcile the server that ``PREFECT_API_URL`` names; the exit status is that of the CLI."""
    parser = argparse.ArgumentParser(prog="make deploy", description=__doc__)
    parser.add_argument("--pool", choices=KINDS, default="process", help="where runs are made")
    options = parser.parse_args(arguments)
    reconcile_pool(options.pool)
    reconcile_automations(os.environ.get(NOTIFY))
    return deploy(os.environ.get(INBOX))


def reconcile_pool(kind: str) -> None:
    """Make the work pool and its queues, or bring them up to date.

    Args:
        kind: Name of a file in ``infra/work-pools``, which is the pool's type.

    Raises:
        SystemExit: There is a pool of this name, but of another type, which cannot be changed.
    """
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate  # noqa: PLC0415
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    wanted = yaml.safe_load((POOLS / f"{kind}.yaml").read_text(encoding="utf-8"))
    with get_client(sync_client=True) as client:
        try:
            found = client.read_work_pool(POOL)
        except ObjectNotFound:
            client.create_work_pool(WorkPoolCreate(name=POOL, **wanted))
        else:
            if found.type != wanted["type"]:
                sys.exit(
                    f"the work pool {POOL!r} is of type {found.type}, which cannot be changed to "
                    f"{wanted['type']}; remove it first: prefect work-pool delete {POOL}"
                )
            changes = {k: v for k, v in wanted.items() if k != "type"}
            client.update_work_pool(POOL, WorkPoolUpdate(**changes))
        _reconcile_queues(client)


def _reconcile_queues(client: Any) -> None:
    found = {queue.name: queue for queue in client.read_work_queues(work_pool_name=POOL)}
    for name, priority in QUEUES.items():
        if name not in found:
            client.create_work_queue(name=name, priority=priority, work_pool_name=POOL)
    found = {queue.name: queue for queue in client.read_work_queues(work_pool_name=POOL)}
    # From the last: a priority that is taken moves the queue that has it down by one.
    for name, priority in sorted(QUEUES.items(), key=lambda item: -item[1]):
        if found[name].priority != priority:
            client.update_work_queue(found[name].id, priority=priority)


def reconcile_automations(notify: str | None) -> None:
    """Make our automations what the file says, and remove those that it no longer has.

    Args:
        notify: Notification block to tell by, ``type/name``; None tells nobody.
    """
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.events.schemas.automations import AutomationCore  # noqa: PLC0415

    wanted = yaml.safe_load((HERE / "automations.yaml").read_text(encoding="utf-8"))
    with get_client(sync_client=True) as client:
        block = _block_id(client, notify) if notify else None
        usable = [_with_notification(one, block) for one in wanted if block or "notify" not in one]
        found = {one.name: one for one in client.read_automations() if one.name.startswith(OURS)}
        for values in usable:
            automation = AutomationCore.model_validate(values)
            if automation.name in found:
                client.update_automation(found.pop(automation.name).id, automation)
            else:
                client.create_automation(automation)
        for name, automation in found.items():
            if name != TRIGGERED:
                client.delete_automation(automation.id)


def _with_notification(automation: dict[str, Any], block: Any) -> dict[str, Any]:
    values = dict(automation)
    notify = values.pop("notify", None)
    if notify:
        action = {"type": "send-notification", "block_document_id": block} | notify
        values["actions"] = [*values.get("actions", ()), action]
    return values


def _block_id(client: Any, name: str) -> Any:
    """The id of a block.

    Raises:
        SystemExit: There is no such block.
    """
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    kind, _, document = name.partition("/")
    try:
        return client.read_block_document_by_name(document, block_type_slug=kind).id
    except ObjectNotFound:
        sys.exit(
            f"{NOTIFY}={name}: there is no such block; make one in the UI under Blocks, or with "
            "`prefect block create`, and name it as type/name"
        )


def deploy(inbox: str | None) -> int:
    """Send the deployments with Prefect's own command, from the root, where entrypoints begin.

    Args:
        inbox: Where movies are dropped; None leaves the two deployments out that look there.
    """
    chosen = ["--all"] if inbox else ["--name", "pose-estimation/pose-estimation"]
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", *chosen]
    command += ["--prefect-file", str(HERE.relative_to(ROOT) / "prefect.yaml")]
    told = {INBOX: f"{(inbox or '').rstrip('/')}/", "DLCFLOW_VERSION": tasks.__version__}
    environment = os.environ | told
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
