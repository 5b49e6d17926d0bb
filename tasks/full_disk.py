"""Room on the scratch disk: what a full one looks like, and what to do about it."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import FullDisk

FULL_DISK_REMEDY = (
    "make room there, or let TMPDIR name a folder on a larger disk where workers start"
)

NO_FREE_BYTES = 1 << 20
"""Bytes free that are as good as none: what did not fit was a larger piece."""

FEW_FREE_BYTES = 64 << 20
"""Bytes free that are too few for what a stage writes."""

_FULL_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def explain_full_disk(folder: Path) -> Iterator[None]:
    """Say in clear words where what fails in the block fails for want of room in a folder.

    Raises:
        FullDisk: The disk, or the user's share of it, is full; everything else is raised as it is.
    """
    try:
        yield
    except Exception as error:
        if told := describe_full_disk(error, folder):
            raise told from error
        raise


def describe_full_disk(error: BaseException, folder: Path) -> FullDisk | None:
    """Describe the full disk that caused an error.

    Args:
        error: Whatever was raised; HDF5 reports a full disk in other words.
        folder: The scratch folder that was written to.

    Returns:
        The error in a sentence, or None where there is room enough.
    """
    numbers = {getattr(each, "errno", None) for each in _error_chain(error)}
    free = count_free_bytes(folder)
    if not _FULL_DISK_ERRORS & numbers and not (free < NO_FREE_BYTES and _is_file_error(error)):
        return None
    what = "this user's share of the disk" if errno.EDQUOT in numbers else "the disk"
    first = next((each for each in _error_chain(error) if isinstance(each, OSError)), None)
    said = str(first.strerror or "") if first else ""
    more = f" ({said})" if said not in {"", *map(os.strerror, _FULL_DISK_ERRORS)} else ""
    return full_disk_error(
        f"{what} of the scratch folder {folder} is full, {free:,} bytes are free now{more}; "
        f"{FULL_DISK_REMEDY}",
        folder,
    )


def full_disk_error(text: str, folder: Path) -> FullDisk:
    """Build the error that says which disk is full.

    Args:
        text: Says so, and what to do.
        folder: A folder on that disk.
    """
    error = FullDisk(text)
    error.folder = folder
    return error


def count_free_bytes(folder: Path) -> int:
    """Count the free bytes of a folder's disk; if it is gone, of the disk that it was on."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    return shutil.disk_usage(there).free


def describe_any_full_disk(error: OSError, scratch: Path) -> FullDisk | None:
    """Describe the full disk, perhaps not the scratch folder's, that caused an error.

    Args:
        error: Whatever was raised.
        scratch: The scratch folder.

    Returns:
        The error in a sentence, or None where it does not tell which disk is full.
    """
    name = error.filename
    named = Path(os.fsdecode(name)) if isinstance(name, str | bytes) else None
    if named and not named.is_relative_to(scratch):
        if not is_full_disk_error(error):
            return None
        said = os.strerror(error.errno or errno.ENOSPC)
        text = f"{named} could not be written: {said}; make room on that disk"
        return full_disk_error(text, named.parent)
    if named or not is_full_disk_error(error) or count_free_bytes(scratch) < FEW_FREE_BYTES:
        return describe_full_disk(error, scratch)
    return None


def is_full_disk_error(error: OSError) -> bool:
    """Return whether the system says that a disk, or a user's share of it, is full."""
    return error.errno in _FULL_DISK_ERRORS


def _error_chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_file_error(error: BaseException) -> bool:
    """Return whether files cause such errors; a wrong argument is wrong on a full disk, too."""
    return any(isinstance(each, (OSError, RuntimeError)) for each in _error_chain(error))
