"""Results of earlier runs, stored at the output location, and which of them are still valid.

Two archives are kept for each movie: its poses as the network gave them, once they are there, and
all that was made of them, once that is published. Each result goes with the key of what it depends
on (`tasks.pose.cache_keys`). One whose key is another, or that is no longer what was published, is
made again.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from tasks.errors import BadInput
from tasks.output.checkpoint_upload import CHECKPOINTS_FOLDER, CheckpointStore
from tasks.output.hidden_folder import hidden_location
from tasks.output.kept_archives import (
    ESTIMATE_ADAPTER,
    ESTIMATE_ARCHIVE,
    RESULTS_ADAPTER,
    RESULTS_ARCHIVE,
    ArchiveReader,
    HiddenListing,
    KeptEstimate,
    KeptResults,
    read_archive,
)
from tasks.output.kept_progress import kept_progress
from tasks.output.result_archive import extract_files, with_files_in
from tasks.pose.cache_keys import StageKeys, compute_stage_keys
from tasks.pose.estimate import Estimate
from tasks.pose.exports.write_exports import MovieExports
from tasks.pose.finishing import LabeledMovieResult, build_label_style
from tasks.pose.results.file_names import (
    LABELED_MOVIE_FILE,
    RAW_POSES_FILE,
    path_below_output,
)
from tasks.pose.results.run_record import OutputFile
from tasks.pose.tables.quality import Quality
from tasks.run_data import (
    INPUT_FOLDER,
    CheckedMovie,
    FetchedInput,
    MovieSource,
    ReadyModel,
    ResolvedRequest,
)
from tasks.stages.retries import STORE_RETRIES
from tasks.stages.stage import stage
from tasks.storage.location import Location
from tasks.storage.store import ObjectStore


@dataclass(frozen=True)
class EarlierResults:
    """Stored results of a movie.

    Attributes:
        results: What was made of it, with its files' places in the scratch folder.
        estimate: Its poses; left out where `results` are all that is needed.
        intact: What was published of it and is still there as it was, by name.
        fetched: The movie, where its store says that it is the one that was read before, and
            nothing has to be read in it again.
    """

    results: KeptResults | None = None
    estimate: KeptEstimate | None = None
    intact: dict[str, OutputFile] = field(default_factory=dict)
    fetched: FetchedInput | None = None


@dataclass(frozen=True)
class Reuse:
    """Results of earlier runs that replace stages; None for a stage that has to run.

    Attributes:
        keys: What each stage's result depends on now.
        intact: What was published and is still there as it was, by name.
        checkpoints: The place where an unfinished estimation leaves its predictions.
        checked: The movie's shape.
        found: Its poses.
        poses: The H5 that is delivered.
        quality: The verdict.
        previews: The figures.
        labeled: The labeled movie, which is published.
        exports: The files for other programs, all of which are published.
        outputs: What is published, where all of that is as it should be.
    """

    keys: StageKeys
    intact: dict[str, OutputFile]
    checkpoints: CheckpointStore
    checked: CheckedMovie | None = None
    found: Estimate | None = None
    poses: Path | None = None
    quality: Quality | None = None
    previews: dict[str, Path] | None = None
    labeled: LabeledMovieResult | None = None
    exports: MovieExports | None = None
    outputs: dict[str, OutputFile] | None = None


@stage("Look back", "look back · {movie.name}", retries=STORE_RETRIES)
def look_back(
    movie: MovieSource, names: HiddenListing, ready: ReadyModel, folder: Path
) -> tuple[EarlierResults, str]:
    """See what earlier runs have kept of a movie at the output location."""
    kept_progress.begin(len(names.request.movies))
    past = find_earlier_results(movie, names, ready, folder, read_archive)
    if past.fetched and past.estimate is None:
        return past, "everything is there"
    told = [name for name, one in (("poses", past.estimate), ("results", past.results)) if one]
    return past, " and ".join(told) or "nothing is kept"


def find_earlier_results(
    movie: MovieSource,
    names: HiddenListing,
    ready: ReadyModel,
    folder: Path,
    read: ArchiveReader,
) -> EarlierResults:
    """Find what earlier runs have kept of a movie at the output location.

    Args:
        movie: The movie.
        names: What lies there.
        ready: The model.
        folder: The movie's scratch folder.
        read: Reads an archive that is kept, or only its description.
    """
    request = names.request
    past = _read_earlier_results(movie, names, folder, read)
    same = _find_unchanged_input(request.store, past, movie, folder)
    if same and find_reuse(past, movie, same, names, ready, folder).outputs:
        return replace(past, fetched=same)
    kept = read(ESTIMATE_ADAPTER, names, movie, folder / ESTIMATE_ARCHIVE)
    past = replace(past, estimate=kept)
    reuse = find_reuse(past, movie, same, names, ready, folder) if same else None
    if same and reuse and _can_skip_fetch(reuse, request):
        past = replace(past, fetched=same)
    return past


def reuse_results(
    past: EarlierResults,
    movie: MovieSource,
    fetched: FetchedInput,
    names: HiddenListing,
    ready: ReadyModel,
    folder: Path,
) -> Reuse:
    """Find what of a movie's past is still valid, and put its files into the scratch folder.

    Args:
        past: What is kept, from `look_back`.
        movie: The movie.
        fetched: Its content now.
        names: What lies at the output location.
        ready: The model.
        folder: The movie's scratch folder, where `look_back` has put the archives.

    Returns:
        The results that replace stages, and the checkpoints that an estimation goes on from.
    """
    reuse = find_reuse(past, movie, fetched, names, ready, folder)
    # What else is kept may be of another request, which ended before its results were published.
    if past.estimate and past.estimate.key == reuse.keys.estimate:
        extract_files(folder / ESTIMATE_ARCHIVE, [folder / RAW_POSES_FILE])
    if past.results:
        worst = reuse.labeled.worst.values() if reuse.labeled else ()
        poses = [reuse.poses] if reuse.poses else []
        refine = [frame.picture for frame in reuse.exports.refine] if reuse.exports else []
        pictures = [*(reuse.previews or {}).values(), *worst, *refine]
        extract_files(folder / RESULTS_ARCHIVE, [*poses, *pictures])
    for name in (ESTIMATE_ARCHIVE, RESULTS_ARCHIVE):
        (folder / name).unlink(missing_ok=True)
    if reuse.found is not None:
        kept_progress.note_poses(movie.name)
    if reuse.outputs is not None:
        kept_progress.note_results(movie.name)
    return reuse


def _can_skip_fetch(reuse: Reuse, request: ResolvedRequest) -> bool:
    """Return whether no stage reads the movie."""
    frames_are_there = reuse.exports is not None or not request.given.settings.refine_frames
    return reuse.found is not None and reuse.labeled is not None and frames_are_there


def find_reuse(
    past: EarlierResults,
    movie: MovieSource,
    fetched: FetchedInput,
    names: HiddenListing,
    ready: ReadyModel,
    folder: Path,
) -> Reuse:
    """Find the earlier results of a movie that are still valid; no file is touched.

    Args:
        past: What is kept.
        movie: The movie.
        fetched: Its content now.
        names: What lies at the output location.
        ready: The model.
        folder: The movie's scratch folder.
    """
    keys = _compute_keys(movie, fetched, names.request, ready)
    everything = hidden_location(names.request.output, CHECKPOINTS_FOLDER, f"{movie.name}/")
    checkpoints = CheckpointStore(
        names.request.store,
        folder / CHECKPOINTS_FOLDER,
        everything,
        everything.child(f"{keys.estimate[:16]}/"),
        is_empty=not names.can_contain(everything),
    )
    reuse = Reuse(keys, past.intact, checkpoints)
    if kept := _find_valid_estimate(past, keys):
        checked = CheckedMovie(movie.name, fetched.path, kept.info, kept.edges, fetched.input.size)
        reuse = replace(reuse, checked=checked, found=kept.found)
    if past.results is None:
        return reuse
    then, made = past.results.keys, past.results.analyzed
    return replace(
        reuse,
        poses=made.poses if then.poses == keys.poses else None,
        quality=made.quality if then.quality == keys.quality else None,
        previews=made.previews if then.previews == keys.previews else None,
        labeled=made.labeled
        if then.labeled == keys.labeled and LABELED_MOVIE_FILE in past.intact
        else None,
        exports=_find_valid_exports(past, keys),
        outputs=past.intact if then == keys and set(past.intact) == set(made.outputs) else None,
    )


def _find_valid_exports(past: EarlierResults, keys: StageKeys) -> MovieExports | None:
    """The files for other programs, where all of them are still what was published."""
    if past.results is None or past.results.keys.exports != keys.exports:
        return None
    exports = past.results.analyzed.exports
    return exports if exports.files.keys() <= past.intact.keys() else None


def _find_valid_estimate(past: EarlierResults, keys: StageKeys) -> KeptEstimate | None:
    """The network's poses, where they are known, and at hand for whatever needs them."""
    if past.estimate and past.estimate.key == keys.estimate:
        return past.estimate
    if past.results and past.results.keys.poses == keys.poses:
        made = past.results.analyzed
        # Raw poses are delivered: they are needed unless that has been done, or they are at hand.
        if made.poses.name == RAW_POSES_FILE or _find_valid_exports(past, keys):
            return KeptEstimate(keys.estimate, made.checked.info, made.checked.edges, made.found)
    return None


def _read_earlier_results(
    movie: MovieSource, names: HiddenListing, folder: Path, read: ArchiveReader
) -> EarlierResults:
    kept = read(RESULTS_ADAPTER, names, movie, folder / RESULTS_ARCHIVE)
    if kept is None:
        return EarlierResults()
    here = replace(kept, analyzed=with_files_in(kept.analyzed, folder))
    store, output = names.request.store, names.request.output

    def is_there(name: str, published: OutputFile) -> bool:
        return is_intact(store, published, output.child(path_below_output(movie.name, name)))

    outputs = here.analyzed.outputs.items()
    return EarlierResults(here, intact={n: o for n, o in outputs if is_there(n, o)})


def is_intact(store: ObjectStore, output: OutputFile, where: Location) -> bool:
    """Return whether a published file is unchanged since it was published."""
    if output.location != str(where):
        return False  # all of it was copied from elsewhere
    try:
        now = store.stat(where)
        sha256 = store.known_sha256(now)
    except BadInput:
        return False
    # A local file's time of change can be set by anybody; its content has been read.
    etag = output.etag if where.is_local else now.etag
    return (now.size, sha256, etag) == (output.size, output.sha256, output.etag)


def _find_unchanged_input(
    store: ObjectStore, past: EarlierResults, movie: MovieSource, folder: Path
) -> FetchedInput | None:
    """The movie, where its store says that it is the one that was read before.

    A local file is read again: that costs little, and its time of change can be set by anybody.
    """
    if past.results is None:
        return None
    kept, where = past.results.analyzed.fetched.input, movie.info.location
    now = store.stat(where)
    if where.is_local or not now.etag:
        return None
    if (str(where), now.size, now.etag) != (kept.location, kept.size, kept.etag):
        return None
    return FetchedInput(
        folder / INPUT_FOLDER / "not-fetched", kept.model_copy(update={"version": now.version})
    )


def _compute_keys(
    movie: MovieSource, fetched: FetchedInput, request: ResolvedRequest, ready: ReadyModel
) -> StageKeys:
    settings, sha256 = request.given.settings, fetched.input.sha256
    assert sha256 is not None
    about = [request.nwb_metadata.model_dump_json()] if request.nwb_metadata else []
    return compute_stage_keys(
        sha256,
        movie.info.location.suffix,
        ready.model,
        ready.network,
        settings,
        build_label_style(ready.model, settings),
        (movie.name, str(movie.info.location), *about),
        _identify_times(movie),
    )


def _identify_times(movie: MovieSource) -> tuple[str, ...]:
    """Identify a movie's times file: previews and files for other programs have its times."""
    times = movie.times
    return (str(times.location), str(times.size), str(times.etag)) if times else ()
