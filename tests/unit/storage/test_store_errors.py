"""The table of errors: status before code, the right class, and no secrets."""

import errno
import os
from typing import Any

import botocore.exceptions as boto
import pytest
import urllib3.exceptions as http

from tasks.errors import BadInput, PoseError, Retriable
from tasks.storage.location import Location
from tasks.storage.store_errors import (
    ERROR_MEANINGS,
    NoSuchObject,
    NotSupported,
    StoreUnavailable,
    convert_os_errors,
    explain_error,
)

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
        (answer(404, "404", "Not Found"), NoSuchObject, "there is no such object"),
        (answer(404, "NoSuchKey"), NoSuchObject, "there is no such object"),
        (answer(404, "NoSuchBucket"), NoSuchObject, "there is no bucket 'bucket'"),
        (answer(404, "SomethingNew"), NoSuchObject, "HTTP 404: SomethingNew"),
        (answer(403, "403", "Forbidden"), BadInput, "HTTP 403: Forbidden"),
        (answer(403, "AccessDenied"), BadInput, "ask the bucket's owner"),
        (answer(403, "InvalidAccessKeyId"), BadInput, "check AWS_ACCESS_KEY_ID"),
        (answer(403, "SignatureDoesNotMatch"), BadInput, "secret key does not belong"),
        (answer(403, "RequestTimeTooSkewed"), BadInput, "clock is wrong; set it"),
        (answer(403, "QuotaExceeded"), BadInput, "quota"),
        (answer(401), BadInput, "received no credentials"),
        (answer(400, "ExpiredToken"), BadInput, "have expired"),
        (answer(400, "InvalidToken"), BadInput, "session token"),
        (answer(400, "XAmzContentSHA256Mismatch"), StoreUnavailable, "try again"),
        (answer(400, "KeyTooLongError"), BadInput, "1,024 bytes"),
        (answer(301, "PermanentRedirect"), BadInput, "AWS_DEFAULT_REGION"),
        (answer(409, "OperationAborted"), StoreUnavailable, "try again later"),
        (answer(429), StoreUnavailable, "try again later"),
        (answer(500, "InternalError"), StoreUnavailable, "try again later"),
        (answer(503, "SlowDown"), StoreUnavailable, "HTTP 503: SlowDown"),
        # The status counts for more than a code that another store uses in its own way.
        (answer(503, "AccessDenied"), StoreUnavailable, "HTTP 503: AccessDenied"),
        (answer(599), StoreUnavailable, "try again later"),
        (answer(418, "Teapot", "short and stout"), Retriable, "unforeseen way.*short and stout"),
        (boto.NoCredentialsError(), BadInput, "no credentials were found"),
        (boto.CredentialRetrievalError(provider="x", error_msg="y"), BadInput, "profile"),
        (boto.EndpointConnectionError(endpoint_url=URL), StoreUnavailable, "be reached"),
        (boto.ProxyConnectionError(proxy_url=URL), StoreUnavailable, "be reached"),
        (boto.ConnectionClosedError(endpoint_url=URL), StoreUnavailable, "connection broke"),
        (boto.ConnectTimeoutError(endpoint_url=URL), StoreUnavailable, "in time"),
        (boto.ReadTimeoutError(endpoint_url=URL), StoreUnavailable, "in time"),
        (boto.SSLError(endpoint_url=URL, error=OSError("x")), StoreUnavailable, "AWS_CA_BUNDLE"),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), StoreUnavailable, "broke"),
        (boto.ResponseStreamingError(error="x"), StoreUnavailable, "broke"),
        (boto.HTTPClientError(error=URL), StoreUnavailable, "be reached"),
        (boto.ProfileNotFound(profile="lab"), BadInput, r"AWS_PROFILE.*\(lab\)"),
        (boto.InvalidRegionError(region_name="a b"), BadInput, "a b"),
        (boto.ParamValidationError(report=URL), BadInput, "store.lab:9000/bucket"),
        (boto.UnknownServiceError(service_name="x", known_service_names="y"), Retriable, "unfores"),
        (http.ProtocolError("broken"), StoreUnavailable, "broke"),
        (http.SSLError("broken"), StoreUnavailable, "AWS_CA_BUNDLE"),
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
    ("error", "expected"),
    [
        (answer(412, "PreconditionFailed"), Retriable),
        (answer(416), BadInput),
        (answer(507), Retriable),
        (answer(501, "NotImplemented"), NotSupported),
        (answer(400, "EntityTooLarge"), BadInput),
    ],
)
def test_what_another_try_cannot_mend_is_bad_input(
    error: Exception, expected: type[Exception]
) -> None:
    assert type(explain_error(error, WHERE)) is expected


def test_a_name_with_braces_is_only_a_name() -> None:
    error = boto.ParamValidationError(report="{bucket} {0}")
    assert "{bucket} {0}" in str(explain_error(error, Location("bucket", "{key}")))


def test_the_table_names_classes_that_exist() -> None:
    codes = {"InternalError", "KeyTooLongError"}
    classes = {name for name in ERROR_MEANINGS if isinstance(name, str) and name.endswith("Error")}
    for name in classes - codes:
        assert any(hasattr(module, name) for module in (boto, http)), name


def turned(error: BaseException) -> PoseError:
    with pytest.raises(PoseError) as caught, convert_os_errors():
        raise error
    assert caught.value.__cause__ is error
    return caught.value


def system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError("the store cannot be reached"),
        ConnectionResetError("the connection broke"),
        BrokenPipeError("the connection broke"),
        TimeoutError("the store did not answer in time"),
        system(errno.ECONNREFUSED),
        system(errno.ETIMEDOUT),
        system(errno.ENOSPC),
        system(errno.ESTALE),
        system(errno.EIO),
        system(errno.EMFILE),
        system(errno.EDQUOT),
        OSError("something that nobody foresaw"),
    ],
)
def test_what_the_store_or_the_disk_may_allow_later_is_worth_another_try(error: OSError) -> None:
    assert isinstance(turned(error), Retriable)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError("s3://lab/m.mp4: there is no such object"),
        PermissionError("s3://lab: access denied"),
        IsADirectoryError("/data: expected a file, found a folder"),
        NotADirectoryError("/data/m.zip/x: expected a folder"),
        ValueError("ftp://x: found the scheme 'ftp:'"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        system(errno.ENOENT),
        system(errno.EACCES),
        system(errno.EROFS),
        system(errno.ENAMETOOLONG),
        system(errno.EFBIG),
    ],
)
def test_what_the_request_must_change_is_never_tried_again(error: Exception) -> None:
    assert isinstance(turned(error), BadInput)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError("s3://lab/m.mp4: no such object"), "s3://lab/m.mp4: no such object"),
        (OSError(errno.ENOSPC, "/scratch: 5 bytes are needed"), "/scratch: 5 bytes are needed"),
        (ConnectionError("try again later"), "try again later"),
        (ValueError("no location"), "no location"),
    ],
)
def test_messages_stay_as_the_store_wrote_them(error: Exception, message: str) -> None:
    assert str(turned(error)) == message


def test_a_file_that_the_system_names_is_named() -> None:
    assert "/data/m.mp4" in str(turned(FileNotFoundError(2, "No such file", "/data/m.mp4")))


@pytest.mark.parametrize(
    "error", [BadInput("x"), Retriable("x"), KeyError("x"), KeyboardInterrupt()]
)
def test_other_errors_pass_as_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, convert_os_errors():
        raise error
    assert caught.value is error


def test_nothing_happens_where_nothing_fails() -> None:
    with convert_os_errors():
        pass


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (FileNotFoundError("gone"), NoSuchObject),
        (system(errno.ENOTSUP), NotSupported),
        (TimeoutError("slow"), StoreUnavailable),
        (PermissionError("refused"), BadInput),
        (system(errno.ENOSPC), Retriable),
    ],
)
def test_what_callers_tell_apart_has_a_type(error: OSError, expected: type[PoseError]) -> None:
    assert type(turned(error)) is expected
