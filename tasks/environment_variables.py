"""The product's own environment variables: one table, and the only module that reads them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import BadInput


@dataclass(frozen=True)
class EnvironmentVariable:
    """An environment variable.

    Attributes:
        name: Its name.
        default: Its value where it is not set or empty; empty for none.
        readers: The programs that read it, so that a person knows where to set it.
        meaning: Its effect, in Markdown.
    """

    name: str
    default: str
    readers: str
    meaning: str

    def __str__(self) -> str:
        return self.name


INBOX = EnvironmentVariable(
    "DLCFLOW_INBOX",
    "",
    "`make deploy`, the receiver, the page, `make up`",
    "Location that movies are dropped into. Not set, `make deploy` keeps the inbox that the server "
    "has; empty, it removes the two deployments that look there.",
)
NOTIFICATION_BLOCK = EnvironmentVariable(
    "DLCFLOW_NOTIFY",
    "",
    "`make deploy`, `make notify-test`",
    "Notification block that people are told by, as `type/name`. Not set, the server keeps the one "
    "that it has; empty, nobody is told.",
)
NOTICE_CHOICE = EnvironmentVariable(
    "DLCFLOW_NOTIFY_ON",
    "failed,refused,no-worker",
    "`make deploy`",
    "What people are told of, once each: `failed` runs; a `verdict` that asks for a look, or is "
    "fail; movies that the inbox has `refused`; runs that have `finished`; `no-worker` for a "
    "queue; a `digest` of the day, at seven in the morning. Not set, the server keeps what it has.",
)
RESTARTS = EnvironmentVariable(
    "DLCFLOW_RESTARTS",
    "3",
    "the server",
    "Number of times that a run is started again whose process, worker, or machine was lost; after "
    "that it ends Failed. 0 for never.",
)
RECEIVER_TOKEN = EnvironmentVariable(
    "DLCFLOW_RECEIVER_TOKEN",
    "",
    "the receiver",
    "Secret that a webhook must send: as `Authorization: Bearer …`, or as `?token=…` in its "
    "address where the store, as Ceph, can send no header. Empty, every notification is taken.",
)
VERSION = EnvironmentVariable(
    "DLCFLOW_VERSION",
    "",
    "`deployments/prefect.yaml`",
    "Version of the deployments. `make deploy` sets it itself.",
)
PATIENCE = EnvironmentVariable(
    "DLCFLOW_PATIENCE",
    "300",
    "runs",
    "Seconds without progress after which a stage counts as hung. The default is enough for the "
    "libraries and a large model to come from a cold disk, on a busy machine.",
)
CHECKPOINT_INTERVAL = EnvironmentVariable(
    "DLCFLOW_CHECKPOINT_SECONDS",
    "20",
    "runs",
    "Seconds of work between two checkpoints of an estimation. With the default, and the upload, "
    "less than a minute of work is lost.",
)
DEVICE_LOCKS = EnvironmentVariable(
    "DLCFLOW_SLOTS",
    "/tmp/dlcflow-slots",  # noqa: S108 - shared by all users, whatever their TMPDIR
    "runs",
    "Folder of the locks that let one estimation at a time use a GPU. All processes and containers "
    "that share a machine's GPUs must share it.",
)
TEMPLATES = EnvironmentVariable(
    "DLCFLOW_TEMPLATES",
    "",
    "runs",
    "Folder of the sockets of processes that have loaded PyTorch and DeepLabCut, from which runs "
    "fork theirs. `make worker` sets it itself. Empty, each run loads its libraries.",
)
LINK_ENDPOINT = EnvironmentVariable(
    "DLCFLOW_LINK_ENDPOINT_URL",
    "",
    "runs, `python -m flows open`, the page",
    "The store's address for people's browsers, where workers use another one. It goes into the "
    "links that open results; empty, they have boto3's address.",
)
WEB_RESULTS = EnvironmentVariable(
    "DLCFLOW_WEB_RESULTS",
    "",
    "the page, `make up`",
    "Locations whose runs the page shows, with spaces between them (`%20` within one); what lies "
    "below them can be opened. Empty, it is the bucket of the inbox.",
)
WEB_INPUTS = EnvironmentVariable(
    "DLCFLOW_WEB_INPUTS",
    "",
    "the page, `make up`",
    "Locations of models and movies that can be chosen and played on the page, with spaces between "
    "them (`%20` within one). Empty, it is the bucket of the inbox.",
)
WEB_PASSWORD = EnvironmentVariable(
    "DLCFLOW_WEB_PASSWORD",
    "",
    "the page",
    "Password that the page asks for, one for all, 8 characters or more. Empty, it asks for none, "
    "and listens on loopback only.",
)
WEB_USER_HEADER = EnvironmentVariable(
    "DLCFLOW_WEB_USER_HEADER",
    "",
    "the page",
    "Header in which a proxy names the person that it let in, such as `X-Auth-Request-User`; "
    "requests without it are refused.",
)
WEB_PROXIES = EnvironmentVariable(
    "DLCFLOW_WEB_PROXIES",
    "127.0.0.1 ::1",
    "the page",
    "Addresses and networks of the proxy whose header is believed, with spaces between them.",
)
WEB_URL = EnvironmentVariable(
    "DLCFLOW_WEB_URL",
    "",
    "the page, runs",
    "Where people open the page, as in `https://poses.my-institute.org`. Requests for any other "
    "name are refused, but for loopback's and plain IP addresses. Runs link to it.",
)
WEB_READ_ONLY = EnvironmentVariable(
    "DLCFLOW_WEB_READ_ONLY",
    "",
    "the page",
    "`1`: results can be looked at and downloaded, and nothing can be started or uploaded.",
)
WEB_BYTES = EnvironmentVariable(
    "DLCFLOW_WEB_BYTES",
    "",
    "the page",
    "How files get to browsers, and from them into the inbox: `store`, by signed links that the "
    "page makes on click, or `page`, through the page, where browsers cannot reach the store. "
    "Empty, it is `store` where `DLCFLOW_LINK_ENDPOINT_URL` is set, else `page`.",
)
REQUEST_PAYER = EnvironmentVariable(
    "DLCFLOW_REQUEST_PAYER",
    "",
    "all that use the store",
    "`requester` where the lab pays for what it reads from a bucket whose owner asks for that "
    "(requester pays); boto3 has no setting for it. Empty, such a bucket refuses.",
)

ENVIRONMENT_VARIABLES = (
    INBOX,
    NOTIFICATION_BLOCK,
    NOTICE_CHOICE,
    RESTARTS,
    RECEIVER_TOKEN,
    PATIENCE,
    CHECKPOINT_INTERVAL,
    DEVICE_LOCKS,
    TEMPLATES,
    LINK_ENDPOINT,
    WEB_RESULTS,
    WEB_INPUTS,
    WEB_PASSWORD,
    WEB_USER_HEADER,
    WEB_PROXIES,
    WEB_URL,
    WEB_READ_ONLY,
    WEB_BYTES,
    REQUEST_PAYER,
    VERSION,
)
"""All of them; `docs/configuration.md` has a table that is made from this one."""


def read_inbox(environment: Mapping[str, str] = os.environ) -> str | None:
    """Location that movies are dropped into; None where it is not set, empty where there is none.

    Args:
        environment: Where to look it up.
    """
    return environment.get(INBOX.name)


def read_notification_block() -> str | None:
    """Notification block, as ``type/name``; None where it is not set, empty for none."""
    return os.environ.get(NOTIFICATION_BLOCK.name)


NOTICE_KINDS = ("failed", "verdict", "refused", "finished", "no-worker", "digest")
"""Things that people can choose to be told of."""


def read_notice_kinds() -> tuple[str, ...] | None:
    """Kinds of notices that people want; None where the variable is not set.

    Raises:
        BadInput: The variable names something else.
    """
    text = os.environ.get(NOTICE_CHOICE.name)
    return None if text is None else parse_notice_kinds(text or NOTICE_CHOICE.default)


def parse_notice_kinds(text: str) -> tuple[str, ...]:
    """Read kinds of notices from a text with commas.

    Raises:
        BadInput: It names something else.
    """
    kinds = tuple(dict.fromkeys(filter(None, (kind.strip() for kind in text.split(",")))))
    if unknown := [kind for kind in kinds if kind not in NOTICE_KINDS]:
        raise BadInput(
            f"{NOTICE_CHOICE}: expected some of {', '.join(NOTICE_KINDS)}, found {unknown[0]!r}; "
            "change it"
        )
    return kinds


def read_receiver_token() -> str | None:
    """Secret that webhooks must send; None where every notification is taken."""
    return os.environ.get(RECEIVER_TOKEN.name) or None


def read_restarts() -> int:
    """Number of times that a lost run is started again.

    Raises:
        BadInput: The variable holds no whole number, or one below 0.
    """
    text = os.environ.get(RESTARTS.name) or RESTARTS.default
    if text.isdecimal():
        return int(text)
    raise BadInput(f"{RESTARTS}: expected a whole number, 0 or more, found {text!r}; change it")


def read_patience() -> float:
    """Seconds of silence after which a stage counts as hung.

    Raises:
        BadInput: The variable holds no number above 0.
    """
    return _read_seconds(PATIENCE, "a number above 0", lambda seconds: seconds > 0)


def read_checkpoint_interval() -> float:
    """Seconds of work between two checkpoints of an estimation.

    Raises:
        BadInput: The variable holds no number, or one below 0.
    """
    return _read_seconds(CHECKPOINT_INTERVAL, "0 or more", lambda seconds: seconds >= 0)


def read_device_lock_folder() -> Path:
    """Folder of the locks on a machine's devices."""
    return Path(os.environ.get(DEVICE_LOCKS.name) or DEVICE_LOCKS.default)


def read_template_folder() -> Path | None:
    """Folder of the templates' sockets; None where runs load their libraries."""
    folder = os.environ.get(TEMPLATES.name)
    return Path(folder) if folder else None


def find_state_folder() -> Path:
    """Folder of what this machine remembers of runs; it may not be there yet."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "dlcflow"


def read_link_endpoint() -> str | None:
    """Address of the store in links for browsers; None where it is boto3's."""
    return os.environ.get(LINK_ENDPOINT.name) or None


def read_words(variable: EnvironmentVariable) -> tuple[str, ...]:
    """The words that a variable lists; none where it is not set or empty."""
    return tuple(os.environ.get(variable.name, "").split())


def read_web_password() -> str | None:
    """Password of the page; None where it asks for none."""
    return os.environ.get(WEB_PASSWORD.name) or None


def read_web_user_header() -> str | None:
    """Header in which a proxy names the person that it let in; None without such a proxy."""
    return os.environ.get(WEB_USER_HEADER.name, "").strip() or None


def read_web_url() -> str | None:
    """Where people open the page; None where it is not told."""
    return os.environ.get(WEB_URL.name, "").strip() or None


def read_web_read_only() -> bool:
    """Return whether nothing may be started or uploaded from the page.

    Raises:
        BadInput: The variable holds neither a yes nor a no.
    """
    text = os.environ.get(WEB_READ_ONLY.name, "").strip().lower()
    if text in {"1", "true", "yes"}:
        return True
    if text in {"", "0", "false", "no"}:
        return False
    raise BadInput(f"{WEB_READ_ONLY}: expected 1 or 0, found {text!r}; change it")


def read_web_bytes() -> str:
    """How files get to browsers: `store` or `page`.

    Raises:
        BadInput: The variable holds neither.
    """
    text = os.environ.get(WEB_BYTES.name, "").strip()
    if text not in {"", "store", "page"}:
        raise BadInput(f"{WEB_BYTES}: expected store or page, found {text!r}; change it")
    return text or ("store" if read_link_endpoint() else "page")


def read_request_payer() -> str | None:
    """Who is charged for requests, as the store is told; None where nobody is named.

    Raises:
        BadInput: The variable holds another word.
    """
    text = os.environ.get(REQUEST_PAYER.name) or REQUEST_PAYER.default
    if text not in {"", "requester"}:
        raise BadInput(f"{REQUEST_PAYER}: expected 'requester' or nothing, found {text!r}")
    return text or None


def _read_seconds(
    variable: EnvironmentVariable, range_text: str, is_valid: Callable[[float], bool]
) -> float:
    text = os.environ.get(variable.name) or variable.default
    try:
        if is_valid(seconds := float(text)):
            return seconds
    except ValueError:
        pass
    raise BadInput(f"{variable}: expected seconds, {range_text}, found {text!r}; change it")
