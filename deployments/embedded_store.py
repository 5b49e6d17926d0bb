"""The object store that ``make up`` embeds: moto's server, with its objects kept in a folder.

    python -m deployments.embedded_store --port 4201 --folder .cache/up/store

moto has what the service needs of S3 (multipart, ranges, conditional writes, signed links) and the
notifications and queues that start runs on arrival, which the other servers on PyPI lack; but it
keeps everything in memory. Here every object is written to the folder before its request is
answered, and is loaded again at the next start. Of a versioned bucket the last versions are kept.
"""

import argparse
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from tasks.storage.local_files import open_replacement

ACCOUNT = "123456789012"
"""moto's account of those who name no other."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_CHECKSUM_FIELDS = ("checksum_algorithm", "checksum_type", "checksum_value", "checksum_parts")


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.embedded_store",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, required=True, help="port to listen at, on loopback")
    parser.add_argument("--folder", type=Path, required=True, help="where objects are kept")
    options = parser.parse_args(arguments)
    os.environ["MOTO_PORT"] = str(options.port)  # queues have addresses with it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    run_store(options.port, options.folder)
    return 0


def run_store(port: int, folder: Path) -> None:
    """Serve a store whose objects outlive it.

    Args:
        port: Port on loopback.
        folder: Where objects are kept; it is made.
    """
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 - slow to load
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import run_simple  # noqa: PLC0415

    kept = KeptObjects(folder)
    kept.load()
    application = DomainDispatcherApplication(create_backend_app)

    def answer(environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body: Iterable[bytes] = application(environment, start)
        if environment["REQUEST_METHOD"] not in _READING:
            kept.save_changes()
        return body

    run_simple("127.0.0.1", port, answer, threaded=True, request_handler=MotoRequestHandler)


@dataclass
class KeptObjects:
    """Copies of the store's objects in a folder.

    Each bucket has a folder; each object has two files in it, named by a digest of its key: its
    bytes, and a JSON file with its key and metadata, which is written last.

    Attributes:
        folder: Where they are.
        saved: moto's objects of which there is a copy, by bucket and key.
    """

    folder: Path
    saved: dict[tuple[str, str], Any] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def load(self) -> None:
        """Put all copies into the store, which is empty."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for bucket in sorted(path for path in self.folder.iterdir() if path.is_dir()):
            _backend().create_bucket(bucket.name, "us-east-1")
            for description in sorted(bucket.glob("*.json")):
                self._load_object(bucket.name, description)

    def _load_object(self, bucket: str, description: Path) -> None:
        told = json.loads(description.read_text(encoding="utf-8"))
        found = _backend().put_object(
            bucket,
            told["key"],
            description.with_suffix(".data").read_bytes(),
            storage=told["storage"],
            etag=told["etag"],
            disable_notification=True,
        )
        found.last_modified = datetime.fromisoformat(told["last_modified"])
        found.set_metadata(told["metadata"])
        for name in _CHECKSUM_FIELDS:
            setattr(found, name, told[name])
        self.saved[bucket, told["key"]] = found

    def save_changes(self) -> None:
        """Write copies of new objects, and remove those of objects that are gone."""
        with self._lock:
            buckets = _backend().buckets
            for name in buckets:
                (self.folder / name).mkdir(exist_ok=True)
            found = {
                (bucket.name, key): value
                for bucket in list(buckets.values())
                for key, value in list(bucket.keys.items())
                if hasattr(value, "contentsize")  # else it marks a deletion
            }
            for place in self.saved.keys() - found.keys():
                self._remove_copy(*place)
            for place, value in found.items():
                if self.saved.get(place) is not value:
                    self._write_copy(*place, value)
            self.saved = found
            for path in self.folder.iterdir():
                if path.name not in buckets:
                    path.rmdir()  # S3 removes no bucket that holds objects

    def _write_copy(self, bucket: str, key: str, value: Any) -> None:
        data = self._data_file(bucket, key)
        told = {
            "key": key,
            "etag": value.etag.strip('"'),
            "last_modified": value.last_modified.isoformat(),
            "storage": value.storage_class,
            "metadata": dict(value.metadata),
            **{name: getattr(value, name) for name in _CHECKSUM_FIELDS},
        }
        # An object that is replaced must not be described by the older one's file.
        data.with_suffix(".json").unlink(missing_ok=True)
        with open_replacement(data) as file:
            file.write(value.value)
        with open_replacement(data.with_suffix(".json")) as file:
            file.write(json.dumps(told).encode())

    def _remove_copy(self, bucket: str, key: str) -> None:
        data = self._data_file(bucket, key)
        data.with_suffix(".json").unlink(missing_ok=True)
        data.unlink(missing_ok=True)

    def _data_file(self, bucket: str, key: str) -> Path:
        return self.folder / bucket / f"{hashlib.sha256(key.encode()).hexdigest()}.data"


def _backend() -> Any:
    from moto.s3.models import s3_backends  # noqa: PLC0415 - slow to load

    return s3_backends[ACCOUNT]["aws"]


if __name__ == "__main__":
    sys.exit(main())
