"""The page that shows what a look at an inbox found, started and left alone."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from prefect.utilities.urls import url_for

from tasks.inbox.batches import Batch, Standing, in_one_sentence
from tasks.messages import escaped
from tasks.stages.artifacts import key_of, show
from tasks.stages.stage import stage
from tasks.storage.location import Location

SHOWN = 50
"""Batches of each kind that a page shows."""

_FIRST = (
    Standing.REFUSED,
    Standing.FAILED,
    Standing.STARTED,
    Standing.WAITING,
    Standing.DUE,
    Standing.CURRENT,
)


@stage("Tell", "tell · {inbox}")
def tell(inbox: Location, found: Sequence[Batch]) -> tuple[str, str]:
    """Show what was found, started and skipped; each look's page is a version of the inbox' own.

    Returns:
        The same in one sentence.
    """
    sentence = in_one_sentence(found)
    show(key_of("inbox", str(inbox)), page(inbox, found))
    return sentence, sentence


def page(inbox: Location, found: Sequence[Batch]) -> str:
    """Render the page: what needs somebody first, and the newest of each kind first."""
    lines = [f"# {escaped(str(inbox))}", "", f"{in_one_sentence(found)}.", ""]
    if not found:
        lines += ["Nothing lies in this inbox that could be analysed.", ""]
    for standing in _FIRST:
        lines += _section(standing, [b for b in found if b.standing is standing])
    return "\n".join(lines)


def _section(standing: Standing, found: Sequence[Batch]) -> Iterable[str]:
    """A table of the newest batches that stand alike."""
    if not found:
        return ()
    newest = sorted(found, key=_newest, reverse=True)
    rows = [f"| {_named(b)} | {len(b.movies)} | {escaped(b.reason)} |" for b in newest[:SHOWN]]
    more = [f"| and {len(found) - SHOWN} more | | |"] if len(found) > SHOWN else []
    head = ["| batch | movies | why |", "|---|---|---|"]
    return (f"## {standing.capitalize()}: {len(found)}", "", *head, *rows, *more, "")


def _newest(batch: Batch) -> datetime:
    known = [movie.modified for movie in batch.movies if movie.modified]
    return max(known, default=datetime.min.replace(tzinfo=UTC))


def _named(batch: Batch) -> str:
    """A batch' name, linked to its run where both are known."""
    url = batch.run and url_for("flow-run", batch.run)
    return f"[{escaped(batch.name)}]({url})" if url else escaped(batch.name)
