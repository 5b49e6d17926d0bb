"""Prefect's process worker, but for three things.

``python -m deployments.steady_worker worker start …`` is Prefect's own command otherwise.

- At SIGTERM Prefect kills the runs that the worker has, and says so to nobody (measured).
  Here they go on to their end, and then the worker ends.
- Of a cancelled run it says no more than "successfully". Here it says who cancelled it, and when.
- Its command for a run loads Prefect twice. Here runs have the command `deployments.run_engine`.
- The folder that a run begins in stays for good where its worker is killed. Here the next one goes.
"""

import os
import signal
import sys
import warnings
from contextlib import ExitStack
from typing import Any, Self
from uuid import UUID

from anyio import to_thread
from prefect.cli import app
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.utilities.processutils import command_to_string
from prefect.workers.process import (
    ProcessJobConfiguration,
    ProcessWorker,
    ProcessWorkerResult,
)

from deployments import run_engine
from tasks.run.scratch_folder import WORK_PREFIX, create_scratch_folder
from tasks.stages.cancellation import record_who_cancelled

_IDLE_POLLS = 2

_ENGINE_COMMAND = command_to_string([sys.executable, "-m", run_engine.__name__])

with warnings.catch_warnings():
    # That it takes the place of the class of this type is the purpose.
    warnings.simplefilter("ignore")

    class SteadyWorker(ProcessWorker):
        """A process worker that lets its runs end before it does."""

        type = "process"

        quiet_looks: int | None = None
        """Once it is to end: how many looks have found that it has no run."""

        async def __aenter__(self) -> Self:
            """Begin, with SIGTERM as it is here: Prefect's command has set its own."""
            signal.signal(signal.SIGTERM, lambda *_: self.drain())
            await super().__aenter__()
            return self

        def drain(self) -> None:
            """Take no more runs, and end with the last one."""
            self.quiet_looks = self.quiet_looks or 0

        async def get_and_submit_flow_runs(self) -> list[FlowRun]:
            """Look for runs and start them, unless it is to end."""
            if self.quiet_looks is None:
                return await super().get_and_submit_flow_runs()
            self._end_when_idle()
            return []

        async def run(
            self,
            flow_run: FlowRun,
            configuration: ProcessJobConfiguration,
            *args: Any,
            **options: Any,
        ) -> ProcessWorkerResult:
            """Carry out a run until all has been said about it."""
            if not configuration._command_configured:  # noqa: SLF001 - whether it is somebody's
                configuration.command = _ENGINE_COMMAND
                configuration._command_configured = True  # noqa: SLF001
            folder = ExitStack()
            if configuration.working_dir is None:
                # Prefect's own one would stay for good after a kill.
                made = create_scratch_folder(WORK_PREFIX)
                configuration.working_dir = folder.enter_context(made)
            try:
                with folder:
                    return await super().run(flow_run, configuration, *args, **options)
            finally:
                await to_thread.run_sync(self._log_who_cancelled, flow_run.id)

        def _log_who_cancelled(self, run: UUID) -> None:
            try:
                with get_client(sync_client=True) as client:
                    record_who_cancelled(client, run)
            except Exception as error:  # noqa: BLE001 - Prefect's own words must do
                self._logger.warning(
                    "The user who cancelled the run %s is not known: %s", run, error
                )

        def _end_when_idle(self) -> None:
            """End, but not before all has been said about the last run."""
            busy = self.limiter.borrowed_tokens > 0
            self.quiet_looks = 0 if busy else (self.quiet_looks or 0) + 1
            if self.quiet_looks == _IDLE_POLLS:
                os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.argv[0] = "prefect"
    app()
