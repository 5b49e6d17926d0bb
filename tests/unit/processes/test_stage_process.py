"""Child processes: results, failures, and ends of every kind, without anything left behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PosixPath
from typing import Any

import pytest

from tasks.environment_variables import PATIENCE
from tasks.errors import BadInput, PoseError, Retriable, StageFailed
from tasks.processes.bottleneck import EstimationProgress
from tasks.processes.environment import REPOSITORY_ROOT, count_usable_cpus, thread_limits
from tasks.processes.pool import StagePool
from tasks.processes.stage_process import StageProcess
from tasks.processes.watchdog import Patience
from tests.support.waiting import wait_for
from tests.unit.processes import in_child


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageProcess]:
    """A child for calls that do it no harm."""
    folder = tmp_path_factory.mktemp("shared")
    process = StageProcess("shared", folder / "log", {"SOME_SETTING": "some value"}, in_child.load)
    yield process
    process.close()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[StageProcess]:
    process = StageProcess("finishing", tmp_path / "log", {})
    yield process
    process.close()


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Where a function in a child writes whom it has started."""
    return tmp_path / "marker"


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that nobody has waited for has ended, too."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def pid_in(marker: Path) -> int:
    wait_for(lambda: marker.exists() and bool(marker.read_text()))
    return int(marker.read_text())


def failure(process: StageProcess, function: Callable[..., Any], *args: Any) -> PoseError:
    with pytest.raises(PoseError) as caught:
        process.call(function, *args)
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


class TestCall:
    def test_gives_the_result(self, shared: StageProcess) -> None:
        assert shared.call(in_child.add, 2, 3) == 5

    def test_runs_in_another_process_that_leads_a_group_of_its_own(
        self, shared: StageProcess
    ) -> None:
        pid = shared.call(in_child.pid)
        assert pid != os.getpid()
        assert shared.call(in_child.group) == (pid, pid)

    def test_finds_the_child_of_the_last_call(self, shared: StageProcess) -> None:
        assert shared.call(in_child.pid) == shared.call(in_child.pid)

    def test_has_the_environment_that_was_asked_for(self, shared: StageProcess) -> None:
        assert shared.call(in_child.environment, "SOME_SETTING") == "some value"
        assert "SOME_SETTING" not in os.environ

    def test_finds_its_modules_loaded_ahead(self, shared: StageProcess) -> None:
        assert shared.call(in_child.loaded, "sqlite3")
        assert not shared.call(in_child.loaded, "torch")

    def test_takes_and_gives_more_than_a_pipe_holds(self, shared: StageProcess) -> None:
        assert shared.call(in_child.large, 5_000_000) == bytes(5_000_000)
        assert shared.call(len, bytes(5_000_000)) == 5_000_000

    def test_passes_progress_on(self, shared: StageProcess) -> None:
        seen: list[int] = []
        assert shared.call(in_child.count_to, 3, 0.25, on_progress=seen.append) == 3
        assert seen == [1, 2, 3]

    def test_keeps_progress_rare(self, shared: StageProcess) -> None:
        seen: list[int] = []
        shared.call(in_child.count_to, 2_000, 0, on_progress=seen.append)
        assert seen[0] == 1
        assert len(seen) < 200

    def test_needs_nobody_who_listens(self, shared: StageProcess) -> None:
        assert shared.call(in_child.count_to, 2, 0.25) == 2

    @pytest.mark.parametrize(
        ("function", "kind"), [(in_child.refuse, BadInput), (in_child.be_busy, Retriable)]
    )
    def test_raises_our_own_errors_as_they_are(
        self, shared: StageProcess, function: Any, kind: type[PoseError]
    ) -> None:
        pid = shared.call(in_child.pid)
        args = ("m.mp4: the file is empty",) if kind is BadInput else ()
        error = failure(shared, function, *args)
        assert type(error) is kind
        assert str(error) in {"m.mp4: the file is empty", "the GPU is busy"}
        assert shared.call(in_child.pid) == pid


class TestFailure:
    def test_of_any_other_kind_tells_the_last_lines(
        self, process: StageProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
        error = failure(process, in_child.fail, *(f"line {index}" for index in range(30)))
        assert isinstance(error, StageFailed)
        assert str(error).startswith("KeyError: ")
        assert error.output is not None
        lines = error.output.splitlines()
        assert len(lines) == 20
        assert lines[-1].startswith("KeyError: ")
        assert any('in_child.py", line' in line for line in lines)
        assert "line 29" in lines

    def test_tells_what_native_code_printed(self, process: StageProcess) -> None:
        error = failure(process, in_child.fail_with_native_output)
        assert error.output is not None
        lines = error.output.splitlines()
        assert lines[:3] == ["50%|#####", "100%|##########", "CUDA error: \ufffd"]

    @pytest.mark.parametrize("function", [in_child.give_a_lock, in_child.give_a_lambda])
    def test_to_send_the_result_back_is_told(self, process: StageProcess, function: Any) -> None:
        error = failure(process, function)
        assert isinstance(error, StageFailed)
        assert str(error).startswith("its result cannot be sent back: ")

    @pytest.mark.parametrize("function", [in_child.end_with, in_child.vanish])
    def test_by_ending_is_told_with_the_status(self, process: StageProcess, function: Any) -> None:
        error = failure(process, function, 3)
        assert isinstance(error, StageFailed)
        assert str(error) == "the finishing process ended with status 3"

    def test_to_load_ahead_is_told(self, tmp_path: Path) -> None:
        process = StageProcess("finishing", tmp_path / "log", {}, in_child.load_nothing)
        error = failure(process, in_child.add, 2, 3)
        assert isinstance(error, StageFailed)
        assert "No module named 'no_such_module'" in str(error.output)

    def test_to_find_the_function_is_told(self, process: StageProcess) -> None:
        def local() -> None: ...

        error = failure(process, local)
        assert isinstance(error, StageFailed)
        assert str(error).startswith("AttributeError: ")

    def test_to_pickle_the_arguments_leaves_no_child_in_doubt(self, process: StageProcess) -> None:
        with pytest.raises((AttributeError, TypeError)):
            process.call(in_child.add, threading.Lock(), 3)
        assert process.call(in_child.add, 2, 3) == 5

    @pytest.mark.parametrize(
        "function", [in_child.fail, in_child.vanish, in_child.give_a_lock, in_child.end_by]
    )
    def test_is_followed_by_a_call_that_works(self, process: StageProcess, function: Any) -> None:
        args = {in_child.vanish: (1,), in_child.end_by: (signal.SIGKILL,)}.get(function, ())
        failure(process, function, *args)
        assert process.call(in_child.add, 2, 3) == 5


class TestLostChild:
    @pytest.mark.parametrize(
        ("number", "told"),
        [
            (signal.SIGKILL, r"SIGKILL \(out of memory\? give the worker more"),
            (signal.SIGBUS, r"SIGBUS \(the scratch disk \(TMPDIR\) or /dev/shm is full\?"),
            (signal.SIGSEGV, r"SIGSEGV \(its native code crashed .* encode the movie anew"),
            (signal.SIGABRT, r"SIGABRT \(its native code crashed"),
            (signal.SIGILL, r"SIGILL \(its native code crashed"),
            (signal.SIGFPE, r"SIGFPE \(its native code crashed"),
            (signal.SIGTERM, r"SIGTERM$"),
            (signal.SIGRTMIN + 1, r"signal 3\d$"),
        ],
    )
    def test_by_a_signal_is_worth_another_try(
        self, process: StageProcess, number: int, told: str
    ) -> None:
        error = failure(process, in_child.end_by, number)
        assert isinstance(error, Retriable)
        assert re.fullmatch(rf"the finishing process was ended by {told}.*", str(error))
        assert process.call(in_child.add, 2, 3) == 5

    def test_tells_what_it_said_last(self, process: StageProcess) -> None:
        error = failure(process, in_child.say_and_die, "the last words")
        assert error.output == "the last words"

    def test_while_idle_is_replaced(self, process: StageProcess) -> None:
        pid = process.call(in_child.pid)
        child = process._child
        assert child is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: child.poll() is not None)
        assert process.call(in_child.pid) != pid

    def test_that_leaves_others_behind_is_noticed_and_they_end(
        self, process: StageProcess, marker: Path
    ) -> None:
        """A fork of the child holds the pipe open: no end of file tells of the child's death."""
        error = failure(process, in_child.leave_a_fork_behind_and_die, marker)
        assert isinstance(error, Retriable)
        wait_for(lambda: not is_alive(pid_in(marker)))

    def test_in_the_middle_of_a_call_is_noticed(self, process: StageProcess, marker: Path) -> None:
        killer = threading.Thread(target=lambda: os.kill(pid_in(marker), signal.SIGKILL))
        killer.start()
        assert isinstance(failure(process, in_child.sleep, marker), Retriable)
        killer.join()


class TestEnd:
    @pytest.mark.parametrize("error", [KeyboardInterrupt, BadInput, EOFError, BrokenPipeError])
    def test_of_a_cancelled_call_is_the_childs_end(
        self, process: StageProcess, error: type[BaseException]
    ) -> None:
        """Whatever a listener raises is raised, and nobody waits for the rest."""
        pid = process.call(in_child.pid)

        def cancel(_: int) -> None:
            raise error("enough")

        with pytest.raises(error, match="enough"):
            process.call(in_child.count_to, 1000, 0.1, on_progress=cancel)
        assert not is_alive(pid)
        assert process.call(in_child.add, 2, 3) == 5

    def test_comes_with_close_and_takes_everything_along(
        self, process: StageProcess, marker: Path
    ) -> None:
        pid = process.call(in_child.pid)

        def call_until_the_end() -> None:
            with suppress(PoseError, OSError):
                process.call(in_child.start_a_helper, marker)

        caller = threading.Thread(target=call_until_the_end)
        caller.start()
        helper = pid_in(marker)
        process.close()
        wait_for(lambda: not is_alive(helper) and not is_alive(pid))
        caller.join()

    def test_can_come_twice_or_before_anything_began(self, process: StageProcess) -> None:
        process.close()
        process.start()
        process.close()
        process.close()
        assert process.call(in_child.add, 2, 3) == 5

    def test_can_be_for_good(self, process: StageProcess) -> None:
        pid = process.call(in_child.pid)
        process.end()
        assert not is_alive(pid)
        with pytest.raises(StageFailed, match="ended with its run"):
            process.call(in_child.add, 2, 3)

    def test_for_good_ends_what_is_under_way(self, process: StageProcess) -> None:
        def end(_: int) -> None:
            threading.Thread(target=process.end).start()

        with pytest.raises(StageFailed, match="ended with its run"):
            process.call(in_child.count_to, 1000, 0.1, on_progress=end)

    @pytest.mark.parametrize(
        "call",
        [
            "process.call(in_child.sleep, marker)",
            "process.call(in_child.hang_in_native_code, marker)",
            "marker.write_text(str(process.call(in_child.pid))); import time; time.sleep(600)",
        ],
        ids=["busy", "hung", "idle"],
    )
    def test_comes_when_the_parent_is_killed(self, tmp_path: Path, call: str) -> None:
        marker = tmp_path / "marker"
        program = (
            "from pathlib import Path; from tasks.processes.stage_process import StageProcess; "
            "from tests.unit.processes import in_child; process = StageProcess('child', "
            f"Path({str(tmp_path / 'log')!r}), {{}}); marker = Path({str(marker)!r}); {call}"
        )
        parent = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY_ROOT)
        wait_for(lambda: marker.exists() and bool(marker.read_text()))
        started = [int(pid) for pid in marker.read_text().split()]
        assert all(map(is_alive, started))
        parent.kill()
        parent.wait()
        wait_for(lambda: not any(map(is_alive, started)))


class EndsIt(PosixPath):
    """A log at whose opening, while a child is started, the run ends."""

    end: Callable[[], None]

    def open(self, *args: Any, **options: Any) -> Any:
        if "a" in args[0]:
            self.end()
        return super().open(*args, **options)


def test_a_child_that_is_started_while_its_run_ends_is_ended(tmp_path: Path) -> None:
    log = EndsIt(tmp_path / "log")
    process = StageProcess("finishing", log, {})
    log.end = process.end
    assert str(failure(process, in_child.add, 2, 3)) == (
        "the finishing process was ended with its run"
    )
    assert process._child is None


class TestHungChild:
    """Silence is measured in seconds here, not in minutes."""

    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(PATIENCE.name, "3")

    def test_in_native_code_ends_with_all_that_it_has_started(
        self, process: StageProcess, marker: Path
    ) -> None:
        process.call(in_child.pid)
        patience = Patience("mouse1", 500)
        with pytest.raises(Retriable) as caught:
            process.call(in_child.hang_in_native_code, marker, patience=patience)
        assert re.match(
            r"the finishing process gave no sign of life for 4 s \(the limit for mouse1, 500 frames"
            r"\) and was ended; if it was only slow, set DLCFLOW_PATIENCE to more seconds than 3",
            str(caught.value),
        )
        assert caught.value.output == "about to hang"
        child, helper = map(int, marker.read_text().split())
        wait_for(lambda: not is_alive(child) and not is_alive(helper))
        assert process.call(in_child.pid) != child

    def test_that_is_stopped_from_outside_ends(self, process: StageProcess) -> None:
        pid = process.call(in_child.pid)
        os.kill(pid, signal.SIGSTOP)
        # More than a pipe holds: the parent hangs in sending it.
        assert "no sign of life" in str(failure(process, len, bytes(5_000_000)))
        wait_for(lambda: not is_alive(pid))
        assert process.call(in_child.add, 2, 3) == 5

    def test_is_none_that_reports(self, process: StageProcess) -> None:
        assert process.call(in_child.count_to, 5, 1.0) == 5

    def test_may_take_longer_once_all_frames_are_through(self, process: StageProcess) -> None:
        """The last of many messages arrives, though most of them are left out.

        Of the frames that the movie declares, one cannot be decoded.
        """
        told = [EstimationProgress(done, "decoding") for done in range(1, 101)]
        told.append(EstimationProgress(100, "", combines=True))
        with pytest.raises(Retriable, match="no sign of life for 8 s"):
            process.call(in_child.report_and_hang, told, patience=Patience("m", 101))

    def test_is_none_whose_parent_is_busy(self, process: StageProcess) -> None:
        assert process.call(in_child.count_to, 2, 0.5, on_progress=lambda _: time.sleep(4)) == 2

    def test_may_not_be_waited_for_without_end(
        self, process: StageProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(PATIENCE.name, "for ever")
        assert "DLCFLOW_PATIENCE: expected seconds" in str(failure(process, in_child.add, 2, 3))


class TestPool:
    @pytest.fixture
    def pool(self, tmp_path: Path) -> Iterator[StagePool]:
        pool = StagePool([StageProcess(f"{i}", tmp_path / f"{i}.log", {}) for i in range(2)])
        yield pool
        pool.end()

    def test_leases_each_child_to_one_at_a_time(self, pool: StagePool) -> None:
        with pool.lease() as one, pool.lease() as other:
            assert one is not other
            waiting = threading.Thread(target=self.lease_shortly, args=(pool,))
            waiting.start()
            waiting.join(0.1)
            assert waiting.is_alive()
        waiting.join()

    def test_gets_a_child_back_from_a_block_that_fails(self, pool: StagePool) -> None:
        for _ in range(3):
            with pytest.raises(ValueError, match="broken"), pool.lease():
                raise ValueError("broken")
        with pool.lease(), pool.lease() as process:
            assert process.call(in_child.add, 2, 3) == 5

    def test_ends_all_its_children(self, pool: StagePool) -> None:
        pool.start()
        with pool.lease() as one, pool.lease() as other:
            pids = [one.call(in_child.pid), other.call(in_child.pid)]
        pool.end()
        assert not any(map(is_alive, pids))

    @staticmethod
    def lease_shortly(pool: StagePool) -> None:
        with pool.lease():
            pass


def test_last_lines_of_a_child_that_printed_nothing_are_empty(tmp_path: Path) -> None:
    assert StageProcess("x", tmp_path / "log", {}).read_last_lines() == ""


def test_libraries_are_kept_to_the_threads_that_may_be_used() -> None:
    assert 1 <= count_usable_cpus() <= len(os.sched_getaffinity(0))
    limits = thread_limits(3)
    assert limits["OMP_WAIT_POLICY"] == "PASSIVE"
    assert {value for name, value in limits.items() if name.endswith("THREADS")} == {"3"}
