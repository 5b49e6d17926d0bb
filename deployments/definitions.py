"""The deployments of ``prefect.yaml``: send those that differ from the server's, remove the rest.

Prefect's own command sends them. It would make the triggers' automations and the next scheduled
runs anew each time, so it is asked only for what has changed. It also leaves alone what is no
longer in the file.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import tasks
from tasks import OWN_TAGS
from tasks.environment_variables import INBOX, VERSION

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

ROOT = Path(__file__).parents[1]
DEPLOYMENTS_FILE = ROOT / "deployments" / "prefect.yaml"

AUTOMATION_PREFIX = "dlcflow: "
"""Prefix of the names of our automations."""

DEPLOYMENT_NAMES = (
    "pose-estimation",
    "one-movie",
    "behavior",
    "neural",
    "inbox",
    "pose-estimation-on-arrival",
    "recovery",
)
"""Names of all deployments that any version made. A copy made in the UI has the tag, but a name of
its own: it is its maker's."""

SERVICE_QUEUE = "service"
"""The queue of light runs. A separate worker takes them: they never wait for estimation."""

ANALYSIS_QUEUE = "analysis"
"""The queue of runs that analyze poses, for minutes and without a GPU. A separate worker takes
them: they never wait for estimation, and no light run waits for them."""

LIGHT_RUN_VARIABLES = {
    "kubernetes": {
        "gpus": 0,
        "cpu_request": "250m",
        "memory_request": "512Mi",
        "memory_limit": "2Gi",
        "scratch_size": "1Gi",
        "finished_job_ttl": 300,
    }
}
"""Job variables of light runs, by the type of their work pool: there a run takes what it asks for,
and one that asks for a GPU waits until one is free."""

ANALYSIS_RUN_VARIABLES = {
    "kubernetes": {
        "gpus": 0,
        "cpu_request": "2",
        "memory_request": "2Gi",
        "memory_limit": "8Gi",
        "finished_job_ttl": 300,
    }
}
"""Job variables of runs that analyze poses; their scratch holds movies, as that of estimation."""

_VARIABLES_BY_QUEUE: dict[str, dict[str, dict[str, Any]]] = {
    SERVICE_QUEUE: LIGHT_RUN_VARIABLES,
    ANALYSIS_QUEUE: ANALYSIS_RUN_VARIABLES,
}

DeploymentEntry = dict[str, Any]
"""A deployment as the file has it."""

_COMPARED_FIELDS = {
    *("name", "description", "entrypoint", "version", "tags", "parameters"),
    *("work_pool", "schedules", "concurrency_limit", "triggers"),
}


def reconcile_deployments(client: "SyncPrefectClient", inbox: str | None) -> None:
    """Bring the server's deployments to what the file says.

    Args:
        client: The server.
        inbox: Where movies are dropped. None keeps what the server has; an empty one leaves the
            deployments out that look there.

    Raises:
        RuntimeError: Prefect refuses one.
    """
    found = {one.name: one for one in _read_own_deployments(client)}
    values = {
        VERSION.name: tasks.__version__,
        INBOX.name: _normalize_inbox(inbox, found.get("inbox")),
    }
    file = _read_deployments_file()
    for entry in file["deployments"]:
        _set_job_variables(client, entry)
    wanted = [
        e for e in file["deployments"] if values[INBOX.name] or INBOX.name not in json.dumps(e)
    ]
    wanted = [_fill_in_variables(entry, values) for entry in wanted]
    changed = [entry for entry in wanted if _needs_update(client, entry, found.get(entry["name"]))]
    _run_prefect_deploy(file, [entry["name"] for entry in changed], values)
    names = {entry["name"] for entry in wanted}
    for deployment in found.values():
        if deployment.name in names:
            slugs = {
                s["slug"]
                for e in wanted
                if e["name"] == deployment.name
                for s in _list_schedules(e)
            }
            _remove_other_schedules(client, deployment, slugs)
        else:
            _remove_deployment(client, deployment)


def remove_old_automations(client: "SyncPrefectClient") -> None:
    """Remove the automations that earlier versions made: the upkeep does their work.

    Those that Prefect makes of the deployments' triggers stay.
    """
    entries = _read_deployments_file()["deployments"]
    triggers = {trigger["name"] for entry in entries for trigger in entry.get("triggers", ())}
    for automation in client.read_automations():
        if automation.name.startswith(AUTOMATION_PREFIX) and automation.name not in triggers:
            client.delete_automation(automation.id)


def _read_own_deployments(client: "SyncPrefectClient") -> "list[DeploymentResponse]":
    from prefect.client.schemas.filters import DeploymentFilter  # noqa: PLC0415

    chosen = {"name": {"any_": list(DEPLOYMENT_NAMES)}, "tags": {"any_": sorted(OWN_TAGS)}}
    return client.read_deployments(deployment_filter=DeploymentFilter.model_validate(chosen))


def _read_deployments_file() -> dict[str, Any]:
    file: dict[str, Any] = yaml.safe_load(DEPLOYMENTS_FILE.read_text(encoding="utf-8"))
    return file


def _set_job_variables(client: "SyncPrefectClient", entry: DeploymentEntry) -> None:
    """Give a deployment whose runs need no GPU the job variables of its kind of work pool."""
    pool = entry["work_pool"]
    if by_type := _VARIABLES_BY_QUEUE.get(pool["work_queue_name"]):
        wanted = by_type.get(client.read_work_pool(pool["name"]).type)
        pool |= {"job_variables": wanted} if wanted else {}


def _normalize_inbox(inbox: str | None, found: "DeploymentResponse | None") -> str:
    """The inbox with a slash at its end; empty where there is none."""
    if inbox is None and found:
        inbox = str(found.parameters["inbox"])
    return f"{inbox.rstrip('/')}/" if inbox else ""


def _fill_in_variables(entry: DeploymentEntry, values: dict[str, str]) -> DeploymentEntry:
    """An entry with its ``{{ $NAME }}`` replaced."""

    def replace_variable(name: "re.Match[str]") -> str:
        return json.dumps(values[name[1]])[1:-1]

    filled: DeploymentEntry = json.loads(
        re.sub(r"\{\{ \$(\w+) \}\}", replace_variable, json.dumps(entry))
    )
    return filled


def _needs_update(
    client: "SyncPrefectClient", entry: DeploymentEntry, found: "DeploymentResponse | None"
) -> bool:
    """Return whether the server's deployment differs from the file, as far as can be seen."""
    return (
        found is None
        or not entry.keys() <= _COMPARED_FIELDS
        or _comparable_entry(entry) != _comparable_deployment(found)
        or any(not _has_schedule(plan, found) for plan in _list_schedules(entry))
        or _build_wanted_triggers(entry, found) != _read_server_triggers(client, found)
    )


def _comparable_entry(entry: DeploymentEntry) -> dict[str, Any]:
    from prefect.flows import Flow, load_flow_from_entrypoint  # noqa: PLC0415
    from prefect.utilities.callables import parameter_schema  # noqa: PLC0415

    flow: Flow[Any, Any] = load_flow_from_entrypoint(entry["entrypoint"])
    limit = entry.get("concurrency_limit") or {"limit": None, "collision_strategy": None}
    return {
        "entrypoint": entry["entrypoint"],
        "description": entry["description"],
        "version": entry["version"],
        "tags": sorted(entry["tags"]),
        "parameters": entry.get("parameters", {}),
        "schema": parameter_schema(flow).model_dump(exclude_unset=True),
        "pool": entry["work_pool"]["name"],
        "queue": entry["work_pool"]["work_queue_name"],
        "job": entry["work_pool"].get("job_variables", {}),
        "limit": (limit["limit"], limit["collision_strategy"]),
    }


def _comparable_deployment(found: "DeploymentResponse") -> dict[str, Any]:
    limit, options = found.global_concurrency_limit, found.concurrency_options
    return {
        "entrypoint": found.entrypoint,
        "description": found.description,
        "version": found.version,
        "tags": sorted(found.tags),
        "parameters": found.parameters,
        "schema": found.parameter_openapi_schema,
        "pool": found.work_pool_name,
        "queue": found.work_queue_name,
        "job": found.job_variables,
        "limit": (limit and limit.limit, options and options.collision_strategy),
    }


def _list_schedules(entry: DeploymentEntry) -> list[dict[str, Any]]:
    return list(entry.get("schedules", ()))


def _has_schedule(plan: dict[str, Any], found: "DeploymentResponse") -> bool:
    """Return whether the server has the file's schedule; it may be paused there."""
    for one in found.schedules:
        if one.slug == plan["slug"]:
            interval = getattr(one.schedule, "interval", None)
            return bool(interval == timedelta(seconds=plan["interval"]))
    return False


def _build_wanted_triggers(
    entry: DeploymentEntry, found: "DeploymentResponse"
) -> list[dict[str, Any]]:
    from prefect.events import DeploymentEventTrigger  # noqa: PLC0415

    triggers = []
    for values in entry.get("triggers", ()):
        trigger = DeploymentEventTrigger.model_validate(values)
        trigger.set_deployment_id(found.id)
        triggers.append(_comparable_automation(trigger.as_automation()))
    return sorted(triggers, key=lambda one: str(one["name"]))


def _read_server_triggers(
    client: "SyncPrefectClient", found: "DeploymentResponse"
) -> list[dict[str, Any]]:
    related = client.read_resource_related_automations(f"prefect.deployment.{found.id}")
    # Others may have automations that start our deployments.
    ours = [
        _comparable_automation(one) for one in related if one.name.startswith(AUTOMATION_PREFIX)
    ]
    return sorted(ours, key=lambda one: str(one["name"]))


def _comparable_automation(automation: Any) -> dict[str, Any]:
    """An automation without what the server adds, and whether somebody has paused it there."""
    dumped: dict[str, Any] = automation.model_dump(
        mode="json", exclude={"id", "enabled", "owner_resource"}
    )
    return dumped


def _run_prefect_deploy(file: dict[str, Any], names: Sequence[str], values: dict[str, str]) -> None:
    """Have Prefect's own command send deployments, from the root, where their entrypoints begin.

    Raises:
        RuntimeError: It fails.
    """
    from prefect.settings import get_current_settings  # noqa: PLC0415

    if not names:
        return
    settings = get_current_settings().to_environment_variables(exclude_unset=True)
    # Not the checkout's: the work pool has had its say in this one.
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as sent:
        yaml.safe_dump(file, sent)
        sent.flush()
        done = subprocess.run(
            _build_deploy_command(sent.name, names),
            cwd=ROOT,
            env=os.environ | settings | values,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"prefect deploy failed:\n{(done.stdout + done.stderr).strip()}")


def _build_deploy_command(file: str, names: Sequence[str]) -> list[str]:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--prefect-file", file]
    for name in names:
        command += ["--name", name]
    return command


def _remove_other_schedules(
    client: "SyncPrefectClient", deployment: "DeploymentResponse", slugs: set[str]
) -> None:
    for schedule in deployment.schedules:
        if schedule.slug not in slugs:
            client.delete_deployment_schedule(deployment.id, schedule.id)


def _remove_deployment(client: "SyncPrefectClient", deployment: "DeploymentResponse") -> None:
    """Remove a deployment, and first what would start it."""
    client.delete_resource_owned_automations(f"prefect.deployment.{deployment.id}")
    client.delete_deployment(deployment.id)
