"""Errors of stores, typed by what to do about them, and the tables that type them.

One table has what S3 stores and their client library say, the other what the operating system says.
Knows no client library.
"""

import errno
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tasks.errors import BadInput, PoseError, Retriable
from tasks.storage.location import Location, without_secrets


class NoSuchObject(BadInput):
    """There is no such object, bucket, file, or folder."""


class NotSupported(BadInput):
    """A store, or a file system, cannot do this at all."""


class StoreUnavailable(Retriable):
    """The store, or the way to it, failed; the same request may well succeed later."""


_ErrorMeaning = tuple[type[PoseError], str]

CHANGED_MESSAGE = (
    "the object changed while it was being read; wait for the upload to finish, then run again"
)
_REFUSED = (
    "the store refused; check that these credentials may do this here (a store may also refuse "
    "where the object does not exist), and that this machine's clock is right"
)
_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile"
_EXPIRED = "the credentials have expired; log in again or renew them"
_RESTORE = "have it restored (aws s3api restore-object), wait until that is done, then run again"
_COPY = "copy it to one that the store can read by itself (SSE-S3, SSE-KMS, or none)"
_BUSY = "the store is overloaded or failing; try again later"
_CUT = "the connection broke before everything had arrived; try again"
_SLOW = "the store did not answer in time; try again, and check AWS_ENDPOINT_URL and the network"
_UNREACHABLE = (
    "the store could not be reached; check AWS_ENDPOINT_URL, that the store runs and that this "
    "machine may connect to it"
)
GARBLED_MESSAGE = "the received data differ from the sent data; try again"

CUSTOMER_KEY_CODE = "EncryptedWithCustomerKey"
_UNCLEAR_CODES = {"InvalidRequest", "InvalidArgument"}
_CUSTOMER_KEY_MESSAGE = re.compile("server.side.encryption", re.IGNORECASE)

# By HTTP status, error code of the store, or class of the client library's exception.
ERROR_MEANINGS: Mapping[int | str, _ErrorMeaning] = {
    401: (BadInput, f"the store received no credentials; {_KEYS}"),
    403: (BadInput, _REFUSED),
    404: (
        NoSuchObject,
        "there is no such object in the bucket; check its spelling and case",
    ),
    408: (StoreUnavailable, _SLOW),
    412: (Retriable, CHANGED_MESSAGE),
    416: (BadInput, "the object ends before the part that was asked for"),
    429: (StoreUnavailable, _BUSY),
    500: (StoreUnavailable, _BUSY),
    501: (NotSupported, "the store does not support this request"),
    507: (Retriable, "the store is full; have its administrator make room"),
    # Codes.
    "NotImplemented": (NotSupported, "the store does not support this request"),
    "NoSuchBucket": (
        NoSuchObject,
        "there is no bucket '{bucket}'; check its name, AWS_ENDPOINT_URL and the region",
    ),
    "NoSuchKey": (
        NoSuchObject,
        "there is no such object in the bucket; check its spelling and case",
    ),
    "NoSuchUpload": (
        StoreUnavailable,
        "the store dropped this upload before it was complete; upload again",
    ),
    "AccessDenied": (
        BadInput,
        "the store refused; ask the bucket's owner for the right to do this",
    ),
    "InvalidAccessKeyId": (BadInput, f"the store does not know this access key; {_KEYS}"),
    "SignatureDoesNotMatch": (
        BadInput,
        f"the secret key does not belong to the access key; {_KEYS}",
    ),
    "InvalidObjectState": (
        BadInput,
        f"the object is archived; {_RESTORE}",
    ),
    # Ours, for what stores call an invalid request.
    CUSTOMER_KEY_CODE: (
        BadInput,
        f"the object is encrypted with a key that the store does not keep (SSE-C); {_COPY}",
    ),
    "ExpiredToken": (BadInput, _EXPIRED),
    "TokenRefreshRequired": (BadInput, _EXPIRED),
    "InvalidToken": (BadInput, f"the session token is not valid; {_KEYS}"),
    "RequestExpired": (BadInput, "this machine's clock is wrong; set it"),
    "RequestTimeTooSkewed": (BadInput, "this machine's clock is wrong; set it"),
    "QuotaExceeded": (
        BadInput,
        "the quota of the bucket or its owner is used up; remove objects or have it raised",
    ),
    "AuthorizationHeaderMalformed": (
        BadInput,
        "the request is signed for another region; check AWS_DEFAULT_REGION",
    ),
    "PermanentRedirect": (BadInput, "the bucket is in another region; set AWS_DEFAULT_REGION"),
    "SlowDown": (StoreUnavailable, _BUSY),
    "ServiceUnavailable": (StoreUnavailable, _BUSY),
    "InternalError": (StoreUnavailable, _BUSY),
    "OperationAborted": (StoreUnavailable, _BUSY),
    "RequestTimeout": (StoreUnavailable, _SLOW),
    "BadDigest": (StoreUnavailable, GARBLED_MESSAGE),
    "XAmzContentSHA256Mismatch": (StoreUnavailable, GARBLED_MESSAGE),
    "IncompleteBody": (StoreUnavailable, _CUT),
    "PreconditionFailed": (Retriable, CHANGED_MESSAGE),
    "InvalidBucketName": (BadInput, "'{bucket}' is not a valid bucket name"),
    "KeyTooLongError": (BadInput, "the key is too long; S3 allows 1,024 bytes of UTF-8"),
    "EntityTooLarge": (BadInput, "the object is larger than the store allows"),
    # Classes of botocore and urllib3. A class stands for those derived from it.
    "NoCredentialsError": (BadInput, f"no credentials were found; {_KEYS}"),
    "PartialCredentialsError": (BadInput, f"the credentials are not complete; {_KEYS}"),
    "CredentialRetrievalError": (BadInput, f"the credentials can't be had; {_KEYS}"),
    "TokenRetrievalError": (BadInput, _EXPIRED),
    "NoAuthTokenError": (BadInput, _EXPIRED),
    "SSOError": (BadInput, _EXPIRED),
    "LoginError": (BadInput, _EXPIRED),
    "ConnectTimeoutError": (StoreUnavailable, _SLOW),
    "ReadTimeoutError": (StoreUnavailable, _SLOW),
    "SSLError": (
        StoreUnavailable,
        "no trusted connection could be made; check AWS_ENDPOINT_URL and AWS_CA_BUNDLE",
    ),
    "ConnectionError": (StoreUnavailable, _UNREACHABLE),
    "ConnectionClosedError": (StoreUnavailable, _CUT),
    "ResponseStreamingError": (StoreUnavailable, _CUT),
    "IncompleteReadError": (StoreUnavailable, _CUT),
    "HTTPClientError": (StoreUnavailable, _UNREACHABLE),
    "HTTPError": (StoreUnavailable, _CUT),
    "ChecksumError": (StoreUnavailable, GARBLED_MESSAGE),
    "FlexibleChecksumError": (StoreUnavailable, GARBLED_MESSAGE),
    "ProfileNotFound": (BadInput, "there is no such profile; check AWS_PROFILE ({detail})"),
    "ConfigParseError": (BadInput, "the AWS configuration file can't be read ({detail})"),
    "ConfigNotFound": (BadInput, "the AWS configuration file can't be found ({detail})"),
    "InvalidConfigError": (BadInput, "the AWS configuration is not valid ({detail})"),
    "ValidationError": (BadInput, "the AWS configuration is not valid ({detail})"),
    "EndpointProviderError": (BadInput, "AWS_ENDPOINT_URL or the region is wrong ({detail})"),
    "ParamValidationError": (BadInput, "the store would not accept this name ({detail})"),
}
_UNKNOWN_ERROR: _ErrorMeaning = (
    Retriable,
    "the store failed in an unforeseen way ({detail})",
)


_DECIDING_CODES = {"NoSuchUpload"}
"""Codes that decide the class, too: no object is missing, but an upload, which is made again."""


def explain_error(error: Exception, location: Location, secrets: Iterable[str] = ()) -> PoseError:
    """Turn an error of the client library into one that says what to do.

    The HTTP status decides the class, where there is one: stores agree on it more than on codes.
    The most particular entry gives the words.

    Args:
        error: The error.
        location: What was asked for.
        secrets: What is kept out of the words, though the store may repeat it.
    """
    entries = [ERROR_MEANINGS[name] for name in _lookup_keys(error) if name in ERROR_MEANINGS] or [
        _UNKNOWN_ERROR
    ]
    make, words = entries[0]
    if _http_status(error):
        words = entries[-1][1]
    if _error_code(error) in _DECIDING_CODES:
        make = entries[-1][0]
    detail = without_secrets(str(error), secrets)[:300]
    words = words.format(bucket=location.bucket, detail=detail)
    return make(f"{location}: {words}{without_secrets(_format_answer(error), secrets)[:300]}.")


def _lookup_keys(error: Exception) -> Iterator[int | str]:
    """Return the keys to look up, in the order of precedence."""
    if status := _http_status(error):
        yield status if status in ERROR_MEANINGS else status // 100 * 100
        yield _error_code(error)
    else:
        yield from (base.__name__ for base in type(error).__mro__)


def _error_code(error: Exception) -> str:
    """The code in a store's answer, or ours for what only the answer's text tells."""
    body = _error_body(error)
    unclear = body.get("Code") in _UNCLEAR_CODES
    if unclear and _CUSTOMER_KEY_MESSAGE.search(body.get("Message", "")):
        return CUSTOMER_KEY_CODE
    return body.get("Code", "")


def _error_body(error: Exception) -> dict[str, str]:
    return dict((getattr(error, "response", None) or {}).get("Error", {}))


def _http_status(error: Exception) -> int:
    response: Any = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return 0
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _format_answer(error: Exception) -> str:
    """The store's own answer, for the people who run it."""
    if not (status := _http_status(error)):
        return f" ({type(error).__name__})"
    answer = _error_body(error)
    parts = (f"HTTP {status}", answer.get("Code"), answer.get("Message"))
    said = ": ".join(part for part in parts if part and part not in {"None", str(status)})
    return f" ({said})"


# By class, or by number; a class stands for those derived from it.
OS_ERROR_MEANINGS: Mapping[type[OSError] | int, type[PoseError]] = {
    FileNotFoundError: NoSuchObject,
    PermissionError: BadInput,
    IsADirectoryError: BadInput,
    NotADirectoryError: BadInput,
    ConnectionError: StoreUnavailable,
    TimeoutError: StoreUnavailable,
    errno.ENOTSUP: NotSupported,
    errno.EROFS: BadInput,
    errno.ENAMETOOLONG: BadInput,
    errno.EFBIG: BadInput,
    errno.EINVAL: BadInput,
}
"""Networks, network file systems, and full disks fail in all other ways: `Retriable`."""


@contextmanager
def convert_os_errors() -> Iterator[None]:
    """Turn errors of local files into typed ones, also as a decorator of a function.

    Raises:
        BadInput: For what does not exist, is not permitted, or cannot be.
        Retriable: For what the disk or the network may allow later.
    """
    try:
        yield
    except PoseError:
        raise
    except OSError as error:
        text = str(error.strerror or error) if error.filename is None else str(error)
        kinds = (
            kind
            for key, kind in OS_ERROR_MEANINGS.items()
            if (isinstance(error, key) if isinstance(key, type) else error.errno == key)
        )
        raise next(kinds, Retriable)(text) from error
    except ValueError as error:
        raise BadInput(str(error)) from error
