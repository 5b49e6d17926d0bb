"""The automations of ``automations.yaml``: bring the server's to what the file says, by name."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from deployments.definitions import AUTOMATION_PREFIX, trigger_names
from tasks.environment_variables import NOTIFICATION_BLOCK

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import Automation, AutomationCore

AUTOMATIONS_FILE = Path(__file__).parent / "automations.yaml"


def reconcile_automations(client: "SyncPrefectClient", notify: str | None) -> None:
    """Make our automations what the file says, and remove those that it no longer has.

    One that somebody has paused stays paused.

    Args:
        client: The server.
        notify: Notification block to tell by, ``type/name``. None keeps the one that the server's
            automations use; an empty one tells nobody.

    Raises:
        ValueError: There is no such block.
    """
    found = _read_own_automations(client)
    block = (
        _look_up_block(client, notify)
        if notify
        else _find_used_block(found)
        if notify is None
        else None
    )
    for values in yaml.safe_load(AUTOMATIONS_FILE.read_text(encoding="utf-8")):
        if block or "notify" not in values:
            _create_or_update(client, _build_automation(values, block), found)
    for automation in found:
        client.delete_automation(automation.id)


def _read_own_automations(client: "SyncPrefectClient") -> "list[Automation]":
    """Ours on the server, but for those that belong to a deployment as its triggers."""
    found, triggers = client.read_automations(), trigger_names()
    return [
        one for one in found if one.name.startswith(AUTOMATION_PREFIX) and one.name not in triggers
    ]


def _create_or_update(
    client: "SyncPrefectClient", wanted: "AutomationCore", found: "list[Automation]"
) -> None:
    """Make an automation, or change the one that there is, and take it from those found."""
    same = next((one for one in found if one.name == wanted.name), None)
    if same is None:
        client.create_automation(wanted)
        return
    found.remove(same)
    kept = wanted.model_copy(update={"enabled": same.enabled})
    if kept.model_dump(mode="json") != same.model_dump(mode="json", exclude={"id"}):
        client.update_automation(same.id, kept)


def _build_automation(values: dict[str, Any], block: "UUID | None") -> "AutomationCore":
    from prefect.events.schemas.automations import AutomationCore  # noqa: PLC0415

    plain = {name: value for name, value in values.items() if name != "notify"}
    if "notify" in values:
        action = {"type": "send-notification", "block_document_id": block} | values["notify"]
        plain["actions"] = [*plain.get("actions", ()), action]
    return AutomationCore.model_validate(plain)


def _find_used_block(found: "list[Automation]") -> "UUID | None":
    """The block that our automations use."""
    actions = [action for automation in found for action in automation.actions]
    blocks = (getattr(action, "block_document_id", None) for action in actions)
    return next(filter(None, blocks), None)


def _look_up_block(client: "SyncPrefectClient", name: str) -> "UUID":
    """The id of a block.

    Raises:
        ValueError: There is no such block.
    """
    from prefect.exceptions import ObjectNotFound  # noqa: PLC0415

    kind, _, document = name.partition("/")
    try:
        found = client.read_block_document_by_name(document, block_type_slug=kind).id
    except ObjectNotFound:
        found = None
    if found is None:
        raise ValueError(
            f"{NOTIFICATION_BLOCK}={name}: expected a notification block as type/name, found none "
            "of this name; make one in the UI under Blocks (its address there has the type), or "
            f"with `prefect block create {kind}`"
        )
    return found
