"""Locations of objects: ``s3://bucket/key`` or a local path, parsed once."""

import os
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

from tasks.errors import BadInput
from tasks.messages import LOCATION_FORM

# The names that AWS allows, and the capitals and underscores that older buckets still have.
_BUCKET_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
# At least two letters: a single one is rather a drive than a scheme.
_URL_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
# A password may hold a slash, where a person forgot to write it as %2F.
_USER_INFO = re.compile(r"(?<=://)(?:[^\s/:]*:\S*@|[^\s/]*@)")
_UNPRINTABLE = re.compile(r"[\0\r\n]")


class InvalidLocation(BadInput, ValueError):  # noqa: N818 - as the other typed errors
    """A text, or a name, is no location; a `ValueError`, too, for models that check fields."""


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """An object or a prefix in a bucket, or a local file or folder.

    Attributes:
        bucket: The bucket's name; empty for the local file system.
        key: The object's key, taken literally, or an absolute local path.
    """

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a location as a person writes it.

        The key of an ``s3://`` location is taken as it stands (a ``%20`` stays one), that of a
        ``file://`` location is percent-decoded, and a relative path is made absolute.

        Raises:
            InvalidLocation: The text is no location, or its scheme or bucket name is not supported.
        """
        _check_text(text)
        scheme = _URL_SCHEME.match(text)
        match scheme and scheme[1].lower():
            case None:
                return cls("", _absolute_path(text))
            case "s3":
                return cls(*_parse_bucket_and_key(text))
            case "file":
                return cls("", _absolute_path(_parse_file_url(text)))
            case other:
                raise InvalidLocation(
                    f"{without_secrets(text)}: {LOCATION_FORM}; found the scheme '{other}:'. A "
                    "local file with a colon in its name is written ./name."
                )

    @property
    def is_local(self) -> bool:
        """Return whether this is a path of the local file system."""
        return not self.bucket

    @property
    def is_prefix(self) -> bool:
        """Return whether this names a place for objects rather than one object."""
        ends = self.key.endswith("/") or not self.key
        # Whether it may be looked at is for the store to say.
        return ends or (self.is_local and os.path.isdir(self.key))  # noqa: PTH112

    @property
    def has_glob(self) -> bool:
        """Return whether the key has pattern characters."""
        return not set("*?[").isdisjoint(self.key)

    @property
    def name(self) -> str:
        """The last part of the key, with its suffix; empty for a bucket's root."""
        return self.key.rstrip("/").rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return os.path.splitext(self.name)[0]  # noqa: PTH122 - a key is no path

    @property
    def suffix(self) -> str:
        """The end of the name from its last dot, as it is written: ``.MP4``."""
        return os.path.splitext(self.name)[1]  # noqa: PTH122

    @property
    def path(self) -> Path:
        """The local path.

        Raises:
            InvalidLocation: The location is in a bucket.
        """
        if not self.is_local:
            raise InvalidLocation(f"{self}: expected a local path, found a location in a bucket.")
        return Path(self.key)

    def child(self, *parts: str) -> "Location":
        """Join names below this location; a last part that ends in ``/`` makes a prefix.

        Raises:
            InvalidLocation: A part is empty, absolute, or leads out of this location.
        """
        for part in parts:
            if not part or part.startswith("/") or has_dot_segment(part):
                raise InvalidLocation(f"{self}: {part!r} is not a valid name below this location.")
            _check_printable(part)
        return Location(self.bucket, posixpath.join(self.key, *parts))

    def __str__(self) -> str:
        return self.key if self.is_local else f"s3://{self.bucket}/{self.key}"


def has_dot_segment(key: str) -> bool:
    """Return whether ``.`` or ``..`` stands between slashes: a folder where keys are paths."""
    return not {".", ".."}.isdisjoint(key.split("/"))


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Cut out of the addresses in a text what may hold a password or a signature.

    Args:
        text: Any text.
        secrets: What is cut out wherever it is, as it stands and as it stands in an address.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _REDACTED).replace(quote(secret, safe=""), _REDACTED)
    return re.sub(r"\?[^\s\"'<>]+", "", _USER_INFO.sub("", text))


def format_location(text: str) -> str:
    """A location as a person wrote it, without a password or a signature in a web address."""
    web = re.match("https?:", text, re.IGNORECASE)
    return without_secrets(text) if web else _USER_INFO.sub("", text)


_REDACTED = "***"
"""Replacement of a secret in a text."""


def to_address(location: Location) -> str:
    """The part of an address on the page that stands for a location: ``s3/bucket/key``.

    The page for scientists has it in the addresses of runs, movies, and files.
    """
    text = (
        f"{_LOCAL}{location.key}"
        if location.is_local
        else f"{_S3}/{location.bucket}/{location.key}"
    )
    return quote(text, safe="/", errors="surrogateescape")


def parse_address(text: str) -> Location:
    """Read what `to_address` wrote, once the browser's percent signs are undone.

    Raises:
        InvalidLocation: It stands for no location.
    """
    kind, _, rest = text.partition("/")
    match kind:
        case "s3":
            return Location.parse(f"s3://{rest}")
        case "local":
            return Location.parse(f"/{rest}")
    raise InvalidLocation(f"{text}: this address stands for no location.")


_S3, _LOCAL = "s3", "local"
"""How addresses on the page begin that stand for a location."""


def _check_text(text: str) -> None:
    """Refuse what no store can hold, and what only a slip of the keyboard makes."""
    if not text or text[0].isspace():
        found = "text that starts with a space" if text else "nothing"
        raise InvalidLocation(f"{text!r}: {LOCATION_FORM}; found {found}.")
    _check_printable(text)


def _check_printable(text: str) -> None:
    if _UNPRINTABLE.search(text):
        raise InvalidLocation(
            f"{text!r}: a location must not contain line breaks or NUL; remove them."
        )


def _parse_bucket_and_key(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"[sS]3://([^/]*)/?(.*)", text, re.DOTALL)
    if not found:
        raise InvalidLocation(
            f"{without_secrets(text)}: {LOCATION_FORM}; two slashes follow 's3:'."
        )
    bucket, key = found.groups()
    if not _BUCKET_NAME.fullmatch(bucket):
        raise InvalidLocation(
            f"{without_secrets(text)}: {LOCATION_FORM}; found no bucket name, which has 3 to 63 "
            "letters, digits, dots and hyphens."
        )
    _check_encodable(text, key)
    return bucket, key


def _check_encodable(text: str, key: str) -> None:
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise InvalidLocation(
            f"{text!r}: the key is not valid Unicode (character {error.start}); rename the object."
        ) from error


def _parse_file_url(text: str) -> str:
    """The path in a file URL; ``?`` and ``#`` are part of it, as in any file's name."""
    found = re.fullmatch(r"[^:]+:(?://(?:localhost)?)?(/(?!/).*)", text, re.IGNORECASE | re.DOTALL)
    if not found:
        raise InvalidLocation(f"{text}: {LOCATION_FORM}; file:/// and an absolute path.")
    path = unquote(found[1])
    _check_printable(path)
    return path


def _absolute_path(text: str) -> str:
    path = os.path.abspath(text)  # noqa: PTH100 - Path.resolve() would follow links
    return path + "/" if text.endswith("/") and not path.endswith("/") else path
