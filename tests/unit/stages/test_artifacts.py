"""Pages in Prefect's UI: their keys, and what is said of one that cannot be shown."""

import logging
from typing import Any

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError

from tasks.environment_variables import WEB_URL
from tasks.stages import artifacts
from tasks.stages.artifacts import artifact_key, show_artifact, show_run_page


def test_what_differs_has_a_page_of_its_own() -> None:
    names = (
        "s3://lab/in_1/",
        "s3://lab/in-1/",
        "s3://lab/In-1/",
        "/data/in-1/",
        "in 1",
        "ü",
        "\udcff",
    )
    keys = {artifact_key("results", name) for name in names}
    assert len(keys) == len(names)
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)
    assert artifact_key("results", "s3://lab/Session 7/").startswith("results-s3-lab-session-7-")


def test_results_are_linked_on_the_page_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(artifacts, "show_artifact", lambda _, page, *__: shown.append(page))
    for url, output in (
        ("", "s3://lab/out/"),
        ("https://poses.lab.org/", "s3://lab/a (b)/ü"),
        ("http://127.0.0.1:4204", "/data/out/"),
    ):
        monkeypatch.setenv(WEB_URL.name, url)
        assert show_run_page("results", output, "complete", lambda: ("## Page", "3 links"))
    assert shown == [
        "## Page",
        "**[Open the results](https://poses.lab.org/runs/s3/lab/a%20%28b%29/%C3%BC/)**\n\n## Page",
        "**[Open the results](http://127.0.0.1:4204/runs/local/data/out/)**\n\n## Page",
    ]


@pytest.mark.parametrize(
    ("status", "told"), [(422, "PrefectHTTPStatusError 422"), (None, "OSError")]
)
def test_a_page_that_cannot_be_shown_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, status: int | None, told: str
) -> None:
    def refuse(markdown: str, **_: Any) -> None:
        if status is None:
            raise OSError(markdown)
        request = httpx.Request("POST", "http://server/artifacts/")
        answer = httpx.Response(status, json={"request_body": markdown}, request=request)
        raise PrefectHTTPStatusError.from_httpx_error(
            httpx.HTTPStatusError("refused", request=request, response=answer)
        )

    monkeypatch.setattr(artifacts, "create_markdown_artifact", refuse)
    monkeypatch.setattr("prefect.context.TaskRunContext.get", object)
    monkeypatch.setattr(artifacts, "get_run_logger", lambda: logging.getLogger("run"))
    show_artifact("results-1", "[report](https://store/r?X-Amz-Signature=secret)")
    assert "results-1" in caplog.text
    assert told in caplog.text
    assert "secret" not in caplog.text
