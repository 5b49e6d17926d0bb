"""Make S3 clients: settings, retries, and errors without secrets."""

import os
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth, S3SigV4QueryAuth
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
)
from urllib3.exceptions import HTTPError

from tasks.environment_variables import read_request_payer
from tasks.errors import BadInput
from tasks.storage.location import Location, without_secrets
from tasks.storage.store_errors import convert_os_errors, explain_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


LIBRARY_ERRORS = (
    BotoCoreError,
    ClientError,
    HTTPError,
)
CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
_DEFAULT_ATTEMPTS = 5

_client_lock = Lock()
# A child process must not inherit the lock while another thread holds it.
os.register_at_fork(
    before=_client_lock.acquire,
    after_in_parent=_client_lock.release,
    after_in_child=_client_lock.release,
)


class _KnownDigestSigner(S3SigV4Auth):
    """Signs what is sent with the digest that is known of it, rather than read all of it again."""

    def payload(self, request: Any) -> str:
        """The SHA-256 of what is sent, in hexadecimal digits."""
        return getattr(request.body, "sha256", None) or super().payload(request)


_KNOWN_DIGEST_AUTH = "s3v4-known-digest"
AUTH_TYPE_MAPS[_KNOWN_DIGEST_AUTH] = _KnownDigestSigner
# Links to the same requests are signed without their bodies, as all links are.
AUTH_TYPE_MAPS[f"{_KNOWN_DIGEST_AUTH}-query"] = S3SigV4QueryAuth


def _choose_signer(signature_version: str, context: Mapping[str, Any], **_: object) -> str | None:
    """Choose the signature of an upload; None leaves other requests to botocore."""
    usual = context.get("auth_type") or signature_version
    return _KNOWN_DIGEST_AUTH if usual == "s3v4" else None


def get_client(endpoint: str | None = None) -> "S3Client":
    """The client of this process for the configuration that now holds.

    Args:
        endpoint: The store's address; by default the one that boto3 is set up for.

    Raises:
        BadInput: boto3's settings are wrong, or ours; or there are no usable credentials.
    """
    try:
        with _client_lock:
            return _new_client(os.getpid(), _aws_variables(), endpoint, read_request_payer())
    except ValueError as error:
        raise BadInput(
            f"The settings of the object store are wrong: {without_secrets(str(error))}. Expected "
            "AWS_ENDPOINT_URL as http:// or https:// and a host, and AWS_DEFAULT_REGION as a name."
        ) from error


def _aws_variables() -> frozenset[tuple[str, str]]:
    return frozenset(item for item in os.environ.items() if item[0].startswith("AWS_"))


@lru_cache(maxsize=4)
def _new_session(
    pid: int,  # noqa: ARG001 - what belongs to another process is not used
    settings: frozenset[tuple[str, str]],  # noqa: ARG001 - nor what has other settings
) -> tuple[botocore.session.Session, boto3.Session]:
    """Create a session with configuration and credentials; botocore's session serves once."""
    core = botocore.session.get_session()
    return core, boto3.Session(botocore_session=core)


@lru_cache(maxsize=4)
def _new_client(
    pid: int, settings: frozenset[tuple[str, str]], endpoint: str | None, payer: str | None
) -> "S3Client":
    core, session = _new_session(pid, settings)
    attempts = int(core.get_config_variable("max_attempts") or _DEFAULT_ATTEMPTS)
    config = Config(
        signature_version="s3v4",
        # Newer checksum trailers are refused by Ceph; SHA-256 goes into the metadata instead.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": attempts},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=32,
    )
    region = session.region_name or "us-east-1"
    client = session.client("s3", region_name=region, config=config, endpoint_url=endpoint)
    soon: Any = partial(_retry_delay, attempts)
    client.meta.events.register_first("needs-retry.s3", soon)
    if payer:
        client.meta.events.register("before-call.s3", partial(_name_payer, payer))
    signer: Any = _choose_signer
    for operation in ("PutObject", "UploadPart"):
        client.meta.events.register_first(f"choose-signer.s3.{operation}", signer)
    return client


def _name_payer(payer: str, params: dict[str, Any], **_: object) -> None:
    """Say who pays for a request, as the owner of a bucket may ask."""
    params["headers"]["x-amz-request-payer"] = payer


def _retry_delay(
    most: int,
    response: tuple[Any, dict[str, Any]] | None,
    attempts: int,
    caught_exception: Exception | None = None,
    **_: object,
) -> float | None:
    """Seconds until another try: less than botocore waits, as long as few have failed.

    botocore waits half a second on average, which is long for a small file; and it does not try
    again what arrived damaged. None leaves the matter to it.
    """
    if attempts >= most or attempts > len(_FIRST_WAITS_S):
        return None
    if response is None:
        passes = isinstance(caught_exception, HTTPClientError)
    else:
        status, code = response[0].status_code, response[1].get("Error", {}).get("Code")
        passes = status in _PASSING_STATUS or code in _PASSING_CODES
    return random.uniform(0, _FIRST_WAITS_S[attempts - 1]) if passes else None  # noqa: S311


_FIRST_WAITS_S = (0.1, 0.5)
"""The longest waits after the first failures of a request."""

_PASSING_STATUS = {429, 500, 502, 503, 504}
_PASSING_CODES = {"BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "RequestTimeout"}


@contextmanager
def convert_library_errors(location: Location) -> Iterator[None]:
    """Turn errors of the S3 library into typed ones that name the location."""
    with convert_os_errors():  # a file of certificates may be missing
        try:
            yield
        except LIBRARY_ERRORS as error:
            # Without the library's own, which may tell secrets where tracebacks are printed.
            raise explain_error(error, location, _collect_secrets()) from None


def _collect_secrets() -> list[str]:
    """The keys that requests are signed with; a store may repeat what it was sent."""
    secrets = [os.environ.get(name, "") for name in _SECRET_VARIABLES]
    with suppress(Exception):  # whatever is wrong with them has been told
        with _client_lock:
            _, session = _new_session(os.getpid(), _aws_variables())
        if credentials := session.get_credentials():
            secrets += [key or "" for key in credentials.get_frozen_credentials()]
    return secrets


_SECRET_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def http_status(error: ClientError) -> int:
    """Return the HTTP status of a store's answer."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
