"""What earlier runs found in a movie, kept at the output location, and what of it still holds.

Two archives are kept for each movie: its poses as the network gave them, once they are there, and
all that was made of them, once that is published. Each result goes with the key of what it depends
on (`tasks.pose.stage_keys`). One whose key is another, or that is no longer what was published, is
made again.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, TypeAdapter

from tasks.archives import files_of, moved, pack, told_in, unpack
from tasks.checkpoints import CHECKPOINTS, CheckpointStore
from tasks.estimation import CheckedMovie, ReadyModel
from tasks.hidden import brought, hidden, tell
from tasks.pose.errors import BadInput, PoseError
from tasks.pose.estimate import Estimate
from tasks.pose.finishing import Labeled, label_style
from tasks.pose.movies import MovieInfo
from tasks.pose.quality import Quality
from tasks.pose.run_record import LABELED, RAW, Output
from tasks.pose.stage_keys import StageKeys, stage_keys
from tasks.recording import Analysed
from tasks.retries import STORE_RETRIES, stage
from tasks.staging import INPUT, Fetched, MovieSource, ResolvedRequest
from tasks.storage.files import sha256_of
from tasks.storage.location import Location
from tasks.storage.store import store_for
from tasks.store_errors import store_errors

ESTIMATE, RESULTS = "estimate.zip", "results.zip"
"""Names of a movie's two archives."""

T = TypeVar("T")

_AS_JSON = ConfigDict(ser_json_inf_nan="constants")


@dataclass(frozen=True)
class KeptEstimate:
    """A movie's poses as the network gave them; their H5 lies beside this in the archive.

    Attributes:
        key: What they depend on.
        info: The movie's shape.
        edges: What of its frames went to the network; see `tasks.estimation.CheckedMovie`.
        found: Number and times of its frames, and what ran.
    """

    __pydantic_config__ = _AS_JSON

    key: str
    info: MovieInfo
    edges: tuple[int, int, int, int]
    found: Estimate


@dataclass(frozen=True)
class KeptResults:
    """All that was made of a movie; its files lie beside this in the archive.

    Attributes:
        keys: What each part depends on.
        analysed: The results.
    """

    __pydantic_config__ = _AS_JSON

    keys: StageKeys
    analysed: Analysed


_ESTIMATE: TypeAdapter[KeptEstimate] = TypeAdapter(KeptEstimate)
_RESULTS: TypeAdapter[KeptResults] = TypeAdapter(KeptResults)


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


@dataclass(frozen=True)
class KeptNames:
    """What earlier runs have left of a request's movies, as listings told when it began.

    Asked for once: of two hundred new movies, none has to be looked for.

    Attributes:
        request: The request; while it has the lock, nobody else adds anything.
        names: Locations of archives and checkpoints; None where the store did not tell.
    """

    request: ResolvedRequest
    names: frozenset[str] | None

    @property
    def poses_of_all(self) -> bool:
        """Whether poses of every movie are kept, so that perhaps no network is needed."""
        return self.names is not None and all(
            str(_place(self.request, movie.name, ESTIMATE)) in self.names
            for movie in self.request.movies
        )

    def may_hold(self, place: Location) -> bool:
        """Whether there may be this object, or something below this prefix."""
        if self.names is None or not place.is_prefix:
            return self.names is None or str(place) in self.names
        return any(name.startswith(str(place)) for name in self.names)


def kept_names(request: ResolvedRequest) -> KeptNames:
    """List what earlier runs have left of a request's movies."""
    one = [movie.name for movie in request.movies if len(request.movies) == 1]
    folders = [
        hidden(request.output, "/".join((kind, *one)) + "/") for kind in ("movies", CHECKPOINTS)
    ]
    with suppress(PoseError), store_errors():
        found = [info for folder in folders for info in store_for(folder).list(folder)]
        return KeptNames(request, frozenset(str(info.location) for info in found))
    return KeptNames(request, None)


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
    kept = _read(_ESTIMATE, names, movie, folder / ESTIMATE)
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


@stage("Keep poses", "keep poses · {movie.name}", retries=STORE_RETRIES)
def keep_estimate(
    movie: CheckedMovie, found: Estimate, raw: Path, keys: StageKeys, request: ResolvedRequest
) -> tuple[None, str]:
    """Keep a movie's poses as the network gave them: a run that ends early goes on from there."""
    kept = KeptEstimate(keys.estimate, movie.info, movie.edges, found)
    return None, _keep(kept, _ESTIMATE, [raw], _place(request, movie.name, ESTIMATE), raw.parent)


@stage("Keep results", "keep results · {made.source.name}", retries=STORE_RETRIES)
def keep_results(
    made: Analysed, keys: StageKeys, request: ResolvedRequest, folder: Path
) -> tuple[None, str]:
    """Keep all that was made of a movie, for later runs with the same or other settings."""
    kept, target = KeptResults(keys, made), _place(request, made.source.name, RESULTS)
    return None, _keep(kept, _RESULTS, files_of(made), target, folder)


def _keep(
    told: T, kind: TypeAdapter[T], files: Iterable[Path], target: Location, folder: Path
) -> str:
    path = folder / target.name
    try:
        pack(told, kind, files, path)
        with store_errors():
            size = store_for(target).upload(path, target, "application/zip").size
    finally:
        path.unlink(missing_ok=True)
    return f"{size:,} bytes"


def _place(request: ResolvedRequest, movie: str, name: str) -> Location:
    return hidden(request.output, "movies", movie, name)


def _results(movie: MovieSource, names: KeptNames, folder: Path) -> Kept:
    kept = _read(_RESULTS, names, movie, folder / RESULTS)
    if kept is None:
        return Kept()
    here = replace(kept, analysed=moved(kept.analysed, folder))
    published = names.request.output.child(movie.name)
    outputs = here.analysed.outputs.items()
    return Kept(here, intact={n: o for n, o in outputs if _is_intact(o, published.child(n))})


def _read(kind: TypeAdapter[T], names: KeptNames, movie: MovieSource, path: Path) -> T | None:
    """What an archive tells; None where there is none that this version can read."""
    source = _place(names.request, movie.name, path.name)
    if not names.may_hold(source) or brought(source, path) is None:
        return None
    try:
        return told_in(path, kind)
    except PoseError as error:
        tell(f"{source} is of no use, so its movie is analysed again: {error}")
        return None


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
