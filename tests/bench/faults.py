"""Transfers of 200 movies on a store that fails one request in ten: `python -m tests.bench.faults`.

The store is Ceph where it is installed, else moto, behind a proxy that fails at random. Each movie
is fetched, and outputs like a run's are published, three movies at a time, with the retries that a
run has. The same without faults, through the same proxy, tells what they cost.
"""

import argparse
import hashlib
import os
import random
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import Retriable
from tasks.stages.retries import STORE_RETRIES
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tests.integration.storage.faults import (
    AnswerItself,
    CutBody,
    DamageDownload,
    DamageUpload,
    DropAnswer,
    Fault,
    FaultyProxy,
    ProxyRequest,
    ResetConnection,
    ShortenBody,
    run_faulty_proxy,
)
from tests.support.stores import StoreSettings, ceph_store, create_s3_client, moto_store

MOVIES_AT_ONCE = 3
BUCKET = "faults-bench"
KB, MB = 1_000, 1_000_000

ANY_METHOD_FAULTS = (
    AnswerItself(500),
    AnswerItself(502),
    AnswerItself(503),
    AnswerItself(504),
    AnswerItself(503, "SlowDown"),
    ResetConnection(),
    DropAnswer(),
)
FAULTS: dict[str, tuple[Fault, ...]] = {
    "GET": (*ANY_METHOD_FAULTS, CutBody(), ShortenBody(), DamageDownload()),
    "PUT": (*ANY_METHOD_FAULTS, AnswerItself(429), DamageUpload()),
    "HEAD": ANY_METHOD_FAULTS,
    "POST": ANY_METHOD_FAULTS,
    "DELETE": ANY_METHOD_FAULTS,
}

OUTPUTS = {
    "mDLC_filtered.h5": 120 * KB,
    "mDLC.h5": 120 * KB,
    "labeled.mp4": 1_500 * KB,
    "histogram.svg": 40 * KB,
    "likelihood.svg": 90 * KB,
    "coordinates.svg": 120 * KB,
    "trajectory.png": 60 * KB,
}
LARGE_SIZE = 20 * MB
"""A movie, and its labeled movie, that go in parts."""


class RandomFaults:
    """Fails a share of the requests, each with a fault of its method's; tells how often which."""

    def __init__(self, share: float, seed: int) -> None:
        self._share, self._random = share, random.Random(seed)
        self._lock = threading.Lock()
        self.failed: Counter[str] = Counter()
        self.requests = 0

    def __call__(self, request: ProxyRequest) -> Fault | None:
        with self._lock:
            self.requests += 1
            if self._random.random() >= self._share:
                return None
            fault = self._random.choice(FAULTS[request.method])
            name = f"{fault.status} {fault.code}" if isinstance(fault, AnswerItself) else ""
            self.failed[name.strip() or type(fault).__name__.lower()] += 1
            return fault


class BenchMovies:
    """Movies in a bucket, and what their results would be."""

    def __init__(self, count: int, every: int, folder: Path, settings: StoreSettings) -> None:
        self.folder, self.s3 = folder, create_s3_client(settings)
        self.sizes = [LARGE_SIZE if n % every == every - 1 else 780 * KB for n in range(count)]
        self.content = {
            size: secrets.token_bytes(size) for size in {*self.sizes, *OUTPUTS.values()}
        }
        self.s3.create_bucket(Bucket=BUCKET)
        for number, size in enumerate(self.sizes):
            self.s3.put_object(Bucket=BUCKET, Key=f"in/{number}.mp4", Body=self.content[size])
        for size, content in self.content.items():
            (folder / str(size)).write_bytes(content)

    def output_sizes(self, number: int) -> dict[str, int]:
        return OUTPUTS | ({"labeled.mp4": LARGE_SIZE} if self.sizes[number] == LARGE_SIZE else {})

    def transfer_movie(self, number: int) -> None:
        """Fetch a movie and publish its results, as the stages do."""
        target = self.folder / f"{number}.mp4"
        retry_transfer(lambda: self._fetch_movie(number, target))
        assert target.read_bytes() == self.content[self.sizes[number]], "not the movie"
        target.unlink()
        for name, size in self.output_sizes(number).items():
            retry_transfer(lambda n=name, s=size: self._publish_output(number, n, s))  # type: ignore[misc]

    def _fetch_movie(self, number: int, target: Path) -> None:
        location = Location(BUCKET, f"in/{number}.mp4")
        store = LocationStore()
        info = store.stat(location)
        store.download(info, target)
        assert store.stat(location).etag == info.etag

    def _publish_output(self, number: int, name: str, size: int) -> None:
        location = Location(BUCKET, f"out/{number}/{name}")
        LocationStore().upload(self.folder / str(size), location)

    def count_lost(self) -> int:
        """How many results are missing or wrong, looked at past the proxy; they are removed."""
        wrong = 0
        for number in range(len(self.sizes)):
            for name, size in self.output_sizes(number).items():
                where: Any = {"Bucket": BUCKET, "Key": f"out/{number}/{name}"}
                body = self.s3.get_object(**where)["Body"].read()
                wrong += _compute_digest(body) != _compute_digest(self.content[size])
                self.s3.delete_object(**where)
        return wrong + len(self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


_retry_counts: Counter[str] = Counter()


def retry_transfer(transfer: Callable[[], None]) -> None:
    """Try a transfer as often, and with such waits, as a stage does."""
    for retry in range(STORE_RETRIES + 1):
        try:
            transfer()
            break
        except Retriable:
            if retry == STORE_RETRIES:
                raise
            _retry_counts["stage"] += 1
            time.sleep(2.0 * 2**retry)


def _compute_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def _run_store(folder: Path) -> Iterator[tuple[str, StoreSettings]]:
    try:
        with ceph_store(folder / "ceph") as settings:
            yield "Ceph", settings
    except pytest.skip.Exception:
        with moto_store() as settings:
            yield "moto", settings


def main(words: list[str] | None = None) -> int:
    """Print how long the transfers take with and without faults, and what was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.faults", description=__doc__)
    parser.add_argument("--movies", type=int, default=200)
    parser.add_argument("--large", type=int, default=20, help="one movie in so many is large")
    parser.add_argument("--share", type=float, default=0.1, help="of the requests fails")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    options = parser.parse_args(words)
    with (
        tempfile.TemporaryDirectory(prefix="dlcflow-bench-") as name,
        _run_store(Path(name)) as (kind, settings),
        run_faulty_proxy(settings["AWS_ENDPOINT_URL"]) as proxy,
    ):
        os.environ |= settings | {"AWS_ENDPOINT_URL": proxy.url}
        sys.stdout.write(f"{kind}, {options.movies} movies, seed {options.seed}\n")
        scratch = Path(name, "scratch")
        scratch.mkdir()
        movies = BenchMovies(options.movies, options.large, scratch, settings)
        plain = _measure_transfers(movies, proxy, RandomFaults(0, options.seed))
        faults = _measure_transfers(movies, proxy, RandomFaults(options.share, options.seed))
        sys.stdout.write(f"{faults / plain:.2f} times as long\n")
    return 0


def _measure_transfers(movies: BenchMovies, proxy: FaultyProxy, chance: RandomFaults) -> float:
    _retry_counts.clear()
    proxy.use_rule(chance)
    started = time.perf_counter()
    with ThreadPoolExecutor(MOVIES_AT_ONCE) as threads:
        list(threads.map(movies.transfer_movie, range(len(movies.sizes))))
    seconds = time.perf_counter() - started
    failed = sum(chance.failed.values())
    sys.stdout.write(
        f"{seconds:6.1f} s, {chance.requests} requests, {failed} failed, "
        f"{_retry_counts['stage']} stages tried again, {movies.count_lost()} results lost or left\n"
    )
    if failed:
        told = ", ".join(f"{count} {name}" for name, count in chance.failed.most_common())
        sys.stdout.write(f"         {told}\n")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
