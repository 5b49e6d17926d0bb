"""Messages of an SQS queue, which AWS S3 sends its notifications to."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tasks.storage.store_errors import StoreUnavailable

MAX_WAIT = 20
"""Seconds that a request may wait for a message: the most that SQS allows."""

MESSAGES_PER_REQUEST = 10
"""Messages that one request may take or remove: the most that SQS allows."""


class MessageQueue:
    """Reads messages a few at a time; what is not acknowledged comes again."""

    def __init__(self, url: str) -> None:
        """Make a client for a queue.

        Raises:
            StoreUnavailable: boto3's settings are wrong.
        """
        self._url = url
        region = re.match(r"https://sqs\.([a-z0-9-]+)\.", url)
        with _convert_queue_errors(url):
            self._client: Any = boto3.client("sqs", region_name=region[1] if region else None)

    def receive_messages(self, wait: int = MAX_WAIT) -> list[tuple[str, str]]:
        """Wait for messages.

        Args:
            wait: Seconds to wait for the first one.

        Returns:
            A receipt and the body of each message, at most ten.

        Raises:
            StoreUnavailable: The queue cannot be read now.
        """
        with _convert_queue_errors(self._url):
            answer = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=MESSAGES_PER_REQUEST, WaitTimeSeconds=wait
            )
        return [(m["ReceiptHandle"], m["Body"]) for m in answer.get("Messages", [])]

    def acknowledge(self, receipts: Sequence[str]) -> None:
        """Remove messages that have been dealt with; one that stays only comes again.

        Raises:
            StoreUnavailable: They cannot be removed now.
        """
        for start in range(0, len(receipts), MESSAGES_PER_REQUEST):
            some = receipts[start : start + MESSAGES_PER_REQUEST]
            entries = [{"Id": str(i), "ReceiptHandle": r} for i, r in enumerate(some)]
            with _convert_queue_errors(self._url):
                self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)


@contextmanager
def _convert_queue_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, ValueError) as error:
        raise StoreUnavailable(
            f"{url}: the queue cannot be read ({error}); check its address and permissions"
        ) from error
