"""Prefect's process worker, but for one thing that ends it, and with it all runs that it has.

``python -m deployments.steady_worker worker start …`` is Prefect's own command otherwise.

A worker asks the server for runs and starts them. When the server is slow, its answer may hold a
run that the worker has started meanwhile. Prefect 3.8.8 then raises an error that nothing catches,
since the run holds its place already (measured on a busy machine, among some twenty runs).
"""

import sys
import warnings

from prefect.cli import app
from prefect.client.schemas.objects import FlowRun
from prefect.workers.process import ProcessWorker

_HELD = "already holding"
"""In the words of the error that a run raises which has its place."""

with warnings.catch_warnings():
    # That it takes the place of the class of this type is the purpose.
    warnings.simplefilter("ignore")

    class SteadyWorker(ProcessWorker):
        """A process worker that passes over runs which it has."""

        type = "process"

        async def get_and_submit_flow_runs(self) -> list[FlowRun]:
            """Look for runs and start them; those behind a held one wait for the next look."""
            try:
                return await super().get_and_submit_flow_runs()
            except RuntimeError as error:
                if _HELD not in str(error):
                    raise
                return []


if __name__ == "__main__":
    sys.argv[0] = "prefect"
    app()
