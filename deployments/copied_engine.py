"""Prefect's engine in a copy of a process that has loaded Prefect and the flows.

Nothing is loaded with this module: its name is all that those need who look for such a process.
"""

import runpy
import sys

from tasks.processes.owner import end_with_owner


def load_flows() -> None:
    """Load Prefect's engine and all flows; in a template, before it is copied."""
    import prefect._internal.metrics  # noqa: PLC0415
    import prefect.flow_engine  # noqa: F401, PLC0415

    import flows.behavior  # noqa: PLC0415
    import flows.inbox  # noqa: PLC0415
    import flows.neural  # noqa: PLC0415
    import flows.pose_estimation  # noqa: F401, PLC0415


def main(owner: int, start: str) -> None:
    """Carry out the flow run that the environment names.

    Args:
        owner: Number of the process that the worker has started for this run.
        start: That process' start.
    """
    from prefect.context import refresh_global_settings_context  # noqa: PLC0415

    end_with_owner(owner, start)
    refresh_global_settings_context()  # the template has read its environment, not this one
    sys.argv[1:] = []
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
