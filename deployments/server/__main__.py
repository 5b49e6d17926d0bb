"""Prefect's own server, kept quiet: neither it nor its pages ask anybody else for anything.

    python -m deployments.server --host 0.0.0.0 --port 4200

It is what ``prefect server start`` runs, API, UI and background services, with these differences:
answers carry a content security policy, lists that Prefect would fetch from GitHub come from
the installed package, our runs have rules for their states (``state_rules.py``) and are named for
their movies from the start (``name_new_runs.py``), and a process beside the server looks after them
(``deployments/upkeep``). Whatever else is set for a Prefect server holds for this one.
"""

import argparse
import sys

from deployments.server.application import run_server


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=4200, help="port to listen at")
    parser.add_argument(
        "--no-upkeep", action="store_true", help="start no process that looks after runs"
    )
    options = parser.parse_args(arguments)
    run_server(options.host, options.port, has_upkeep=not options.no_upkeep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
