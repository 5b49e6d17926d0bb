"""The page that shows what a look at an inbox found, started and left alone."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from prefect.utilities.urls import url_for

from tasks.inbox.inbox_batch import InboxBatch, Standing, summarize_batches
from tasks.messages import escape_markdown
from tasks.stages.artifacts import artifact_key, show_artifact
from tasks.stages.stage import stage
from tasks.storage.location import Location

MAX_SECTION_ROWS = 50
"""Batches of each kind that a page shows."""

_SECTION_ORDER = (
    Standing.REFUSED,
    Standing.FAILED,
    Standing.STARTED,
    Standing.WAITING,
    Standing.DUE,
    Standing.CURRENT,
)


@stage("Tell", "tell · {inbox}")
def show_page(
    inbox: Location, found: Sequence[InboxBatch], behavior: Sequence[InboxBatch] = ()
) -> tuple[str, str]:
    """Show what was found, started and skipped; each look's page is a version of the inbox' own.

    Returns:
        The same in one sentence.
    """
    sentence = summarize_look(found, behavior)
    show_artifact(artifact_key("inbox", str(inbox)), render_inbox_page(inbox, found, behavior))
    return sentence, sentence


def summarize_look(found: Sequence[InboxBatch], behavior: Sequence[InboxBatch] = ()) -> str:
    """Count the batches in each state, and the behavior runs that follow if there are any."""
    counted = summarize_batches(found)
    return f"{counted}; behavior: {summarize_batches(behavior)}" if behavior else counted


def render_inbox_page(
    inbox: Location, found: Sequence[InboxBatch], behavior: Sequence[InboxBatch] = ()
) -> str:
    """Render the page: what needs somebody first, and the newest of each kind first."""
    lines = [f"# {escape_markdown(str(inbox))}", "", f"{summarize_look(found, behavior)}.", ""]
    if not found:
        lines += ["This inbox holds nothing that can be analyzed.", ""]
    for standing in _SECTION_ORDER:
        lines += _render_section(
            standing, [b for b in (*found, *behavior) if b.standing is standing]
        )
    return "\n".join(lines)


def _render_section(standing: Standing, found: Sequence[InboxBatch]) -> Iterable[str]:
    """A table of the newest batches that stand alike."""
    if not found:
        return ()
    never = datetime.min.replace(tzinfo=UTC)
    newest = sorted(
        found,
        key=lambda b: max((movie.modified or never for movie in b.movies), default=never),
        reverse=True,
    )
    rows = []
    for b in newest[:MAX_SECTION_ROWS]:
        name, url = escape_markdown(b.name), b.run and url_for("flow-run", b.run)
        linked = f"[{name}]({url})" if url else name
        rows.append(f"| {linked} | {len(b.movies)} | {escape_markdown(b.reason)} |")
    more = (
        [f"| and {len(found) - MAX_SECTION_ROWS} more | | |"]
        if len(found) > MAX_SECTION_ROWS
        else []
    )
    head = ["| batch | movies | why |", "|---|---|---|"]
    return (f"## {standing.capitalize()}: {len(found)}", "", *head, *rows, *more, "")
