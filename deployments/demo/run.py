"""``make demo``: from bucket to bucket on our own model and movie, with nothing to set up.

Starts an embedded S3 store (moto's server, on a free loopback port), puts the demo's inputs in a
bucket, runs the flow against it with an ephemeral Prefect server, and brings the results back.
"""

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deployments.demo.inputs import DEMO_BUCKET, DEMO_FOLDER, MODEL_FILE, STORE_CREDENTIALS
from tasks.command_line.prefect_environment import prepare_environment

ROOT = DEMO_FOLDER.parents[1]
RESULTS_FOLDER = ROOT / "demo-results"


def main() -> int:
    """Run the demo and say where to look; the exit status is that of the run."""
    prepare_environment()
    with embedded_store():
        status = _run_demo_request(f"s3://{DEMO_BUCKET}")
        if status == 0:
            record = _download_results(f"s3://{DEMO_BUCKET}/results/")
            _print_line(_format_results_table(record))
    return status


@contextmanager
def embedded_store() -> Iterator[str]:
    """Serve an empty object store on loopback and point boto3 at it; yields its address."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(STORE_CREDENTIALS | {"AWS_ENDPOINT_URL": url})
    try:
        _print_line(f"object store: {url} (it keeps nothing when the demo ends)")
        yield url
    finally:
        server.stop()


def _run_demo_request(bucket: str) -> int:
    """Put the inputs in the bucket and run the command that a user would type."""
    from deployments.demo.fill import upload_inputs  # noqa: PLC0415
    from flows.__main__ import main as command  # noqa: PLC0415

    upload_inputs(DEMO_BUCKET)
    request = ["--model", f"{bucket}/models/{MODEL_FILE.name}", "--movies", f"{bucket}/movies/"]
    looks = ["--draw-skeleton", "--dot-size", "4"]
    _print_line(
        f"$ python -m flows run {' '.join(request)} --output {bucket}/results/ {' '.join(looks)}"
    )
    return command(["run", *request, "--output", f"{bucket}/results/", *looks])


def _download_results(prefix: str) -> Any:
    """Download every result to a fresh folder; returns the run record."""
    from tasks.pose.results.run_record import RunRecord  # noqa: PLC0415
    from tasks.storage.location import Location  # noqa: PLC0415
    from tasks.storage.lookup import LocationStore  # noqa: PLC0415

    shutil.rmtree(RESULTS_FOLDER, ignore_errors=True)
    location = Location.parse(prefix)
    store = LocationStore()
    for info in store.list(location):
        store.download(info, RESULTS_FOLDER / info.location.key.removeprefix(location.key))
    return RunRecord.model_validate_json((RESULTS_FOLDER / "run.json").read_text(encoding="utf-8"))


def _format_results_table(record: Any) -> str:
    """One line a movie: what came out, and what to open first."""
    rows = [("movie", "frames", "frames/s", "verdict", "where to look")]
    for movie in record.movies:
        speed = movie.stages["Estimate poses"].frames_per_second
        look = (RESULTS_FOLDER / movie.name / "labeled.mp4").relative_to(ROOT)
        rows.append(
            (movie.name, str(movie.frames.poses), f"{speed:.0f}", movie.quality.verdict, str(look))
        )
    rows.append(("(all)", "", "", "", str((RESULTS_FOLDER / "report.html").relative_to(ROOT))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n" + "\n".join(line.rstrip() for line in lines)


def _print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
