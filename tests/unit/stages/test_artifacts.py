"""Pages in Prefect's UI: their keys, and what is said of one that cannot be shown."""

import logging
from typing import Any

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError

from tasks.stages import artifacts
from tasks.stages.artifacts import artifact_key, show_artifact


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
