"""Notices to people, sent by a notification block of the server, or to an address in a secret."""

import json
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.blocks.system import Secret
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_UI_URL

from tasks.environment_variables import NOTICE_CHOICE, NOTIFICATION_BLOCK, parse_notice_kinds

SETTINGS_VARIABLE = "dlcflow_notices"
"""The server's variable that says whom to tell of what; `make deploy` writes it."""

MEMORY_VARIABLE = "dlcflow_told"
"""The server's variable that says what people have been told of."""


@dataclass(frozen=True)
class NoticeSettings:
    """Notices that somebody wants.

    Attributes:
        block: The block that sends them, as ``type/name``; empty for nobody.
        kinds: What they are about; see `tasks.environment_variables.NOTICE_KINDS`.
    """

    block: str = ""
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notice:
    """A notice.

    Attributes:
        subject: What it is about, in a line.
        body: The rest, in a few lines.
    """

    subject: str
    body: str


def send_notice(block: str, notice: Notice) -> None:
    """Send a notice, and wait until it was taken.

    Args:
        block: The block that sends it, as ``type/name``. A secret holds an address as Apprise has
            them, such as ``mailto://user:password@smtp.my-institute.org?to=lab@…``.
        notice: The notice.

    Raises:
        ValueError: There is no such block, or it sends nothing.
        ConnectionError: It was not taken.
    """
    sender = load_block(block)
    if isinstance(sender, NotificationBlock):
        try:
            with sender.raise_on_failure():
                _: Any = sender.notify(notice.body, notice.subject)
        except Exception as error:
            raise ConnectionError(f"{block} did not take a notice: {error}") from error
        return
    from apprise import Apprise  # noqa: PLC0415 - half a second, for those who use it

    address = Apprise()
    with warnings.catch_warnings():
        # It loads all that it can send by, with modules that later Pythons lack.
        warnings.simplefilter("ignore", DeprecationWarning)
        is_known = address.add(sender.get())
    if not is_known:
        raise ValueError(
            f"{block}: expected an address as Apprise has them, such as "
            "mailto://user:password@smtp.my-institute.org?to=lab@my-institute.org, found another "
            "text; see https://appriseit.com"
        )
    if not address.notify(notice.body, notice.subject):
        raise ConnectionError(f"{block} did not take a notice: its address does not answer")


def load_block(name: str) -> NotificationBlock | Secret[Any]:
    """Load the block that sends notices.

    Raises:
        ValueError: There is no such block, or it sends nothing.
    """
    kind = name.partition("/")[0]
    try:
        found: Any = Block.load(name)
    except ValueError as error:
        raise ValueError(
            f"{NOTIFICATION_BLOCK}={name}: expected a notification block as type/name, found none "
            "of this name; make one in the UI under Blocks (its address there has the type), or "
            f"with `prefect block create {kind}`"
        ) from error
    if not isinstance(found, NotificationBlock | Secret):
        raise ValueError(  # noqa: TRY004 - what somebody typed is wrong, not the program
            f"{NOTIFICATION_BLOCK}={name}: expected a notification block as type/name, found one "
            "that sends nothing; docs/service.md shows how to make one"
        )
    return found


def read_notice_settings(client: SyncPrefectClient) -> NoticeSettings:
    """Read whom to notify of what."""
    values = read_variable(client, SETTINGS_VARIABLE)
    return NoticeSettings(str(values.get("block", "")), tuple(values.get("kinds", ())))


def choose_notices(
    client: SyncPrefectClient, block: str | None, kinds: tuple[str, ...] | None
) -> NoticeSettings:
    """Keep on the server whom to tell of what.

    Args:
        client: The server.
        block: The block that sends notices, as ``type/name``; empty for none, None for the one
            that the server has.
        kinds: What they are about; None for what the server has.

    Returns:
        What it has now.

    Raises:
        ValueError: There is no such block.
    """
    before = read_notice_settings(client)
    chosen = NoticeSettings(
        before.block if block is None else block,
        kinds or before.kinds or parse_notice_kinds(NOTICE_CHOICE.default),
    )
    if block:
        load_block(block)
    if chosen.block and not before.block:
        # What has happened while nobody wanted to know is history.
        with suppress(ObjectNotFound):
            client.delete_variable_by_name(MEMORY_VARIABLE)
    if chosen != before and (chosen.block or before.block):
        values = {"block": chosen.block, "kinds": list(chosen.kinds)}
        write_variable(client, SETTINGS_VARIABLE, values)
    return chosen


def read_variable(client: SyncPrefectClient, name: str) -> dict[str, Any]:
    """Read a variable of the server that holds an object; empty where there is none."""
    found = client.read_variable_by_name(name)
    value = found.value if found else None
    if isinstance(value, str):  # as somebody types it in the UI
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    return value if isinstance(value, dict) else {}


def write_variable(client: SyncPrefectClient, name: str, value: dict[str, Any]) -> None:
    """Write a variable of the server."""
    if client.read_variable_by_name(name) is None:
        client.create_variable(VariableCreate(name=name, value=value, tags=["dlcflow"]))
    else:
        client.update_variable(VariableUpdate(name=name, value=value))


def page_link(*parts: str) -> str:
    """The address of a page of the UI; empty where nobody has said where the UI is."""
    base = PREFECT_UI_URL.value()
    return "/".join([str(base).rstrip("/"), *parts]) if base else ""


def join_lines(lines: Sequence[str]) -> str:
    """Join the lines of a body, without those that are empty."""
    return "\n".join(line for line in lines if line)
