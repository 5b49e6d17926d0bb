"""The archives of earlier results at the output location: their names, contents, and upload."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, TypeAdapter

from tasks.errors import PoseError
from tasks.output.checkpoint_upload import CHECKPOINTS
from tasks.output.hidden_folder import brought, hidden, tell
from tasks.output.result_archive import files_of, pack, told_in
from tasks.pose.cache_keys import StageKeys
from tasks.pose.estimate import Estimate
from tasks.pose.movies.reader import MovieInfo
from tasks.run_data import (
    Analysed,
    CheckedMovie,
    MovieSource,
    ResolvedRequest,
)
from tasks.stages.stage import STORE_RETRIES, stage
from tasks.storage.location import Location
from tasks.storage.lookup import store_for
from tasks.storage.user_errors import store_errors

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
        edges: What of its frames went to the network; see `tasks.run_data.CheckedMovie`.
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


ESTIMATE_ADAPTER: TypeAdapter[KeptEstimate] = TypeAdapter(KeptEstimate)
RESULTS_ADAPTER: TypeAdapter[KeptResults] = TypeAdapter(KeptResults)


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


@stage("Keep poses", "keep poses · {movie.name}", retries=STORE_RETRIES)
def keep_estimate(
    movie: CheckedMovie, found: Estimate, raw: Path, keys: StageKeys, request: ResolvedRequest
) -> tuple[None, str]:
    """Keep a movie's poses as the network gave them: a run that ends early goes on from there."""
    kept = KeptEstimate(keys.estimate, movie.info, movie.edges, found)
    return None, _keep(
        kept, ESTIMATE_ADAPTER, [raw], _place(request, movie.name, ESTIMATE), raw.parent
    )


@stage("Keep results", "keep results · {made.source.name}", retries=STORE_RETRIES)
def keep_results(
    made: Analysed, keys: StageKeys, request: ResolvedRequest, folder: Path
) -> tuple[None, str]:
    """Keep all that was made of a movie, for later runs with the same or other settings."""
    kept, target = KeptResults(keys, made), _place(request, made.source.name, RESULTS)
    return None, _keep(kept, RESULTS_ADAPTER, files_of(made), target, folder)


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


def read_archive(
    kind: TypeAdapter[T], names: KeptNames, movie: MovieSource, path: Path
) -> T | None:
    """What an archive tells; None where there is none that this version can read."""
    source = _place(names.request, movie.name, path.name)
    if not names.may_hold(source) or brought(source, path) is None:
        return None
    try:
        return told_in(path, kind)
    except PoseError as error:
        tell(f"{source} is of no use, so its movie is analysed again: {error}")
        return None
