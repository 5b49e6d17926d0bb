"""The lock on an output location in flow runs, on a real Prefect server."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.exceptions import Abort, TerminationSignal
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed

from tasks.errors import Retriable, StageFailed
from tasks.output import lock
from tasks.output.lock import LockLost, OutputLock, check_lock, hold_output_lock, write_on_behalf_of
from tasks.output.lock_stage import lock_output
from tasks.pose.results.run_record import RequestRecord
from tasks.pose.settings import PoseSettings
from tasks.processes.pool import RunProcesses, StagePool
from tasks.processes.stage_process import StageProcess
from tasks.run_data import FetchedInput, MovieSource, ResolvedRequest
from tasks.spread.request_run import (
    SpreadMovie,
    SpreadRequest,
    _end_runs_on_failure,
    _this_flow_run,
    _watch_runs,
)
from tasks.stages.progress import cancel_work_at_exit, check_running
from tasks.stages.stage import end_with_message
from tasks.storage.claims import Claim, Holder
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tasks.storage.store import ObjectInfo
from tests.integration.storage.faults import AnswerItself, FaultyProxy, fail_on, run_faulty_proxy
from tests.support.records import example_input
from tests.support.stores import StoreSettings, create_s3_client
from tests.support.waiting import wait_for
from tests.unit.processes import in_child


@pytest.fixture
def output(tmp_path: Path) -> Location:
    return Location("", f"{tmp_path}/out/")


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[RunProcesses]:
    estimator = StageProcess("estimation", tmp_path / "log", {})
    found = RunProcesses(estimator, StagePool([]), threading.Lock())
    yield found
    found.end()


def request(output: Location) -> ResolvedRequest:
    given = RequestRecord(
        model="m.zip", movies=("in/",), output=str(output), settings=PoseSettings()
    )
    model = ObjectInfo(Location.parse("/m.zip"), 1, "e", None, None, None)
    return ResolvedRequest(given, model, (), output, (), LocationStore())


def of_somebody(output: Location, run: str = "other") -> Claim:
    holder = Holder(run, "m1 · openfield", "gpu-2", "noon")
    folder = output.child(".dlcflow", "lock/")
    return Claim(LocationStore(), folder, holder)


def left(output: Location) -> list[str]:
    return [info.location.name for info in LocationStore().list(output)]


def take_away(output: Location, run: str = "other") -> Claim:
    """Do to a holder what whoever takes it for dead does."""
    store = LocationStore()
    for info in list(store.list(output.child(".dlcflow", "lock/"))):
        store.remove(info.location)
    claim = of_somebody(output, run)
    claim.acquire(lambda holder: None)
    return claim


def run(work: Callable[[OutputLock], Any], tell: Callable[[str], Any] = str) -> Any:
    """A flow run that works while it has the lock."""

    @flow
    @end_with_message
    def a_flow() -> tuple[Any, str]:
        tell(str(flow_run.id))
        with hold_output_lock() as writer:
            return work(writer), "done"

    return a_flow(return_state=True)


def stages(run_id: str) -> Any:
    with get_client(sync_client=True) as server:
        chosen = FlowRunFilter.model_validate({"id": {"any_": [run_id]}})
        return server.read_task_runs(flow_run_filter=chosen)


@pytest.mark.usefixtures("prefect_server")
class TestLock:
    def test_is_held_until_the_run_ends(self, output: Location, workers: RunProcesses) -> None:
        def work(writer: OutputLock) -> list[str]:
            locked = lock_output(request(output), writer, workers)
            check_lock()
            assert locked.warnings == ()
            return left(output)

        claim, sign = run(work).result()
        assert (claim, sign[:9]) == ("00000001", "00000001.")
        assert left(output) == []

    @pytest.mark.parametrize("error", [Retriable, KeyboardInterrupt])
    def test_is_given_up_when_the_run_fails(
        self, output: Location, workers: RunProcesses, error: type[BaseException]
    ) -> None:
        def work(writer: OutputLock) -> None:
            lock_output(request(output), writer, workers)
            raise error("enough")

        try:
            assert run(work).is_failed()
        except KeyboardInterrupt:
            assert error is KeyboardInterrupt
        assert left(output) == []

    def test_is_renewed(
        self, output: Location, workers: RunProcesses, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lock, "RENEW_INTERVAL", 0.05)

        def work(writer: OutputLock) -> None:
            lock_output(request(output), writer, workers)
            (sign,) = [name for name in left(output) if "." in name]
            path = output.child(".dlcflow", "lock", sign).path
            wait_for(lambda: int(path.read_text()) > 5)

        assert run(work).is_completed()

    def test_is_waited_for_and_the_ui_says_for_whom(
        self, output: Location, workers: RunProcesses
    ) -> None:
        other = of_somebody(output)
        other.acquire(lambda holder: None)
        waiting: list[str] = []
        run_id: list[str] = []

        def look() -> None:
            """Once the UI says that it waits, the other run ends."""
            wait_for(lambda: run_id)

            def told() -> list[str]:
                found = [s.state for s in stages(run_id[0]) if s.state]
                return [str(s.message) for s in found if s.name == "Waiting"]

            waiting.extend(wait_for(told))
            other.release()

        watch = threading.Thread(target=look)
        watch.start()
        state = run(lambda writer: lock_output(request(output), writer, workers), run_id.append)
        watch.join()
        assert state.is_completed()
        whom = "run 'm1 · openfield' (other) on gpu-2, since noon"
        assert waiting == [f"Waits for {whom}, which writes to {output}"]
        (stage,) = wait_for(lambda: [s for s in stages(run_id[0]) if s.state.is_final()])
        assert stage.state.name == "Completed"
        assert whom in stage.state.message

    def test_that_is_lost_lets_nothing_more_be_written(
        self, output: Location, workers: RunProcesses
    ) -> None:
        def work(writer: OutputLock) -> None:
            lock_output(request(output), writer, workers)
            take_away(output)
            check_lock()

        state = run(work)
        assert isinstance(state.result(raise_on_failure=False), LockLost)
        assert "taken over by run 'm1 · openfield' (other) on gpu-2" in state.message
        assert [name for name in left(output) if "." not in name] == ["00000001"]

    def test_that_is_lost_ends_the_work_at_once(
        self, output: Location, workers: RunProcesses, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lock, "RENEW_INTERVAL", 0.1)

        def work(writer: OutputLock) -> None:
            lock_output(request(output), writer, workers)
            take_away(output)
            try:
                workers.estimator.call(in_child.count_to, 10_000, 1.0)
            finally:
                get_run_logger().info("ended")
                check_lock()

        assert "taken over" in run(work).message

    def test_that_this_run_itself_took_over_elsewhere_ends_it_without_a_word(
        self, output: Location, workers: RunProcesses
    ) -> None:
        run_id: list[str] = []

        def work(writer: OutputLock) -> None:
            lock_output(request(output), writer, workers)
            take_away(output, run_id[0])
            check_lock()

        with pytest.raises(Abort):
            run(work, run_id.append)
        with get_client(sync_client=True) as server:
            state = server.read_flow_run(UUID(run_id[0])).state
        assert state
        assert state.is_running()

    def test_that_is_lost_lets_no_other_movie_begin(
        self, output: Location, workers: RunProcesses, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lock, "RENEW_INTERVAL", 0.05)

        def work(writer: OutputLock) -> None:
            lock_output(request(output), writer, workers)
            take_away(output)
            with cancel_work_at_exit(workers.ended):
                assert workers.ended.wait(60)
                with pytest.raises(StageFailed, match="m2: it ended with its run"):
                    check_running("m2")
            check_lock(ask=False)

        assert isinstance(run(work).result(raise_on_failure=False), LockLost)

    def test_that_is_lost_ends_the_wait_for_movies_runs(
        self, output: Location, workers: RunProcesses, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lock, "RENEW_INTERVAL", 0.05)

        def work(writer: OutputLock) -> None:
            locked = lock_output(request(output), writer, workers)
            take_away(output)
            for _ in _watch_runs(spread_of(locked)):
                pass

        assert "taken over" in run(work).message

    def test_stays_for_those_that_go_on_where_the_run_s_worker_ends(
        self, output: Location, workers: RunProcesses
    ) -> None:
        @flow
        def a_flow() -> str:
            # Beyond the flow, Prefect would end this process by the signal.
            with suppress(TerminationSignal), hold_output_lock() as writer:
                locked = lock_output(request(output), writer, workers)
                with _end_runs_on_failure(spread_of(locked)):
                    raise TerminationSignal(signal=15)
            return str(flow_run.id)

        run_id = a_flow()
        folder = str(output.child(".dlcflow", "lock/"))
        with write_on_behalf_of(LocationStore(), run_id, folder):
            check_lock()
            take_away(output)
            with pytest.raises(
                LockLost, match=f"{run_id}, for which this run works, no longer has"
            ):
                check_lock()

    def test_whose_successor_has_ended_already_ends_without_a_word(
        self, output: Location, workers: RunProcesses
    ) -> None:
        """Nobody is left to tell that it was this same run, started again elsewhere."""
        run_id: list[str] = []

        def work(writer: OutputLock) -> None:
            lock_output(request(output), writer, workers)
            take_away(output, run_id[0]).release()
            with get_client(sync_client=True) as server:
                done: Any = Completed(message="elsewhere")
                server.set_flow_run_state(UUID(run_id[0]), done, force=True)
            check_lock()

        with pytest.raises(Abort):
            run(work, run_id.append)
        with get_client(sync_client=True) as server:
            state = server.read_flow_run(UUID(run_id[0])).state
        assert state
        assert state.message == "elsewhere"


def spread_of(locked: ResolvedRequest) -> SpreadRequest:
    """A request whose movie's run has not begun."""
    source = MovieSource(0, "m1", locked.model)
    fetched = FetchedInput(Path("/m.zip"), example_input("/m.zip"))
    errands = [SpreadMovie(source, locked.output)]
    return SpreadRequest(locked, fetched, Path("/"), _this_flow_run(), locked.output, errands)


def test_without_a_lock_nothing_is_checked() -> None:
    check_lock()
    with hold_output_lock():
        check_lock()


@pytest.fixture
def bucket(
    object_store: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Location, FaultyProxy]]:
    """A bucket of a store that a proxy stands before."""
    name = "locking"
    create_s3_client(object_store).create_bucket(Bucket=name)
    with run_faulty_proxy(object_store["AWS_ENDPOINT_URL"]) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield Location(name, "out/"), proxy


def test_a_store_that_cannot_lock_is_told_of_and_used(
    prefect_server: None, bucket: tuple[Location, FaultyProxy], workers: RunProcesses
) -> None:
    output, proxy = bucket
    proxy.use_rule(fail_on("PUT", AnswerItself(501, "NotImplemented")))

    def work(writer: OutputLock) -> tuple[str, ...]:
        locked = lock_output(request(output), writer, workers)
        check_lock()
        return locked.warnings

    (warning,) = run(work).result()
    assert warning.startswith(f"two runs at once could write to {output}, since it cannot be")
    assert "does not support this request" in warning
    proxy.use_rule(lambda _: None)
    assert left(output) == []
