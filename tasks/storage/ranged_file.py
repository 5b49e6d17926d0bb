"""An object in a store as a file that is read in parts, for what needs only a few of them."""

import io
from collections import OrderedDict

from tasks.storage.store import ObjectInfo, ObjectStore

BLOCK_BYTES = 2**18
"""Bytes that are asked for at a time; what lies near to what was read is mostly read next."""

_MAX_BLOCKS = 64
"""Blocks that are kept in memory: 16 MiB."""


class RangedFile(io.RawIOBase):
    """A read-only file over `tasks.storage.store.ObjectStore.read_part`.

    Args:
        store: The object's store.
        info: The object.
        block: Bytes of one request.

    Attributes:
        requests: How many parts have been asked for.
    """

    def __init__(self, store: ObjectStore, info: ObjectInfo, block: int = BLOCK_BYTES) -> None:
        super().__init__()
        self._store, self._info, self._block = store, info, block
        self._place = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self.name = info.location.name
        self.requests = 0

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def seekable(self) -> bool:
        """Return True: its position can be set."""
        return True

    def tell(self) -> int:
        """The place that is read next."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the place that is read next, as `io.IOBase.seek` does."""
        begin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._info.size}[whence]
        self._place = max(0, begin + offset)
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Read up to a number of bytes, by default to the end.

        Raises:
            PoseError: As `tasks.storage.store.ObjectStore.read_part` raises it.
        """
        left = max(0, self._info.size - self._place)
        wanted = left if size is None or size < 0 else min(size, left)
        parts = []
        while wanted > 0:
            number, begin = divmod(self._place, self._block)
            part = self._read_block(number)[begin : begin + wanted]
            parts.append(part)
            self._place += len(part)
            wanted -= len(part)
        return b"".join(parts)

    def _read_block(self, number: int) -> bytes:
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        start = number * self._block
        length = min(self._block, self._info.size - start)
        data = self._store.read_part(self._info.location, start, length)
        self.requests += 1
        self._kept[number] = data
        if len(self._kept) > _MAX_BLOCKS:
            self._kept.popitem(last=False)
        return data
