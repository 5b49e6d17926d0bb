"""Fetch and push of one large object against other clients: `python -m tests.bench.store`.

Needs a store (``AWS_ENDPOINT_URL`` and its keys). Clients take turns; figures are medians, those of
the processor this process' own: on one machine the store needs its share too. With
boto3's defaults an object is sent and fetched as ``aws s3 cp`` does it.
"""

import argparse
import os
import secrets
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore

MIB = 1 << 20
OBJECT_KEY = "object"
PARALLEL_TRANSFERS = {"16 parts of 64 MiB": (16, 64), "8 parts of 16 MiB": (8, 16)}


class StoreClients:
    """Ways to move one file to a bucket of its own and back."""

    def __init__(self, file: Path, bucket: str) -> None:
        self.file, self.bucket, self.copy = file, bucket, file.with_name("copy")
        config = Config(max_pool_connections=32, request_checksum_calculation="when_required")
        self.s3 = boto3.client("s3", config=config)
        self.location = Location(bucket, OBJECT_KEY)
        self.store = LocationStore()

    def push_calls(self) -> dict[str, Callable[[], object]]:
        where = (str(self.file), self.bucket, OBJECT_KEY)
        return {
            "boto3's defaults": lambda: self.s3.upload_file(*where),
            **{
                name: lambda c=count, s=size: self.s3.upload_file(
                    *where, Config=_build_transfer_config(c, s)
                )  # type: ignore[misc]
                for name, (count, size) in PARALLEL_TRANSFERS.items()
            },
            "ours": lambda: self.store.upload(self.file, self.location),
        }

    def fetch_calls(self) -> dict[str, Callable[[], object]]:
        where = (self.bucket, OBJECT_KEY, str(self.copy))
        return {
            "boto3's defaults": lambda: self.s3.download_file(*where),
            **{
                name: lambda c=count, s=size: self._fetch_ranges(c, s * MIB)  # type: ignore[misc]
                for name, (count, size) in PARALLEL_TRANSFERS.items()
            },
            "ours": lambda: self.store.download(self.store.stat(self.location), self.copy),
        }

    def _fetch_ranges(self, count: int, size: int) -> None:
        """A request for each part, each written to its place at once."""
        total = self.file.stat().st_size
        target = os.open(self.copy, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)

        def fetch_range(start: int) -> None:
            part = f"bytes={start}-{min(start + size, total) - 1}"
            body = self.s3.get_object(Bucket=self.bucket, Key=OBJECT_KEY, Range=part)["Body"]
            for chunk in body.iter_chunks(MIB):
                os.pwrite(target, chunk, start)
                start += len(chunk)

        with ThreadPoolExecutor(count) as threads:
            list(threads.map(fetch_range, range(0, total, size)))
        os.close(target)


def _build_transfer_config(count: int, size: int) -> TransferConfig:
    return TransferConfig(max_concurrency=count, multipart_chunksize=size * MIB)


def main(words: list[str] | None = None) -> int:
    """Print seconds and rates of every client."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.store", description=__doc__)
    parser.add_argument("--size", type=int, default=2048, help="in MiB")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="dlcflow-bench-") as name:
        file = Path(name, "object")
        with file.open("wb") as target:
            for _ in range(options.size // 16):
                target.write(secrets.token_bytes(16 * MIB))
        _compare_clients(
            StoreClients(file, f"bench-{secrets.token_hex(4)}"), options.repeats, options.size
        )
    return 0


def _compare_clients(clients: StoreClients, repeats: int, size: int) -> None:
    clients.s3.create_bucket(Bucket=clients.bucket)
    for what, calls in (("push", clients.push_calls()), ("fetch", clients.fetch_calls())):
        seconds: dict[str, list[float]] = defaultdict(list)
        busy: dict[str, list[float]] = defaultdict(list)
        for _ in range(repeats):
            for name, call in calls.items():
                started, used = time.perf_counter(), time.process_time()
                call()
                seconds[name].append(time.perf_counter() - started)
                busy[name].append(time.process_time() - used)
                clients.copy.unlink(missing_ok=True)
        best = min(map(statistics.median, seconds.values()))
        for name, taken in seconds.items():
            middle = statistics.median(taken)
            sys.stdout.write(
                f"{what:6} {name:20} {middle:7.2f} s {size / middle:7.0f} MiB/s "
                f"{middle / best:5.2f} of the best, {statistics.median(busy[name]):6.2f} s of CPU\n"
            )
    clients.s3.delete_object(Bucket=clients.bucket, Key=OBJECT_KEY)
    clients.s3.delete_bucket(Bucket=clients.bucket)


if __name__ == "__main__":
    sys.exit(main())
