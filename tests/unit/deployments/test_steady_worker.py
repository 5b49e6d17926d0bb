"""A worker that is told once more of a run that it has."""

import asyncio
from uuid import uuid4

import anyio
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.utilities.dispatch import lookup_type
from prefect.workers.base import BaseWorker

from deployments.steady_worker import SteadyWorker


def test_it_passes_over_a_run_that_it_has() -> None:
    """A slow server's answer may hold a run that has been started meanwhile."""

    async def take(run: FlowRun) -> list[FlowRun]:
        worker = SteadyWorker(work_pool_name="gpu")
        worker._limiter = anyio.CapacityLimiter(3)
        worker._limiter.acquire_on_behalf_of_nowait(run.id)
        told = WorkerFlowRunResponse(work_pool_id=uuid4(), work_queue_id=uuid4(), flow_run=run)
        return await worker._submit_scheduled_flow_runs([told])

    assert asyncio.run(take(FlowRun(flow_id=uuid4()))) == []


def test_prefect_takes_it_for_its_process_worker() -> None:
    assert lookup_type(BaseWorker, "process") is SteadyWorker
