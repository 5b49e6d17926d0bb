"""No secret is in anything that a run says or leaves, whatever fails and whoever repeats it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from prefect.utilities.schema_tools.validation import validate

from tests.integration.storage.faults import (
    AnswerItself,
    Fault,
    FaultyProxy,
    ProxyRequest,
    run_faulty_proxy,
)
from tests.support.commands import run_command
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MODEL, DEMO_MOVIE
from tests.support.stores import StoreSettings, create_s3_client

BUCKET = "secrets"
KEY, SECRET = "AKIAZEBRA0000QUAGGA0", "zEbRa/sEcReT+kEy/0123456789=abcdefGHIJKL"
TOKEN, PASSWORD = "tOkEn//zEbRa0000+of+a+session==", "pa55-zebra"
SIGNATURE = "5161a7e0zebra" * 4
SIGNED = (
    f"https://store.lab.org/secrets/in/m.mp4?X-Amz-Credential={KEY}&X-Amz-Signature={SIGNATURE}"
)
REPEATED = f"request by {KEY} with {SECRET} and {TOKEN} or {quote(SECRET, safe='')} at {SIGNED}"


def assert_clean(*texts: bytes) -> None:
    for secret in (KEY, SECRET, TOKEN, PASSWORD, SIGNATURE):
        for form in {secret, quote(secret, safe=""), quote(secret)}:
            assert not any(form.encode() in text for text in texts), secret


def files_in(*folders: Path) -> list[bytes]:
    """What is in every file: settings, the database of the run's own server, what is forgotten."""
    return [p.read_bytes() for folder in folders for p in folder.rglob("*") if p.is_file()]


def repeating(request: ProxyRequest) -> Fault | None:
    """A store that refuses two objects, and repeats what it was sent."""
    if request.method == "GET" and "in/refused.mp4" in request.path:
        return AnswerItself(403, "AccessDenied", REPEATED)
    if request.method == "PUT" and "out/unlucky/" in request.path:
        return AnswerItself(500, "InternalError", REPEATED)
    return None


@pytest.fixture(scope="module")
def store(object_store: StoreSettings, tmp_path_factory: pytest.TempPathFactory) -> Any:
    s3 = create_s3_client(object_store)
    s3.create_bucket(Bucket=BUCKET)
    movie = cut_movie(DEMO_MOVIE, tmp_path_factory.mktemp("movies") / "m.mp4", 4).read_bytes()
    for name in ("good", "refused", "unlucky"):
        s3.put_object(Bucket=BUCKET, Key=f"in/{name}.mp4", Body=movie)
    return s3


@pytest.fixture(scope="module")
def proxy(object_store: StoreSettings) -> Iterator[FaultyProxy]:
    with run_faulty_proxy(object_store["AWS_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
def home(tmp_path: Path, proxy: FaultyProxy) -> dict[str, str]:
    """A user's settings, with a password in the store's address; the folders are the run's own."""
    proxy.use_rule(lambda request: None)
    for name in ("home", "scratch"):
        (tmp_path / name).mkdir()
    return {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "scratch"),
        "PREFECT_API_URL": "",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "AWS_ENDPOINT_URL": proxy.url.replace("://", f"://robot:{PASSWORD}@"),
        "AWS_MAX_ATTEMPTS": "1",
    }


IN_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_SESSION_TOKEN": TOKEN,
}


def run(*movies: str, **environment: str) -> Any:
    words = ("--output", f"s3://{BUCKET}/out", "--link-hours", "0", "--keypoints-only")
    return run_command("run", "--model", DEMO_MODEL, "--movies", *movies, *words, **environment)


def test_a_run_of_which_some_fails_tells_none(
    store: Any, proxy: FaultyProxy, home: dict[str, str], tmp_path: Path
) -> None:
    proxy.use_rule(repeating)
    done = run(f"s3://{BUCKET}/in/", **home, **IN_ENVIRONMENT)
    assert done.returncode == 1
    assert "; 2 of 3 movies failed (refused in Check movie); see " in done.stderr
    assert "request by *** with *** and *** or *** at https://store.lab.org" in done.stderr
    left = files_in(tmp_path)
    assert any(b"movies failed" in content for content in left)  # the server's database
    keys = [item["Key"] for item in store.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert "out/good/labeled.mp4" in keys
    assert "out/run.json" in keys
    bodies = [store.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys]
    assert_clean(done.stdout.encode(), done.stderr.encode(), *left, *bodies)


@pytest.fixture
def profile(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The same keys, in a file that is none of the run's."""
    for name in IN_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path_factory.mktemp("aws") / "credentials"
    keys = {key.lower(): value for key, value in IN_ENVIRONMENT.items()}
    lines = ["[lab]", *(f"{name} = {value}" for name, value in keys.items())]
    path.write_text("\n".join(lines), encoding="utf-8")
    return {"AWS_SHARED_CREDENTIALS_FILE": str(path), "AWS_PROFILE": "lab"}


@pytest.mark.parametrize("number", [400, 403, 500, 418])
def test_a_refused_command_tells_none_of_a_profile(
    proxy: FaultyProxy, home: dict[str, str], profile: dict[str, str], tmp_path: Path, number: int
) -> None:
    proxy.use_rule(lambda request: AnswerItself(number, "SomeError", REPEATED))
    done = run_command("open", f"s3://{BUCKET}/out", **home, **profile)
    assert done.returncode
    assert "request by *** with *** and *** or *** at https://store.lab.org" in done.stderr
    assert_clean(done.stdout.encode(), done.stderr.encode(), *files_in(tmp_path))


@pytest.mark.parametrize(
    "location",
    [SIGNED, SIGNED.replace("https", "HTTP"), f"s3://{KEY}:{SECRET}@lab/m.mp4"],
    ids=["signed", "capitals", "keys"],
)
def test_a_secret_in_a_location_is_refused_and_not_repeated(
    home: dict[str, str], tmp_path: Path, location: str
) -> None:
    for done in (
        run(location, **home, **IN_ENVIRONMENT),
        run_command("inspect", "--model", location, "--json", **home, **IN_ENVIRONMENT),
        run_command("open", location, **home, **IN_ENVIRONMENT),
    ):
        assert done.returncode == 2
        assert "error: " in done.stderr
        assert_clean(done.stdout.encode(), done.stderr.encode(), *files_in(tmp_path))


@pytest.mark.parametrize("name", ["model", "movies", "output"])
@pytest.mark.parametrize("location", [SIGNED, f"s3://{KEY}:{SECRET}@lab/m.mp4"])
def test_the_form_takes_no_secret_that_prefect_would_keep(name: str, location: str) -> None:
    from flows.pose_estimation import pose_estimation

    schema = pose_estimation.parameters.model_dump_for_openapi()
    values: dict[str, Any] = {"model": "s3://lab/m.zip", "movies": ["/data/m?.mp4"], "output": "o"}
    assert not list(validate(values, schema))
    values[name] = [location] if name == "movies" else location
    (error,) = validate(values, schema)
    assert error.validator == "pattern"


def test_a_run_that_was_asked_for_without_the_form_repeats_no_secret(
    prefect_server: None, object_store: StoreSettings, caplog: pytest.LogCaptureFixture
) -> None:
    from prefect.client.orchestration import get_client

    from flows.pose_estimation import pose_estimation

    state = pose_estimation(str(DEMO_MODEL), [SIGNED], "/tmp/out", return_state=True)
    assert "found the scheme 'https:'" in str(state.message)
    with get_client(sync_client=True) as api:
        found = api.read_flow_run(state.state_details.flow_run_id or UUID(int=0))
    assert_clean(str(state.message).encode(), found.name.encode(), caplog.text.encode())
