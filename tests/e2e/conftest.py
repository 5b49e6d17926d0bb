"""What all tests of the whole flow share."""

from collections.abc import Iterator

import pytest

from tasks.environment_variables import TEMPLATES
from tasks.processes.template_keeper import TemplateKeeper
from tasks.run.run_templates import list_stage_templates
from tests.support.templates import copy_stages
from tests.support.waiting import wait_for


@pytest.fixture(scope="session", autouse=True)
def stage_templates(
    session_environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The runs of commands do not wait for DeepLabCut to be loaded, as on a worker's machine.

    One of the session's processes keeps the templates for all; should it be the first to end, the
    runs of the others load their libraries. `tests/e2e/test_command_line.py` has runs without any.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "stage-templates"
    session_environment.setenv(TEMPLATES.name, str(folder))
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        yield
        return
    choices = list_stage_templates()
    with TemplateKeeper(folder, choices):
        wait_for(lambda: len(list(folder.glob("*.sock"))) == len(choices))
        yield


@pytest.fixture(scope="module", autouse=True)
def copied_stages() -> Iterator[None]:
    """Neither do the runs of this process, whatever their stages load."""
    with copy_stages():
        yield
