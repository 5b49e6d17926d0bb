"""Tell the server what an inbox refuses, so that people learn of it once."""

from collections.abc import Sequence
from dataclasses import replace

from tasks.inbox.fingerprints import compute_digest
from tasks.inbox.inbox_batch import InboxBatch, Standing
from tasks.inbox.look import LookResult, write_memory
from tasks.inbox.start_runs import connect_to_server
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.stage import stage
from tasks.storage.location import Location
from tasks.upkeep.refusals import Refusal, send_refusals


def tell_refusals(inbox: Location, found: LookResult, batches: Sequence[InboxBatch]) -> None:
    """Tell of what is refused and was not, or for another reason, and remember it.

    Args:
        inbox: The inbox.
        found: What the look found, with what earlier ones have told of.
        batches: Where each batch stands now.
    """
    refusals = [
        Refusal(compute_digest(b.name, b.seen, b.reason), _name(b), str(inbox), b.reason)
        for b in batches
        if b.standing is Standing.REFUSED
    ]
    known = found.memory.refused
    if new := [refusal for refusal in refusals if refusal.id not in known]:
        send_new_refusals(inbox, new)
    refused = frozenset(refusal.id for refusal in refusals)
    if refused != known:
        memory = found.memory.model_copy(update={"refused": refused})
        write_memory(inbox, replace(found, memory=memory, before=found.memory))


def _name(batch: InboxBatch) -> str:
    """Name a batch for people: a movie by its file's name, with its folders below the inbox."""
    if len(batch.movies) != 1:
        return batch.name
    folder = "".join(batch.name.rpartition("/")[:2])
    return f"{folder}{batch.movies[0].location.name}"


@stage("Tell refusals", "tell refusals · {inbox}", retries=STORE_RETRIES)
def send_new_refusals(inbox: Location, new: Sequence[Refusal]) -> tuple[None, str]:
    """Send what is newly refused to the server, which tells people."""
    with connect_to_server() as client:
        send_refusals(client, new)
    return None, f"{len(new)} refused at {inbox}"
