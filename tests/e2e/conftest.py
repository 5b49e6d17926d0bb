"""What all tests of the whole flow share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.environment_variables import TEMPLATES
from tasks.processes.template_keeper import TemplateKeeper
from tasks.run.run_templates import list_stage_templates
from tests.support.templates import copy_stages
from tests.support.waiting import wait_for


@pytest.fixture(scope="session")
def template_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The templates that a worker's machine keeps for its runs.

    One of the session's processes keeps them for all; should it be the first to end, the runs of
    the others load their libraries.
    """
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "stage-templates"
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        yield folder
        return
    choices = list_stage_templates()
    with TemplateKeeper(folder, choices):
        wait_for(lambda: len(list(folder.glob("*.sock"))) == len(choices))
        yield folder


@pytest.fixture(scope="module", autouse=True)
def copied_stages(template_folder: Path) -> Iterator[None]:
    """No run waits for DeepLabCut to be loaded, be it a command's or one of this process.

    `tests/e2e/test_command_line.py` has runs that load it.
    """
    with pytest.MonkeyPatch.context() as patch, copy_stages():
        patch.setenv(TEMPLATES.name, str(template_folder))
        yield
