"""What earlier runs found in a movie, kept at the output location, and what of it still holds.

Two archives are kept for each movie: its poses as the network gave them, once they are there, and
all that was made of them, once that is published. Each result goes with the key of what it depends
on (`tasks.pose.cache_keys`). One whose key is another, or that is no longer what was published, is
made again.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from tasks.errors import BadInput
from tasks.output.checkpoint_upload import CHECKPOINTS, CheckpointStore
from tasks.output.hidden_folder import hidden
from tasks.output.kept_archives import (
    ESTIMATE,
    ESTIMATE_ADAPTER,
    RESULTS,
    RESULTS_ADAPTER,
    KeptEstimate,
    KeptNames,
    KeptResults,
    read_archive,
)
from tasks.output.result_archive import moved, unpack
from tasks.pose.cache_keys import StageKeys, stage_keys
from tasks.pose.estimate import Estimate
from tasks.pose.finishing import Labeled, label_style
from tasks.pose.results.file_names import LABELED, RAW
from tasks.pose.results.run_record import Output
from tasks.pose.tables.quality import Quality
from tasks.run_data import INPUT, CheckedMovie, Fetched, MovieSource, ReadyModel, ResolvedRequest
from tasks.stages.stage import STORE_RETRIES, stage
from tasks.storage.local_files import sha256_of
from tasks.storage.location import Location
from tasks.storage.lookup import store_for
from tasks.storage.user_errors import store_errors


@dataclass(frozen=True)
class Kept:
    """What is kept of a movie.

    Attributes:
        results: What was made of it, with its files' places in the scratch folder.
        estimate: Its poses; left out where `results` are all that is needed.
        intact: What was published of it and is still there as it was, by name.
        fetched: The movie, where its store says that it is the one that was read before, and
            nothing has to be read in it again.
    """

    results: KeptResults | None = None
    estimate: KeptEstimate | None = None
    intact: dict[str, Output] = field(default_factory=dict)
    fetched: Fetched | None = None


@dataclass(frozen=True)
class Reuse:
    """What a movie's past saves; None where the stage has to run.

    Attributes:
        keys: What each stage's result depends on now.
        intact: What was published and is still there as it was, by name.
        checked: The movie's shape.
        found: Its poses.
        poses: The H5 that is delivered.
        quality: The verdict.
        previews: The figures.
        labeled: The labelled movie, which is published.
        outputs: What is published, where all of that is as it should be.
    """

    keys: StageKeys
    intact: dict[str, Output]
    checked: CheckedMovie | None = None
    found: Estimate | None = None
    poses: Path | None = None
    quality: Quality | None = None
    previews: dict[str, Path] | None = None
    labeled: Labeled | None = None
    outputs: dict[str, Output] | None = None


@stage("Look back", "look back · {movie.name}", retries=STORE_RETRIES)
def look_back(
    movie: MovieSource, names: KeptNames, ready: ReadyModel, folder: Path
) -> tuple[Kept, str]:
    """See what earlier runs have kept of a movie at the output location."""
    request = names.request
    past = _results(movie, names, folder)
    same = _unchanged(past, movie, folder)
    if same and reusable(past, movie, same, request, ready).outputs:
        return replace(past, fetched=same), "all of it is there"
    kept = read_archive(ESTIMATE_ADAPTER, names, movie, folder / ESTIMATE)
    past = replace(past, estimate=kept)
    if same and _spares_the_movie(reusable(past, movie, same, request, ready)):
        past = replace(past, fetched=same)
    told = [name for name, one in (("poses", kept), ("results", past.results)) if one]
    return past, " and ".join(told) or "nothing is kept"


def _spares_the_movie(reuse: Reuse) -> bool:
    return reuse.found is not None and reuse.labeled is not None


def reusable(
    past: Kept,
    movie: MovieSource,
    fetched: Fetched,
    request: ResolvedRequest,
    ready: ReadyModel,
) -> Reuse:
    """What of a movie's past still holds.

    Args:
        past: What is kept.
        movie: The movie.
        fetched: Its content now.
        request: The request.
        ready: The model.
    """
    keys = _keys(movie, fetched, request, ready)
    reuse = Reuse(keys, past.intact)
    if kept := _estimate(past, keys):
        checked = CheckedMovie(movie.name, fetched.path, kept.info, kept.edges, fetched.input.size)
        reuse = replace(reuse, checked=checked, found=kept.found)
    if past.results is None:
        return reuse
    then, made = past.results.keys, past.results.analysed
    return replace(
        reuse,
        poses=made.poses if then.poses == keys.poses else None,
        quality=made.quality if then.quality == keys.quality else None,
        previews=made.previews if then.previews == keys.previews else None,
        labeled=made.labeled if then.labeled == keys.labeled and LABELED in past.intact else None,
        outputs=past.intact if then == keys and set(past.intact) == set(made.outputs) else None,
    )


def _estimate(past: Kept, keys: StageKeys) -> KeptEstimate | None:
    """The network's poses, where they are known, and at hand for whatever needs them."""
    if past.estimate and past.estimate.key == keys.estimate:
        return past.estimate
    if past.results and past.results.keys.poses == keys.poses:
        made = past.results.analysed
        if RAW in past.intact or RAW not in made.outputs:
            return KeptEstimate(keys.estimate, made.checked.info, made.checked.edges, made.found)
    return None


def restore(past: Kept, reuse: Reuse, folder: Path) -> None:
    """Put the files of what is reused into the movie's scratch folder.

    Args:
        past: What is kept.
        reuse: What of it still holds.
        folder: The scratch folder, where `look_back` has put the archives.
    """
    # What else is kept may be of another request, which ended before its results were published.
    if past.estimate and past.estimate.key == reuse.keys.estimate:
        unpack(folder / ESTIMATE, [folder / RAW])
    if past.results:
        worst = reuse.labeled.worst.values() if reuse.labeled else ()
        poses = [reuse.poses] if reuse.poses else []
        unpack(folder / RESULTS, [*poses, *(reuse.previews or {}).values(), *worst])
    for name in (ESTIMATE, RESULTS):
        (folder / name).unlink(missing_ok=True)


def checkpoints_of(
    movie: MovieSource, reuse: Reuse, names: KeptNames, folder: Path
) -> CheckpointStore:
    """Where an estimation that does not come to its end leaves what it has found."""
    everything = hidden(names.request.output, CHECKPOINTS, f"{movie.name}/")
    own = everything.child(f"{reuse.keys.estimate[:16]}/")
    there = names.may_hold(everything)
    return CheckpointStore(folder / CHECKPOINTS, everything, own, is_empty=not there)


def _results(movie: MovieSource, names: KeptNames, folder: Path) -> Kept:
    kept = read_archive(RESULTS_ADAPTER, names, movie, folder / RESULTS)
    if kept is None:
        return Kept()
    here = replace(kept, analysed=moved(kept.analysed, folder))
    published = names.request.output.child(movie.name)
    outputs = here.analysed.outputs.items()
    return Kept(here, intact={n: o for n, o in outputs if _is_intact(o, published.child(n))})


def _is_intact(output: Output, where: Location) -> bool:
    """Whether a published file is still what was published."""
    if output.location != str(where):
        return False  # all of it was copied from elsewhere
    try:
        with store_errors():
            store = store_for(where)
            now = store.stat(where)
            local = store.local_path(now)
            known = (sha256_of(local), output.etag) if local else (now.sha256, now.etag)
    except BadInput:
        return False
    return (now.size, *known) == (output.size, output.sha256, output.etag)


def _unchanged(past: Kept, movie: MovieSource, folder: Path) -> Fetched | None:
    """The movie, where its store says that it is the one that was read before.

    A local file is read again: that costs little, and its time of change can be set by anybody.
    """
    if past.results is None:
        return None
    kept, where = past.results.analysed.fetched.input, movie.info.location
    with store_errors():
        store = store_for(where)
        now = store.stat(where)
    if store.local_path(now) or not now.etag:
        return None
    if (str(where), now.size, now.etag) != (kept.location, kept.size, kept.etag):
        return None
    return Fetched(folder / INPUT / "not-fetched", kept.model_copy(update={"version": now.version}))


def _keys(
    movie: MovieSource, fetched: Fetched, request: ResolvedRequest, ready: ReadyModel
) -> StageKeys:
    settings, sha256 = request.given.settings, fetched.input.sha256
    assert sha256 is not None
    return stage_keys(
        sha256,
        movie.info.location.suffix,
        ready.model,
        ready.network,
        settings,
        label_style(ready.model, settings),
    )
