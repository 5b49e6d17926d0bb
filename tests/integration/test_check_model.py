"""The flow looks into the model first, and shows what it found in Prefect's UI."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from tasks.errors import BadInput
from tasks.pose.results.run_record import InputObject
from tasks.pose.settings import PoseSettings
from tasks.run.model import check_model
from tasks.run_data import FetchedInput, ReadyModel
from tasks.stages.artifacts import artifact_key
from tests.support.model_zips import Files, model_files, write_zip


def fetched(folder: Path, files: Files) -> FetchedInput:
    path = write_zip(folder / "m.zip", files)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    return FetchedInput(
        path, InputObject(location=str(path), size=size, etag=None, version=None, sha256=digest)
    )


def run(folder: Path, files: Files, settings: PoseSettings | None = None) -> Any:
    @flow(name="look")
    def look() -> ReadyModel:
        model = fetched(folder, files)
        return check_model(model, "m.zip", settings or PoseSettings(), folder)

    state: Any = look(return_state=True)
    return state.result(raise_on_failure=False)


def shown() -> str:
    """The newest page about a model."""
    with get_client(sync_client=True) as client:
        pages = client.read_artifacts()
    page = max(
        (p for p in pages if p.key == artifact_key("model", "m.zip")), key=lambda p: str(p.created)
    )
    assert page.type == "markdown"
    return str(page.data)


@pytest.mark.usefixtures("prefect_server")
def test_a_good_model_is_shown(tmp_path: Path) -> None:
    ready = run(tmp_path, model_files())
    assert isinstance(ready, ReadyModel)
    assert shown().startswith("## m.zip can be used")
    assert f"| SHA-256 | {ready.model.sha256} |" in shown()


@pytest.mark.usefixtures("prefect_server")
def test_a_refused_model_is_shown_with_its_problems(tmp_path: Path) -> None:
    error = run(tmp_path, {"snapshot-1.pt": b"x"})
    assert isinstance(error, BadInput)
    assert shown().startswith("## m.zip cannot be used")
    assert "holds a snapshot but no pytorch\\_config.yaml" in shown()


def test_without_a_server_nothing_is_shown_and_nothing_fails(tmp_path: Path) -> None:
    state: Any = check_model.task.fn(
        fetched(tmp_path, model_files()), "m.zip", PoseSettings(), tmp_path
    )
    assert isinstance(state.data, ReadyModel)
    assert state.message == "resnet18 (net_type resnet_50), 3 body parts, snapshot-best-100.pt"
