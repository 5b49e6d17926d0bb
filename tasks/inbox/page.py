"""The page that shows what a look at an inbox found, started and left alone."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from prefect.utilities.urls import url_for

from tasks.inbox.inbox_batch import InboxBatch, Standing, summarize_batches
from tasks.inbox.left_out import NONE, LeftOut
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
    inbox: Location,
    found: Sequence[InboxBatch],
    behavior: Sequence[InboxBatch],
    left_out: LeftOut,
    neural: Sequence[InboxBatch] = (),
) -> tuple[str, str]:
    """Show what was found, started and skipped; each look's page is a version of the inbox' own.

    Returns:
        The same in one sentence.
    """
    sentence = summarize_look(found, behavior, left_out, neural)
    page = render_inbox_page(inbox, found, behavior, left_out, neural)
    show_artifact(artifact_key("inbox", str(inbox)), page)
    return sentence, sentence


def summarize_look(
    found: Sequence[InboxBatch],
    behavior: Sequence[InboxBatch] = (),
    left_out: LeftOut = NONE,
    neural: Sequence[InboxBatch] = (),
) -> str:
    """Count the batches in each state, the runs that follow, and files left out."""
    told = [summarize_batches(found)]
    told += [f"behavior: {summarize_batches(behavior)}"] if behavior else []
    told += [f"neural: {summarize_batches(neural)}"] if neural else []
    told += [f"{len(left_out.files)} left out"] if left_out.files else []
    return "; ".join(told)


def render_inbox_page(
    inbox: Location,
    found: Sequence[InboxBatch],
    behavior: Sequence[InboxBatch] = (),
    left_out: LeftOut = NONE,
    neural: Sequence[InboxBatch] = (),
) -> str:
    """Render the page: what needs somebody first, and the newest of each kind first."""
    sentence = summarize_look(found, behavior, left_out, neural)
    lines = [f"# {escape_markdown(str(inbox))}", "", f"{sentence}.", ""]
    if not found:
        lines += ["This inbox holds nothing that can be analyzed.", ""]
    for standing in _SECTION_ORDER:
        lines += _render_section(
            standing, [b for b in (*found, *behavior, *neural) if b.standing is standing]
        )
        if standing is Standing.FAILED:
            lines += _render_left_out(left_out)
    if left_out.sentence:
        lines += [f"{escape_markdown(left_out.sentence)}.", ""]
    return "\n".join(lines)


def _render_left_out(left_out: LeftOut) -> Iterable[str]:
    """A table of the files that no run takes."""
    if not left_out.files:
        return ()
    rows = [
        f"| {escape_markdown(file.name)} | {escape_markdown(file.reason)} "
        f"| {escape_markdown(file.remedy)} |"
        for file in left_out.files[:MAX_SECTION_ROWS]
    ]
    more = len(left_out.files) - MAX_SECTION_ROWS
    rows += [f"| and {more} more | | |"] if more > 0 else []
    head = ["| file | why | what to do |", "|---|---|---|"]
    return (f"## Left out: {len(left_out.files)}", "", *head, *rows, "")


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
