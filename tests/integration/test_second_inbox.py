"""A second inbox, set up as docs/service.md tells: a file with copies of two deployments."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from deployments import definitions, deploy
from tasks.environment_variables import INBOX
from tests.support.paths import ROOT

SECOND = "s3://other/inbox/"


def copied(name: str, values: dict[str, Any]) -> dict[str, Any]:
    """A deployment under another name, that looks at the second inbox."""
    text = yaml.safe_dump(values | {"name": name, "version": "mine"})
    entry: dict[str, Any] = yaml.safe_load(text.replace("{{ $DLCFLOW_INBOX }}", SECOND))
    for number, trigger in enumerate(entry.get("triggers", ())):
        trigger["name"] = f"{name} {number}"
    return entry


def test_a_second_inbox_works_beside_ours_and_stays(
    prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INBOX.name, "s3://lab/inbox/")
    assert deploy.main([]) == 0
    whole = yaml.safe_load(definitions.DEPLOYMENTS_FILE.read_text())
    ours = {entry["name"]: entry for entry in whole["deployments"]}
    file = tmp_path / "second.yaml"
    second = {"look-2": ours["inbox"], "arrival-2": ours["pose-estimation-on-arrival"]}
    whole["deployments"] = [copied(name, values) for name, values in second.items()]
    file.write_text(yaml.safe_dump(whole))
    words = ["--no-prompt", "deploy", "--prefect-file", os.path.relpath(file, ROOT), "--all"]
    done = subprocess.run(
        [sys.executable, "-m", "prefect", *words],
        cwd=ROOT,
        env=os.environ | {"PREFECT_API_URL": str(PREFECT_API_URL.value())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert deploy.main([]) == 0
    with get_client(sync_client=True) as client:
        found = {one.name: one for one in client.read_deployments()}
        automations = {one.name: one for one in client.read_automations()}
    assert found["look-2"].parameters == found["arrival-2"].parameters == {"inbox": SECOND}
    assert len(found["look-2"].schedules) == 1
    assert found["inbox"].parameters == {"inbox": "s3://lab/inbox/"}
    trigger: Any = automations["arrival-2 0"].trigger
    assert trigger.match.root == {"prefect.resource.id": SECOND}
    action: Any = automations["arrival-2 0"].actions[0]
    assert action.parameters == {"locations": "{{ event.payload.locations }}"}
