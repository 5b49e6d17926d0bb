"""The page over a folder with results, asked without a browser."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from deployments.web.application import create_application
from deployments.web.web_settings import WebSettings
from tasks.storage.location import Location

URL = "http://127.0.0.1:4204"

OpenPage = Callable[..., TestClient]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


@pytest.fixture
def open_page(tmp_path: Path, results: Path) -> OpenPage:
    """Makes the page, with some settings, as a client on this machine sees it."""

    def open_with(**changes: Any) -> TestClient:
        values: dict[str, Any] = {"results": (Location("", f"{results}/"),)} | changes
        app = create_application(WebSettings(**values), tmp_path / "cache")
        app.state.web.index.refresh()
        return TestClient(
            app,
            base_url=URL,
            client=("127.0.0.1", 50_000),
            follow_redirects=False,
            headers={"sec-fetch-site": "same-origin"},
        )

    return open_with


@pytest.fixture
def page(open_page: OpenPage) -> TestClient:
    return open_page()
