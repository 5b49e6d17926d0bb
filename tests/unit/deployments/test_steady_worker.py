"""A worker that is told once more of a run that it has."""

import asyncio
from uuid import uuid4

import anyio
import pytest
from prefect.utilities.dispatch import lookup_type
from prefect.workers.base import BaseWorker
from prefect.workers.process import ProcessWorker

from deployments.steady_worker import SteadyWorker


def answers(error: Exception, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    async def look(_worker: ProcessWorker) -> list[object]:
        raise error

    monkeypatch.setattr(ProcessWorker, "get_and_submit_flow_runs", look)
    worker = SteadyWorker(work_pool_name="gpu")
    return list(asyncio.run(worker.get_and_submit_flow_runs()))


def held_twice() -> Exception:
    """The error of a run that takes its place a second time."""

    async def hold() -> None:
        limiter, run = anyio.CapacityLimiter(3), uuid4()
        limiter.acquire_on_behalf_of_nowait(run)
        limiter.acquire_on_behalf_of_nowait(run)

    with pytest.raises(RuntimeError) as raised:
        asyncio.run(hold())
    return raised.value


def test_it_passes_over_a_run_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers(held_twice(), monkeypatch) == []


def test_other_errors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="something else"):
        answers(RuntimeError("something else"), monkeypatch)


def test_prefect_takes_it_for_its_process_worker() -> None:
    assert lookup_type(BaseWorker, "process") is SteadyWorker
