"""What bound a run, and the one thing that would help most: a function of what its parts took.

A part bounds a run by as much as the run would be shorter without it. Work that goes on beside
longer work bounds nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from tasks.messages import format_duration
from tasks.pose.results.run_record import Bottleneck, BottleneckRecord, RunRecord
from tasks.pose.speed.past_runs import find_lost_share, is_remote, read_run_seconds
from tasks.pose.speed.run_seconds import MovieSeconds, RunSeconds
from tasks.pose.speed.run_speed import MAX_LOST, is_gpu, scale_parts

MIN_SECONDS = 0.5
"""Seconds below which a part is not worth a word."""

_DECODER_THREADS = 4
"""Processors that decode a movie, and processors for each process that draws."""


@dataclass(frozen=True)
class RunConditions:
    """Conditions of a run that decide what would help.

    Attributes:
        device: What the network ran on; empty where none ran.
        cpus: Processors that the run could use.
        lost: Share of their time, 0 to 1, that other programs had.
        movies: Number of its movies.
        is_spread: Whether each movie had a run for itself.
        is_cropped: Whether only a part of the frame went to the network.
        is_half: Whether the network computed with half the precision.
        is_fetched: Whether movies came from a store and not from a folder.
        is_sent: Whether results went to a store.
        size: Bytes of movies and results.
    """

    device: str
    cpus: int
    movies: int = 1
    lost: float = 0.0
    is_spread: bool = False
    is_cropped: bool = False
    is_half: bool = False
    is_fetched: bool = False
    is_sent: bool = False
    size: int = 0


def describe_bottleneck(record: RunRecord) -> BottleneckRecord | None:
    """Describe what bound a run.

    Args:
        record: The run.

    Returns:
        What bound it, and what would help; None where it took no time to speak of.
    """
    settings = record.request.settings
    outputs = (output for movie in record.movies for output in movie.outputs.values())
    conditions = RunConditions(
        device=record.estimator.device if record.estimator else "",
        cpus=record.host.cpus,
        lost=find_lost_share(record),
        movies=len(record.movies),
        is_spread=record.is_spread,
        is_cropped=settings.crop is not None,
        is_half=settings.precision.value == "half",
        is_fetched=any(is_remote(movie.input.location) for movie in record.movies),
        is_sent=is_remote(record.request.output),
        size=sum(movie.input.size for movie in record.movies) + sum(o.size for o in outputs),
    )
    return find_bottleneck(read_run_seconds(record), conditions)


def find_bottleneck(run: RunSeconds, conditions: RunConditions) -> BottleneckRecord | None:
    """Find what bound a run.

    Args:
        run: What its parts took.
        conditions: What decides about what would help.

    Returns:
        What bound it, and what would help; None where it took no time to speak of.
    """
    total, alone = run.total, _without_programs(run, conditions)
    # What other programs cost every part is theirs; what remains is compared with that.
    saved = {
        bottleneck: alone.total - shorten(alone, conditions).total
        for bottleneck, shorten in _WITHOUT.items()
    }
    saved[Bottleneck.PROGRAMS] = total - alone.total
    bottleneck = max(saved, key=lambda one: saved[one])
    seconds = total - _WITHOUT[bottleneck](run, conditions).total
    if seconds < MIN_SECONDS:
        return None
    took = f"{format_duration(seconds)} of {format_duration(total)}"
    return BottleneckRecord(
        by=bottleneck,
        seconds=round(seconds, 3),
        share=round(seconds / total, 3),
        sentence=_SENTENCES[bottleneck](took, conditions),
    )


# --- the run without each of its parts ---------------------------------------------------------


def _change_movies(run: RunSeconds, **changes: float) -> RunSeconds:
    return replace(run, movies=tuple(replace(movie, **changes) for movie in run.movies))


def _without_store(run: RunSeconds, conditions: RunConditions) -> RunSeconds:
    return _without_transfers(run, conditions.is_fetched, conditions.is_sent)


def _without_disk(run: RunSeconds, conditions: RunConditions) -> RunSeconds:
    return _without_transfers(run, not conditions.is_fetched, not conditions.is_sent)


def _without_transfers(run: RunSeconds, fetch: bool, publish: bool) -> RunSeconds:
    changes = {name: 0.0 for name, is_left in (("fetch", fetch), ("publish", publish)) if is_left}
    return _change_movies(run, **changes)


def _without_programs(run: RunSeconds, conditions: RunConditions) -> RunSeconds:
    free = 1 - min(MAX_LOST, conditions.lost)
    network = 1.0 if is_gpu(conditions.device) else free

    def scale(movie: MovieSeconds) -> MovieSeconds:
        return scale_parts(movie, free, network)

    movies = tuple(map(scale, run.movies))
    return replace(run, start=run.start * free, end=run.end * free, movies=movies)


_WITHOUT: dict[Bottleneck, Callable[[RunSeconds, RunConditions], RunSeconds]] = {
    Bottleneck.NETWORK: lambda run, _: _change_movies(run, network=0.0),
    Bottleneck.DECODING: lambda run, _: _change_movies(run, decoding=0.0),
    Bottleneck.TRACKING: lambda run, _: _change_movies(run, tracking=0.0),
    Bottleneck.DRAWING: lambda run, _: _change_movies(run, drawing=0.0),
    Bottleneck.START: lambda run, _: replace(run, start=0.0),
    Bottleneck.STORE: _without_store,
    Bottleneck.DISK: _without_disk,
    Bottleneck.DEVICE: lambda run, _: _change_movies(run, queued=0.0),
    Bottleneck.OUTPUT: lambda run, _: replace(run, waiting=0.0),
    Bottleneck.PROGRAMS: _without_programs,
}


# --- what would help ---------------------------------------------------------------------------


def _describe_network(took: str, conditions: RunConditions) -> str:
    if not is_gpu(conditions.device):
        return f"The network took {took} on {_count_processors(conditions)}; a GPU would help most"
    told = f"The network took {took} on {conditions.device}"
    if conditions.movies > 1 and not conditions.is_spread:
        return f"{told}; more GPUs would help most: spread_from shares movies out among workers"
    if not conditions.is_cropped:
        return f"{told}; a crop would help most: the time grows with the pixels"
    if not conditions.is_half:
        return f"{told}; the setting precision half would help most"
    return f"{told}; a faster GPU would help most"


def _describe_decoding(took: str, conditions: RunConditions) -> str:
    if conditions.cpus < _DECODER_THREADS:
        more = "more processors would help most"
    else:
        more = "movies recorded with fewer pixels would help most"
    return f"Decoding took {took}, in which the network waited; {more}"


def _describe_drawing(took: str, conditions: RunConditions) -> str:
    more = "more" if conditions.movies > 1 else "faster"
    return f"Labeled movies, previews and tables took {took}; {more} processors would help most"


def _describe_store(took: str, conditions: RunConditions) -> str:
    size = f"{conditions.size / 1e6:,.0f} MB"
    return (
        f"Transfers from and to the store took {took} for {size}; a worker nearer to the store "
        "would help most"
    )


def _describe_device(took: str, conditions: RunConditions) -> str:
    if is_gpu(conditions.device):
        return f"Waiting for a GPU that other runs used took {took}; another GPU would help most"
    return (
        f"Waiting for processors that other runs used took {took}; another machine would help most"
    )


def _describe_programs(took: str, conditions: RunConditions) -> str:
    return (
        f"Other programs, which had {100 * conditions.lost:.0f} % of the processors, cost {took}; "
        "a machine without them would help most"
    )


def _count_processors(conditions: RunConditions) -> str:
    return f"{conditions.cpus} processor{'s' if conditions.cpus > 1 else ''}"


_SENTENCES: dict[Bottleneck, Callable[[str, RunConditions], str]] = {
    Bottleneck.NETWORK: _describe_network,
    Bottleneck.DECODING: _describe_decoding,
    Bottleneck.TRACKING: lambda took, _: (
        f"Following animals took {took} on one processor; a faster one would help most"
    ),
    Bottleneck.DRAWING: _describe_drawing,
    Bottleneck.START: lambda took, _: (
        f"Loading programs, libraries and the model took {took}; more movies in one request would "
        "help most"
    ),
    Bottleneck.STORE: _describe_store,
    Bottleneck.DISK: lambda took, _: (
        f"Reading movies from folders and writing results took {took}; a faster disk would help "
        "most"
    ),
    Bottleneck.DEVICE: _describe_device,
    Bottleneck.OUTPUT: lambda took, _: (
        f"Waiting for another run at the same output took {took}; an output for each run would "
        "help most"
    ),
    Bottleneck.PROGRAMS: _describe_programs,
}
