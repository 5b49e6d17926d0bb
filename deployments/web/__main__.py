"""A page for scientists: results, movies, starting runs, and uploads in a browser.

    python -m deployments.web --port 4204

It shows the runs below DLCFLOW_WEB_RESULTS, with the store as boto3 is set up for it, and talks to
the server that PREFECT_API_URL names. docs/web.md says how to put it on a network.
"""

import argparse
import ipaddress
import logging
import sys
import tempfile
from pathlib import Path

from deployments.web.web_settings import WebSettings, read_web_settings
from tasks.environment_variables import WEB_PASSWORD, WEB_USER_HEADER
from tasks.errors import BadInput

MIN_PASSWORD_LENGTH = 8


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.web",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=4204, help="port to listen at")
    parser.add_argument(
        "--cache",
        type=Path,
        help="folder that remembers which runs there are; by default a temporary one",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(message)s")
    try:
        settings = read_web_settings()
        check_access(options.host, settings)
    except BadInput as error:
        parser.error(str(error))
    if options.cache:
        run_page(options.host, options.port, settings, options.cache)
        return 0
    with tempfile.TemporaryDirectory(prefix="dlcflow-page-") as folder:
        run_page(options.host, options.port, settings, Path(folder))
    return 0


def check_access(host: str, settings: WebSettings) -> None:
    """Refuse to let everybody in who can reach this machine.

    Raises:
        BadInput: It would listen beyond loopback without asking who comes, or the password is
            too short.
    """
    if settings.password and len(settings.password) < MIN_PASSWORD_LENGTH:
        raise BadInput(
            f"{WEB_PASSWORD}: expected {MIN_PASSWORD_LENGTH} characters or more, found fewer; "
            "choose a longer password"
        )
    if not is_loopback(host) and not settings.has_login:
        raise BadInput(
            f"--host {host}: everybody who can reach this machine could open the page; set "
            f"{WEB_PASSWORD}, or {WEB_USER_HEADER} behind a proxy that lets people in"
        )


def is_loopback(host: str) -> bool:
    """Return whether an address to listen at is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def run_page(host: str, port: int, settings: WebSettings, cache: Path) -> None:
    """Serve the page."""
    import uvicorn  # noqa: PLC0415

    from deployments.web.application import create_application  # noqa: PLC0415 - slow to load

    uvicorn.run(
        create_application(settings, cache),
        host=host,
        port=port,
        log_level="info",
        access_log=False,
        # Who asks is whoever connects: the gate itself knows which proxies to believe.
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    sys.exit(main())
