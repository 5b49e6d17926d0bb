"""Errors of stores, typed by what to do about them."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.errors import BadInput, Retriable


@contextmanager
def convert_store_errors() -> Iterator[None]:
    """Turn the storage package's built-in exceptions into errors typed by what to do.

    Raises:
        BadInput: For what does not exist, is not permitted or is no location.
        Retriable: For what the network, the store or a full disk may allow later.
    """
    try:
        yield
    except OSError as error:
        text = str(error.strerror or error) if error.filename is None else str(error)
        raise (BadInput if _is_bad_input(error) else Retriable)(text) from error
    except ValueError as error:
        raise BadInput(str(error)) from error


def _is_bad_input(error: OSError) -> bool:
    """Return whether the request must change; networks fail in all other ways."""
    return isinstance(error, _ABSENT_OR_FORBIDDEN) or error.errno in _PERMANENT_ERRNOS


_ABSENT_OR_FORBIDDEN = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)

_PERMANENT_ERRNOS = {errno.EROFS, errno.ENAMETOOLONG, errno.EFBIG, errno.ENOTSUP, errno.EINVAL}
