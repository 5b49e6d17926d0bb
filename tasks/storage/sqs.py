"""Messages of an SQS queue, which AWS S3 sends its notifications to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

LONGEST_WAIT = 20
"""Seconds that a request may wait for a message: the most that SQS allows."""


class MessageQueue:
    """Reads messages one batch at a time; what is not acknowledged comes again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Any = boto3.client("sqs")

    def messages(self, wait: int = LONGEST_WAIT) -> list[tuple[str, str]]:
        """Wait for messages.

        Args:
            wait: Seconds to wait for the first one.

        Returns:
            A receipt and the body of each message, at most ten.

        Raises:
            ConnectionError: The queue cannot be read now.
        """
        with _told(self._url):
            answer = self._client.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=wait
            )
        return [(m["ReceiptHandle"], m["Body"]) for m in answer.get("Messages", [])]

    def acknowledge(self, receipt: str) -> None:
        """Remove a message that has been dealt with.

        Raises:
            ConnectionError: It cannot be removed now.
        """
        with _told(self._url):
            self._client.delete_message(QueueUrl=self._url, ReceiptHandle=receipt)


@contextmanager
def _told(url: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise ConnectionError(
            f"{url}: the queue cannot be read ({error}); check its address and permissions"
        ) from error
