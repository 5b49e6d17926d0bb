"""Meanings of an S3 store's errors, in one table. Knows no client library."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tasks.storage.location import Location, without_secrets
from tasks.storage.store import CHANGED_MESSAGE

ExplainedError = OSError | ValueError
_ErrorMeaning = tuple[Callable[[str], ExplainedError], str]


def _os_error_maker(number: int) -> Callable[[str], OSError]:
    return lambda message: OSError(number, message)


_make_changed_error = _os_error_maker(errno.ESTALE)

_REFUSED = (
    "the store refused; check that these credentials may do this here (a store may also refuse "
    "where the object does not exist), and that this machine's clock is right"
)
_KEYS = "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile"
_EXPIRED = "the credentials have expired; log in again or renew them"
_BUSY = "the store is overloaded or failing; try again later"
_CUT = "the connection broke before everything had arrived; try again"
_SLOW = "the store did not answer in time; try again, and check AWS_ENDPOINT_URL and the network"
_UNREACHABLE = (
    "the store could not be reached; check AWS_ENDPOINT_URL, that the store runs and that this "
    "machine may connect to it"
)
GARBLED_MESSAGE = "the received data differ from the sent data; try again"

# By HTTP status, error code of the store, or class of the client library's exception.
ERROR_MEANINGS: Mapping[int | str, _ErrorMeaning] = {
    401: (PermissionError, f"the store received no credentials; {_KEYS}"),
    403: (PermissionError, _REFUSED),
    404: (
        FileNotFoundError,
        "there is no such object in the bucket; check its spelling and case",
    ),
    408: (TimeoutError, _SLOW),
    412: (_make_changed_error, CHANGED_MESSAGE),
    416: (_os_error_maker(errno.EINVAL), "the object ends before the part that was asked for"),
    429: (ConnectionError, _BUSY),
    500: (ConnectionError, _BUSY),
    501: (_os_error_maker(errno.ENOTSUP), "the store does not support this request"),
    507: (_os_error_maker(errno.ENOSPC), "the store is full; have its administrator make room"),
    # Codes.
    "NotImplemented": (_os_error_maker(errno.ENOTSUP), "the store does not support this request"),
    "NoSuchBucket": (
        FileNotFoundError,
        "there is no bucket '{bucket}'; check its name, AWS_ENDPOINT_URL and the region",
    ),
    "NoSuchKey": (
        FileNotFoundError,
        "there is no such object in the bucket; check its spelling and case",
    ),
    "NoSuchUpload": (
        ConnectionError,
        "the store dropped this upload before it was complete; upload again",
    ),
    "AccessDenied": (
        PermissionError,
        "the store refused; ask the bucket's owner for the right to do this",
    ),
    "InvalidAccessKeyId": (PermissionError, f"the store does not know this access key; {_KEYS}"),
    "SignatureDoesNotMatch": (
        PermissionError,
        f"the secret key does not belong to the access key; {_KEYS}",
    ),
    "ExpiredToken": (PermissionError, _EXPIRED),
    "TokenRefreshRequired": (PermissionError, _EXPIRED),
    "InvalidToken": (PermissionError, f"the session token is not valid; {_KEYS}"),
    "RequestExpired": (PermissionError, "this machine's clock is wrong; set it"),
    "RequestTimeTooSkewed": (PermissionError, "this machine's clock is wrong; set it"),
    "QuotaExceeded": (
        PermissionError,
        "the quota of the bucket or its owner is used up; remove objects or have it raised",
    ),
    "AuthorizationHeaderMalformed": (
        PermissionError,
        "the request is signed for another region; check AWS_DEFAULT_REGION",
    ),
    "PermanentRedirect": (ValueError, "the bucket is in another region; set AWS_DEFAULT_REGION"),
    "SlowDown": (ConnectionError, _BUSY),
    "ServiceUnavailable": (ConnectionError, _BUSY),
    "InternalError": (ConnectionError, _BUSY),
    "OperationAborted": (ConnectionError, _BUSY),
    "RequestTimeout": (TimeoutError, _SLOW),
    "BadDigest": (ConnectionError, GARBLED_MESSAGE),
    "XAmzContentSHA256Mismatch": (ConnectionError, GARBLED_MESSAGE),
    "IncompleteBody": (ConnectionError, _CUT),
    "PreconditionFailed": (_make_changed_error, CHANGED_MESSAGE),
    "InvalidBucketName": (ValueError, "'{bucket}' is not a valid bucket name"),
    "KeyTooLongError": (ValueError, "the key is too long; S3 allows 1,024 bytes of UTF-8"),
    "EntityTooLarge": (_os_error_maker(errno.EFBIG), "the object is larger than the store allows"),
    # Classes of botocore and urllib3. A class stands for those derived from it.
    "NoCredentialsError": (PermissionError, f"no credentials were found; {_KEYS}"),
    "PartialCredentialsError": (PermissionError, f"the credentials are not complete; {_KEYS}"),
    "CredentialRetrievalError": (PermissionError, f"the credentials can't be had; {_KEYS}"),
    "TokenRetrievalError": (PermissionError, _EXPIRED),
    "NoAuthTokenError": (PermissionError, _EXPIRED),
    "SSOError": (PermissionError, _EXPIRED),
    "LoginError": (PermissionError, _EXPIRED),
    "ConnectTimeoutError": (TimeoutError, _SLOW),
    "ReadTimeoutError": (TimeoutError, _SLOW),
    "SSLError": (
        ConnectionError,
        "no trusted connection could be made; check AWS_ENDPOINT_URL and AWS_CA_BUNDLE",
    ),
    "ConnectionError": (ConnectionError, _UNREACHABLE),
    "ConnectionClosedError": (ConnectionError, _CUT),
    "ResponseStreamingError": (ConnectionError, _CUT),
    "IncompleteReadError": (ConnectionError, _CUT),
    "HTTPClientError": (ConnectionError, _UNREACHABLE),
    "HTTPError": (ConnectionError, _CUT),
    "ChecksumError": (ConnectionError, GARBLED_MESSAGE),
    "FlexibleChecksumError": (ConnectionError, GARBLED_MESSAGE),
    "ProfileNotFound": (ValueError, "there is no such profile; check AWS_PROFILE ({detail})"),
    "ConfigParseError": (ValueError, "the AWS configuration file can't be read ({detail})"),
    "ConfigNotFound": (ValueError, "the AWS configuration file can't be found ({detail})"),
    "InvalidConfigError": (ValueError, "the AWS configuration is not valid ({detail})"),
    "ValidationError": (ValueError, "the AWS configuration is not valid ({detail})"),
    "EndpointProviderError": (ValueError, "AWS_ENDPOINT_URL or the region is wrong ({detail})"),
    "ParamValidationError": (ValueError, "the store would not accept this name ({detail})"),
}
_UNKNOWN_ERROR: _ErrorMeaning = (
    _os_error_maker(errno.EIO),
    "the store failed in an unforeseen way ({detail})",
)


_DECIDING_CODES = {"NoSuchUpload"}
"""Codes that decide the class, too: no object is missing, but an upload, which is made again."""


def explain_error(
    error: Exception, location: Location, secrets: Iterable[str] = ()
) -> ExplainedError:
    """Turn an error of the client library into a built-in one that says what to do.

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
    if _error_body(error).get("Code") in _DECIDING_CODES:
        make = entries[-1][0]
    detail = without_secrets(str(error), secrets)[:300]
    words = words.format(bucket=location.bucket, detail=detail)
    return make(f"{location}: {words}{without_secrets(_format_answer(error), secrets)[:300]}.")


def _lookup_keys(error: Exception) -> Iterator[int | str]:
    """Return the keys to look up, in the order of precedence."""
    if status := _http_status(error):
        yield status if status in ERROR_MEANINGS else status // 100 * 100
        yield _error_body(error).get("Code", "")
    else:
        yield from (base.__name__ for base in type(error).__mro__)


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
