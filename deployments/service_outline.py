"""What `make up` says in the end: where to go, and what to do first."""

from deployments.background import SETTINGS_FILE, ServiceParts
from deployments.demo.inputs import DEMO_BUCKET
from tasks.environment_variables import INBOX, read_inbox


def describe_service(parts: ServiceParts, *, embedded: bool) -> str:
    """Describe what is up: addresses, first steps, and where logs are.

    Args:
        parts: The parts, which are up.
        embedded: Whether the object store is one of them.
    """
    store, results = (
        parts.environment.get("AWS_ENDPOINT_URL", ""),
        f"s3://{DEMO_BUCKET}/results/first/",
    )
    real = f"AWS_ENDPOINT_URL=… AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… {INBOX}=s3://… make up"
    lines = [
        "",
        f"open            {parts.started.get('page', {}).get('url', '')} (results)",
        f"Prefect's UI    {parts.environment['PREFECT_UI_URL']} (runs as they go)",
    ]
    if embedded:
        lines += [
            "first run       Prefect's UI: Deployments → pose-estimation → Run → Quick run",
            f"results         {results}",
            f"object store    {store} (embedded; objects stay until `make reset`)",
            f"a real store    {real}",
        ]
    lines += [
        f"inbox           {_describe_inbox(read_inbox(parts.environment))}",
        (
            f"in a shell      source {parts.folder / SETTINGS_FILE}  # python -m flows … then uses "
            "it too"
        ),
        f"logs            {parts.folder}/ (logs of runs: worker.log)",
    ]
    return "\n".join([*lines, ""])


def _describe_inbox(location: str | None) -> str:
    if location:
        return f"{location} (make drop MOVIE=my-movie.mp4)"
    return f"none, runs start from the form only ({INBOX}=s3://bucket/inbox/ make up)"
