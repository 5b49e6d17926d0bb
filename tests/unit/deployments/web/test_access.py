"""Who may open the page, and who may change something on it."""

import ipaddress
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from deployments.web.__main__ import check_access, main
from deployments.web.access.login import keep_on_page
from deployments.web.access.sessions import Sessions
from deployments.web.web_settings import WebSettings, read_web_settings
from tasks.environment_variables import WEB_PASSWORD, WEB_PROXIES, WEB_READ_ONLY, WEB_URL
from tasks.errors import BadInput
from tests.unit.deployments.web.conftest import URL, OpenPage

PASSWORD = "a long enough one"
PROXY = {"user_header": "X-Auth-Request-User", "proxies": (ipaddress.ip_network("127.0.0.0/8"),)}


@pytest.fixture
def locked(open_page: OpenPage) -> TestClient:
    return open_page(password=PASSWORD)


def log_in(page: TestClient, password: str = PASSWORD, target: str = "/?q=m1") -> int:
    return page.post("/login", data={"password": password, "next": target}).status_code


def test_it_answers_to_its_own_names_only(open_page: OpenPage) -> None:
    page = open_page(url="https://poses.lab.org/")
    ours = ("127.0.0.1:4204", "localhost:9000", "[::1]:4204", "192.168.0.7", "poses.lab.org")
    others = ("rebound.example", "poses.lab.org.example", "localhost.example", "")
    for host in (*ours, *others):
        status = 200 if host in ours else 421
        assert page.get("/", headers={"host": host}).status_code == status, host
        assert page.get("/health", headers={"host": host}).status_code == 200


def test_what_changes_something_must_come_from_our_own_pages(page: TestClient) -> None:
    for headers, passes in (
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "", "origin": URL}, True),
        ({"sec-fetch-site": "", "origin": "http://127.0.0.1:9999"}, False),
        ({"sec-fetch-site": "", "origin": "null"}, False),
        ({"sec-fetch-site": ""}, False),
    ):
        for send in (page.post, page.put, page.delete):
            status = send("/anything", headers=headers).status_code
            assert status == (404 if passes else 403), headers


def test_whoever_knows_the_password_comes_to_where_they_were_going(locked: TestClient) -> None:
    sent = locked.get("/?q=m1")
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/%3Fq%3Dm1")
    assert "password" in locked.get("/login?next=/%3Fq%3Dm1").text
    answer = locked.post("/login", data={"password": PASSWORD, "next": "/?q=m1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=m1")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert locked.get("/?q=m1").status_code == 200
    assert locked.post("/logout").status_code == 303
    assert locked.get("/").status_code == 303


def test_without_the_password_nothing_is_told(
    locked: TestClient, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.web.access.login.WRONG_PASSWORD_SECONDS", 0)
    (results / "secret.txt").write_text("secret")
    assert log_in(locked, "a wrong one") == 403
    assert not locked.cookies
    for path in ("/", f"/files/local{results}/secret.txt", f"/zip/local{results}/", "/nowhere"):
        assert locked.get(path).status_code == 303
    refused = locked.get("/api/listing")
    assert (refused.status_code, list(refused.json())) == (401, ["error"])
    assert locked.post("/anything").status_code == 401


def test_sessions_are_signed_and_end_with_the_password(locked: TestClient) -> None:
    assert log_in(locked) == 303
    (cookie,) = locked.cookies.jar
    value = cookie.value or ""
    for forged in (f"{value[:-2]}xx", f"known.{value.split('.', 1)[1][:-1]}", "known", ""):
        locked.cookies.clear()
        locked.cookies.set(cookie.name, forged)
        assert locked.get("/").status_code == 303
    others = Sessions(WebSettings(password="another long one"))
    locked.cookies.clear()
    locked.cookies.set(cookie.name, others._signer.sign("known").decode())
    assert locked.get("/").status_code == 303
    assert Sessions(WebSettings(url="https://lab.org")).cookie == "__Host-dlcflow"


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nb: c"]
)
def test_logging_in_leads_nowhere_else(target: str) -> None:
    assert keep_on_page(target) == "/"


def test_a_proxy_names_who_comes(open_page: OpenPage) -> None:
    named = {"x-auth-request-user": "ann"}
    page = open_page(**PROXY)
    assert page.get("/", headers=named).status_code == 200
    assert page.get("/").status_code == 401
    away = open_page(**PROXY | {"proxies": (ipaddress.ip_network("10.0.0.0/8"),)})
    assert away.get("/", headers=named).status_code == 401


def test_read_only_lets_look_and_nothing_else(open_page: OpenPage) -> None:
    page = open_page(is_read_only=True, password=PASSWORD)
    assert log_in(page) == 303
    shown = page.get("/")
    assert shown.status_code == 200
    assert "read-only" in shown.text
    refused = page.post("/api/anything")
    assert refused.status_code == 403
    assert WEB_READ_ONLY.name in refused.json()["error"]
    assert page.post("/logout").status_code == 303


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "poses.lab.org"])
def test_beyond_loopback_it_starts_for_known_people_only(host: str) -> None:
    with pytest.raises(BadInput, match="everybody who can reach this machine"):
        check_access(host, WebSettings())
    check_access(host, WebSettings(password=PASSWORD))
    check_access(host, WebSettings(user_header="X-User"))
    with pytest.raises(BadInput, match="8 characters or more"):
        check_access(host, WebSettings(password="short"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_it_asks_for_nothing(host: str) -> None:
    check_access(host, WebSettings())


def test_wrong_settings_are_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable, value in ((WEB_READ_ONLY, "maybe"), (WEB_PROXIES, "nginx"), (WEB_URL, "lab")):
        with monkeypatch.context() as context:
            context.setenv(variable.name, value)
            with pytest.raises(BadInput, match=variable.name):
                read_web_settings()
    monkeypatch.setenv(WEB_PASSWORD.name, "short")
    with pytest.raises(SystemExit):
        main(["--port", "0"])
    assert "choose a longer password" in capsys.readouterr().err


def test_the_password_is_in_no_message() -> None:
    assert PASSWORD not in repr(WebSettings(password=PASSWORD))
