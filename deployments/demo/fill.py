"""Put the demo's inputs in a bucket: ``python -m deployments.demo.fill BUCKET``."""

import sys

import boto3

from deployments.demo.run import HERE, MODEL, MOVIE
from tasks.storage.location import Location
from tasks.storage.store import store_for


def put_inputs(bucket: str) -> Location:
    """Make a bucket with the model and the movie in it.

    Args:
        bucket: Its name.

    Returns:
        The bucket's root.
    """
    boto3.client("s3").create_bucket(Bucket=bucket)
    root = Location.parse(f"s3://{bucket}/")
    for path, folder in ((MODEL, "models"), (MOVIE, "movies")):
        store_for(root).upload(path, root.child(folder, path.name))
    return root


def fill(bucket: str) -> None:
    """Make a bucket with the model, the movie, and an inbox that says what to do in it.

    Args:
        bucket: Its name.
    """
    root = put_inputs(bucket)
    store_for(root).upload(HERE / "request.yaml", root.child("inbox", "request.yaml"))


if __name__ == "__main__":
    fill(sys.argv[1])
