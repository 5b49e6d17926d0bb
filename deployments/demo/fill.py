"""Put the demo's inputs in a bucket: ``python -m deployments.demo.fill BUCKET``."""

import sys
from pathlib import Path
from typing import Any

import boto3

from deployments.demo.inputs import DEMO_FOLDER, MODEL_FILE, MOVIE_FILE
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store_errors import NoSuchObject


def upload_inputs(bucket: str) -> Location:
    """Make a bucket with the model and the movie in it.

    Args:
        bucket: Its name.

    Returns:
        The bucket's root.
    """
    boto3.client("s3").create_bucket(Bucket=bucket)
    root = Location.parse(f"s3://{bucket}/")
    for path, folder in ((MODEL_FILE, "models"), (MOVIE_FILE, "movies")):
        _upload_if_missing(path, root.child(folder, path.name))
    return root


def _upload_if_missing(path: Path, target: Location) -> None:
    """Upload a file unless there is one: what a user has put there stays."""
    try:
        LocationStore().stat(target)
    except NoSuchObject:
        LocationStore().upload(path, target)


def fill_bucket(bucket: str) -> None:
    """Make a bucket with the model, the movie, and an inbox that says what to do in it.

    Args:
        bucket: Its name.
    """
    root = upload_inputs(bucket)
    _upload_if_missing(DEMO_FOLDER / "request.yaml", root.child("inbox", "request.yaml"))


def set_up_notifications(bucket: str) -> str:
    """Have the store tell of what arrives in the inbox, as AWS S3 does.

    Args:
        bucket: The bucket's name.

    Returns:
        The address of the queue that it writes to.
    """
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    queue: str = sqs.create_queue(QueueName=f"{bucket}-arrivals")["QueueUrl"]
    about = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    inbox: Any = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "inbox/"}]}}
    target: Any = {
        "QueueArn": about["Attributes"]["QueueArn"],
        "Events": ["s3:ObjectCreated:*"],
        "Filter": inbox,
    }
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [target]}
    )
    return queue


if __name__ == "__main__":
    fill_bucket(sys.argv[1])
    sys.stdout.write(f"{set_up_notifications(sys.argv[1])}\n")
