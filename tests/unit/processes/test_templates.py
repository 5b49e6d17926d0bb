"""Children that are copies of a process which has loaded their libraries."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.environment_variables import TEMPLATES
from tasks.errors import Retriable
from tasks.processes import child
from tasks.processes.copied_process import CopiedProcess, start_copy
from tasks.processes.environment import REPOSITORY_ROOT, build_child_environment
from tasks.processes.stage_process import StageProcess
from tasks.processes.template_address import compute_socket_name, find_template_socket
from tasks.processes.template_keeper import TemplateChoice, TemplateKeeper
from tests.support.waiting import wait_for
from tests.unit.processes import in_child

LIMITS = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemplateKeeper]:
    # Longer than a Unix socket's address may be, as scratch folders of clusters are.
    folder = tmp_path_factory.mktemp("templates") / ("scratch" * 20)
    with (
        pytest.MonkeyPatch.context() as patch,
        TemplateKeeper(folder, [TemplateChoice(child.__name__, in_child.load, LIMITS)]) as keeper,
    ):
        patch.setenv(TEMPLATES.name, str(folder))
        wait_for(lambda: list(folder.glob("*.sock")))
        yield keeper


@pytest.fixture
def process(keeper: TemplateKeeper, tmp_path: Path) -> Iterator[StageProcess]:
    """A child that the template of its libraries and environment exists for."""
    assert keeper.pids
    process = StageProcess("copied", tmp_path / "log", LIMITS, in_child.load)
    yield process
    process.close()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_child_is_a_copy_and_answers_calls(keeper: TemplateKeeper, process: StageProcess) -> None:
    pid = process.call(in_child.pid)
    assert {parent_of(pid)} == keeper.pids
    assert process.call(in_child.group) == (pid, pid)
    assert process.call(in_child.loaded, "sqlite3")
    assert process.call(in_child.environment, "OMP_NUM_THREADS") == "1"
    assert process.call(in_child.environment, "TMPDIR") == os.environ.get("TMPDIR")
    assert process.call(len, bytes(5_000_000)) == 5_000_000
    assert process.call(in_child.count_to, 3, 0, on_progress=lambda _: None) == 3


def test_what_one_copy_does_is_not_seen_by_the_next(process: StageProcess) -> None:
    process.call(in_child.remember, "something")
    assert process.call(in_child.recall) == "something"
    process.close()
    assert process.call(in_child.recall) is None


def test_a_copy_that_is_killed_is_reported_as_a_child_is(
    process: StageProcess, tmp_path: Path
) -> None:
    first = process.call(in_child.pid)
    with pytest.raises(Retriable, match="SIGKILL"):
        process.call(in_child.leave_a_fork_behind_and_die, tmp_path / "marker")
    assert process.call(in_child.pid) != first


@pytest.mark.parametrize("changed", [{"OMP_NUM_THREADS": "2"}, {"MALLOC_ARENA_MAX": "1"}])
def test_a_child_that_needs_another_environment_is_not_copied(
    keeper: TemplateKeeper, tmp_path: Path, changed: dict[str, str]
) -> None:
    process = StageProcess("started", tmp_path / "log", LIMITS | changed, in_child.load)
    try:
        pid = process.call(in_child.pid)
        assert parent_of(pid) == os.getpid()
    finally:
        process.close()
    assert keeper.pids


def test_a_copy_ends_with_its_owner_and_not_with_the_template(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tasks.processes.stage_process import StageProcess\n"
        "from tests.unit.processes import in_child\n"
        f"log = Path({str(tmp_path / 'log')!r})\n"
        f"process = StageProcess('owned', log, {LIMITS}, in_child.load)\n"
        "print(process.call(in_child.pid), flush=True)\ntime.sleep(600)\n"
    )
    with TemplateKeeper(
        tmp_path / "t", [TemplateChoice(child.__name__, in_child.load, LIMITS)]
    ) as keeper:
        wait_for(lambda: list((tmp_path / "t").glob("*.sock")))
        owner = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=REPOSITORY_ROOT,
            env=os.environ | {TEMPLATES.name: str(tmp_path / "t")},
            stdout=subprocess.PIPE,
        )
        with owner:
            assert owner.stdout is not None
            copy = int(owner.stdout.readline())
            assert {parent_of(copy)} == keeper.pids
            os.kill(keeper.pids.pop(), signal.SIGKILL)
            assert Path(f"/proc/{copy}").exists()
            owner.kill()
        wait_for(lambda: not Path(f"/proc/{copy}").exists())


def test_a_template_that_ended_is_not_waited_for(tmp_path: Path) -> None:
    assert start_copy(tmp_path / "absent.sock", [], environment={}, fds={}) is None


def test_the_exit_status_of_a_copy_is_known(tmp_path: Path) -> None:
    choice = TemplateChoice("tests.unit.processes.exits", in_child.load, LIMITS)
    folder = tmp_path / "t"
    with (
        TemplateKeeper(folder, [choice]),
        (tmp_path / "log").open("wb") as log,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(TEMPLATES.name, str(folder))
        wait_for(lambda: list(folder.glob("*.sock")))
        environment = build_child_environment(LIMITS)
        template = find_template_socket(choice.program, choice.loader, environment)
        assert template is not None
        fds = dict.fromkeys((0, 1, 2), log.fileno())
        copy = start_copy(template, ["7"], environment=environment, fds=fds)
        assert isinstance(copy, CopiedProcess)
        assert copy.wait(60) == 7
        copy.close()
        assert copy.poll() == 7
    assert (tmp_path / "log").read_text() == "at exit\n"


def test_other_code_asks_for_another_template(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tasks.processes.template_address.REPOSITORY_ROOT", tmp_path)
    module = tmp_path / "tasks" / "module.py"
    module.parent.mkdir()
    module.write_text("A = 1\n")
    before = compute_socket_name("a", "a:b", {})
    assert compute_socket_name("a", "a:b", {"AWS_PROFILE": "lab"}) == before
    assert compute_socket_name("a", "a:c", {}) != before
    module.write_text("A = 22\n")
    assert compute_socket_name("a", "a:b", {}) != before


def test_the_keeper_replaces_what_ended_or_is_old(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[str] = []
    choice = TemplateChoice(child.__name__, in_child.load, {})
    with TemplateKeeper(tmp_path, [choice], told.append) as keeper:
        wait_for(lambda: list(tmp_path.glob("*.sock")))
        (first,) = keeper.pids
        keeper.replace_stale()
        assert keeper.pids == {first}
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{first}/exe").exists())
        keeper.replace_stale()
        assert keeper.pids == {first}  # one that ends at once is not started all the time
        monkeypatch.setattr("tasks.processes.template_keeper.RESTART_PAUSE_S", 0)
        keeper.replace_stale()
        (second,) = keeper.pids
        assert second != first
        (line,) = told
        assert "ended with status -9" in line
        monkeypatch.setattr(
            "tasks.processes.template_address.compute_code_version", lambda: "another"
        )
        keeper.replace_stale()
        assert second not in keeper.pids
        assert told == [line]  # code that is new is no failure
    assert list(tmp_path.glob("*.sock")) == []
