"""A small object that its writer renews for as long as it lives."""

from typing import Protocol

from tasks.errors import BadInput, PoseError
from tasks.storage.location import Location


class SignStore(Protocol):
    """The part of `ObjectStore` that a sign of life needs."""

    def put(self, location: Location, data: bytes) -> str | None: ...  # noqa: D102
    def remove(self, location: Location) -> None: ...  # noqa: D102
    def remove_version(self, location: Location, version: str) -> None: ...  # noqa: D102


class SignOfLife:
    """An object that is another one each time it is renewed; nobody else writes it.

    In a bucket that keeps versions it takes the one before away each time: there would be 5,760 of
    them a day.

    Args:
        store: Where it is.
        location: The object.
    """

    def __init__(self, store: SignStore, location: Location) -> None:
        self._store, self._location = store, location
        self._count = 0
        self._version: str | None = None
        self._removes_versions = True

    def renew(self) -> None:
        """Write it anew."""
        self._count += 1
        earlier = self._version
        self._version = self._store.put(self._location, str(self._count).encode())
        if earlier != self._version:
            self._remove_version(earlier)

    def remove(self) -> None:
        """Remove it, without the marker that removing leaves in a bucket that keeps versions."""
        if not self._remove_version(self._version):
            self._store.remove(self._location)

    def _remove_version(self, version: str | None) -> bool:
        if version is None or not self._removes_versions:
            return False
        try:
            self._store.remove_version(self._location, version)
        except BadInput:  # the bucket keeps versions for a time, or these credentials may not
            self._removes_versions = False
            return False
        except PoseError:  # one more that a rule of the bucket removes
            return False
        return True
