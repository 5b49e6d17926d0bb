"""``make notify-test``: send one notice, to see that it comes to the people it is for."""

import argparse
import os
import socket
import sys
from typing import TYPE_CHECKING

from deployments.deploy import connect_to_server
from tasks.command_line.prefect_environment import PREFECT_SETTINGS
from tasks.environment_variables import NOTICE_CHOICE, NOTIFICATION_BLOCK, read_notification_block
from tasks.errors import BadInput

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def main(arguments: list[str] | None = None) -> int:
    """Send one notice.

    Args:
        arguments: Words of the command line; by default those of this process.

    Returns:
        The exit status: 0 if it was taken, or 1 with a sentence on standard error.
    """
    argparse.ArgumentParser(prog="make notify-test", description=__doc__).parse_args(arguments)
    os.environ.update(PREFECT_SETTINGS | os.environ)
    try:
        with connect_to_server() as client:
            told = send_test(client)
    except (BadInput, ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{told}\n")
    return 0


def send_test(client: "SyncPrefectClient") -> str:
    """Send one notice by the block that the environment or else the server names.

    Args:
        client: The server.

    Returns:
        What was sent, in a sentence.

    Raises:
        BadInput: No block is named.
        ValueError: There is no such block.
        ConnectionError: The notice was not taken.
    """
    from tasks.upkeep.notice import (  # noqa: PLC0415 - loads Prefect
        Notice,
        page_link,
        read_notice_settings,
        send_notice,
    )

    settings = read_notice_settings(client)
    block = read_notification_block() or settings.block
    if not block:
        raise BadInput(
            f"{NOTIFICATION_BLOCK}: expected a notification block as type/name, found nothing; "
            "docs/service.md shows how to make one"
        )
    kinds = ", ".join(settings.kinds) or "nothing yet, until `make deploy`"
    lines = [f"A test from {socket.gethostname()}. You are told of {kinds}.", page_link("runs")]
    send_notice(block, Notice("dlcflow: a test", "\n".join(filter(None, lines))))
    return f"{block} has taken a notice; you are told of {kinds} ({NOTICE_CHOICE})"


if __name__ == "__main__":
    sys.exit(main())
