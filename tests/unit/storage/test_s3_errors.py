"""The table of errors: status before code, the right class, and no secrets."""

import errno
from typing import Any

import botocore.exceptions as boto
import pytest
import urllib3.exceptions as http

from tasks.storage.location import Location
from tasks.storage.s3_errors import ERROR_MEANINGS, explain_error

WHERE = Location("bucket", "in/m 1.mp4")
URL = "https://me:secret@store.lab:9000/bucket?X-Amz-Signature=abc123&x=1"


def answer(status: int, code: str = "", message: str = "") -> boto.ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return boto.ClientError(response, "GetObject")


@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        (answer(404, "404", "Not Found"), FileNotFoundError, "there is no such object"),
        (answer(404, "NoSuchKey"), FileNotFoundError, "there is no such object"),
        (answer(404, "NoSuchBucket"), FileNotFoundError, "there is no bucket 'bucket'"),
        (answer(404, "SomethingNew"), FileNotFoundError, "HTTP 404: SomethingNew"),
        (answer(403, "403", "Forbidden"), PermissionError, "HTTP 403: Forbidden"),
        (answer(403, "AccessDenied"), PermissionError, "ask the bucket's owner"),
        (answer(403, "InvalidAccessKeyId"), PermissionError, "check AWS_ACCESS_KEY_ID"),
        (answer(403, "SignatureDoesNotMatch"), PermissionError, "secret key does not belong"),
        (answer(403, "RequestTimeTooSkewed"), PermissionError, "clock is wrong; set it"),
        (answer(403, "QuotaExceeded"), PermissionError, "quota"),
        (answer(401), PermissionError, "received no credentials"),
        (answer(400, "ExpiredToken"), PermissionError, "have expired"),
        (answer(400, "InvalidToken"), PermissionError, "session token"),
        (answer(400, "XAmzContentSHA256Mismatch"), ConnectionError, "try again"),
        (answer(400, "KeyTooLongError"), ValueError, "1,024 bytes"),
        (answer(301, "PermanentRedirect"), ValueError, "AWS_DEFAULT_REGION"),
        (answer(409, "OperationAborted"), ConnectionError, "try again later"),
        (answer(429), ConnectionError, "try again later"),
        (answer(500, "InternalError"), ConnectionError, "try again later"),
        (answer(503, "SlowDown"), ConnectionError, "HTTP 503: SlowDown"),
        # The status counts for more than a code that another store uses in its own way.
        (answer(503, "AccessDenied"), ConnectionError, "HTTP 503: AccessDenied"),
        (answer(599), ConnectionError, "try again later"),
        (answer(418, "Teapot", "short and stout"), OSError, "unforeseen way.*short and stout"),
        (boto.NoCredentialsError(), PermissionError, "no credentials were found"),
        (boto.CredentialRetrievalError(provider="x", error_msg="y"), PermissionError, "profile"),
        (boto.EndpointConnectionError(endpoint_url=URL), ConnectionError, "be reached"),
        (boto.ProxyConnectionError(proxy_url=URL), ConnectionError, "be reached"),
        (boto.ConnectionClosedError(endpoint_url=URL), ConnectionError, "connection broke"),
        (boto.ConnectTimeoutError(endpoint_url=URL), TimeoutError, "in time"),
        (boto.ReadTimeoutError(endpoint_url=URL), TimeoutError, "in time"),
        (boto.SSLError(endpoint_url=URL, error=OSError("x")), ConnectionError, "AWS_CA_BUNDLE"),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), ConnectionError, "broke"),
        (boto.ResponseStreamingError(error="x"), ConnectionError, "broke"),
        (boto.HTTPClientError(error=URL), ConnectionError, "be reached"),
        (boto.ProfileNotFound(profile="lab"), ValueError, r"AWS_PROFILE.*\(lab\)"),
        (boto.InvalidRegionError(region_name="a b"), ValueError, "a b"),
        (boto.ParamValidationError(report=URL), ValueError, "store.lab:9000/bucket"),
        (boto.UnknownServiceError(service_name="x", known_service_names="y"), OSError, "unfores"),
        (http.ProtocolError("broken"), ConnectionError, "broke"),
        (http.SSLError("broken"), ConnectionError, "AWS_CA_BUNDLE"),
    ],
)
def test_each_error_gets_its_class_and_its_remedy(
    error: Exception, expected: type[Exception], said: str
) -> None:
    explained = explain_error(error, WHERE)
    assert type(explained) is expected
    with pytest.raises(expected, match=said):
        raise explained
    message = str(explained)
    assert "s3://bucket/in/m 1.mp4: " in message
    assert message.endswith(".")
    assert "secret@" not in message
    assert "abc123" not in message


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (answer(412, "PreconditionFailed"), errno.ESTALE),
        (answer(507), errno.ENOSPC),
        (answer(501, "NotImplemented"), errno.ENOTSUP),
        (answer(400, "EntityTooLarge"), errno.EFBIG),
        (answer(418), errno.EIO),
    ],
)
def test_other_errors_have_a_number(error: Exception, number: int) -> None:
    explained = explain_error(error, WHERE)
    assert isinstance(explained, OSError)
    assert explained.errno == number


def test_a_name_with_braces_is_only_a_name() -> None:
    error = boto.ParamValidationError(report="{bucket} {0}")
    assert "{bucket} {0}" in str(explain_error(error, Location("bucket", "{key}")))


def test_the_table_names_classes_that_exist() -> None:
    codes = {"InternalError", "KeyTooLongError"}
    classes = {name for name in ERROR_MEANINGS if isinstance(name, str) and name.endswith("Error")}
    for name in classes - codes:
        assert any(hasattr(module, name) for module in (boto, http)), name
