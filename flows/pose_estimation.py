"""One request: a model and movies in, results out."""

from pathlib import Path

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.output.kept_archives import KeptNames, keep_estimate, keep_results, kept_names
from tasks.output.lock import check_lock, sole_writer
from tasks.output.lock_stage import lock_output
from tasks.output.publish import (
    publish_annotations,
    publish_movie,
    publish_record,
    show_results,
    withdraw_record,
)
from tasks.output.record import conclusion, outcomes, parted
from tasks.output.reuse import checkpoints_of, look_back, restore, reusable
from tasks.pose.results.file_names import LABELED, POSES, RAW
from tasks.pose.results.run_record import now
from tasks.pose.settings import PoseSettings, WrittenLocation
from tasks.processes.pool import Workers
from tasks.run.fetch import fetch_model, fetch_movie, movie_folder
from tasks.run.model import check_model, load_model
from tasks.run.movie import (
    check_movie,
    draw_previews,
    estimate_poses,
    filter_poses,
    judge_quality,
    label_movie,
)
from tasks.run.request import resolve_request
from tasks.run.scratch_folder import scratch_folder
from tasks.run.scratch_space import check_scratch
from tasks.run.workers import stage_processes
from tasks.run_data import INPUT, Analysed, MovieSource, ReadyModel, ResolvedRequest, RunFacts
from tasks.spread.handover import Place
from tasks.spread.movie_run import hands_over, resolve_movie
from tasks.spread.request_run import check_can_spread, remove_parts, spread_movies, spreads
from tasks.stages.fan_out import side_by_side
from tasks.stages.live_bars import live_bar, live_bars
from tasks.stages.progress import check_running
from tasks.stages.run_names import named_for_movie, named_for_request
from tasks.stages.stage import ends_clearly, stage
from tasks.stages.stage_times import timed_stages

MOVIES_AT_ONCE = 3
"""One is fetched and one is labelled and pushed while one is on the GPU."""


@flow(
    name="pose-estimation",
    flow_run_name=named_for_request,
    task_runner=ThreadPoolTaskRunner(max_workers=MOVIES_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,
)
@ends_clearly
def pose_estimation(
    model: WrittenLocation,
    movies: list[WrittenLocation],
    output: WrittenLocation,
    settings: PoseSettings = PoseSettings(),  # noqa: B008 - frozen, and the form shows it
) -> tuple[str, str]:
    """Estimate the pose of an animal in every frame of every movie.

    Args:
        model: Location of the zip of a DeepLabCut model folder, s3://bucket/key or a local path.
        movies: Movies of one format (.mp4, .avi, .isxb): objects, prefixes that end in /, or globs.
        output: Location that the results go below.
        settings: How to analyse and what to draw.

    Returns:
        The location of run.json, and how the run went.
    """
    started = now()
    with (
        sole_writer() as writer,
        scratch_folder() as scratch,
        stage_processes(scratch) as workers,
        live_bars(),
        timed_stages() as seconds,
    ):
        request = resolve_request(model, movies, output, settings)
        spread = spreads(request)
        check_scratch(request, scratch, 0 if spread else MOVIES_AT_ONCE)
        if not (spread or kept_names(request).poses_of_all):
            workers.estimator.start()  # its libraries take seconds, in which the model is fetched
        archive = fetch_model(request.model, scratch)
        ready = check_model(archive, request.model.location.name, settings, scratch)
        if spread:
            check_can_spread()
        # What cannot work is refused before it waits for others, and before it leaves a trace.
        request = lock_output(request, writer, workers)
        workers.finishers.start()
        kept = kept_names(request)
        loaded = None if spread or kept.poses_of_all else load_model(ready, workers)
        earlier = withdraw_record(request, scratch, alone=not spread)
        if spread:
            found = spread_movies(request, archive, scratch)
        else:
            movies_at_work = (
                analyse_movie.submit(movie, request, ready, kept, scratch, workers)
                for movie in request.movies
            )
            found = outcomes(request, side_by_side(movies_at_work, workers.end))
        delivered, failed = parted(found)
        loaded = loaded or next((movie.found.loaded for movie in delivered), None)
        annotations = publish_annotations(request, delivered, scratch, workers)
        facts = RunFacts(request, archive, ready, loaded, started)
        record = publish_record(facts, delivered, failed, annotations, earlier, seconds, scratch)
        if spread:
            remove_parts(request)
        show_results(record, delivered, request.output)
    return conclusion(record, request.output)


@flow(name="one-movie", flow_run_name=named_for_movie, persist_result=False)
@ends_clearly
def one_movie(
    model: str, movie: str, output: str, settings: PoseSettings, place: Place
) -> tuple[str, str]:
    """Analyse one movie of a request that is spread over workers; started by the request's run.

    Args:
        model: Location of the model's zip.
        movie: Location of the movie.
        output: Location that the request's results go below.
        settings: How to analyse and what to draw.
        place: Where the movie stands in its request.

    Returns:
        Where its outcome was handed over, and how it went.
    """
    with (
        scratch_folder() as scratch,
        stage_processes(scratch) as workers,
        live_bars(),
        hands_over(movie, place, scratch) as hand_over,
    ):
        request = resolve_movie(model, movie, output, settings, place)
        kept = kept_names(request)
        check_scratch(request, scratch, 1)
        if not kept.poses_of_all:
            workers.estimator.start()
        archive = fetch_model(request.model, scratch)
        ready = check_model(archive, request.model.location.name, settings, scratch)
        workers.finishers.start()
        if not kept.poses_of_all:
            load_model(ready, workers)
        analysed = analyse_movie(request.movies[0], request, ready, kept, scratch, workers)
        hand_over(analysed)
    return place.part, analysed.in_short


@stage("Movie", "movie · {movie.name}")
def analyse_movie(
    movie: MovieSource,
    request: ResolvedRequest,
    ready: ReadyModel,
    kept: KeptNames,
    scratch: Path,
    workers: Workers,
) -> tuple[Analysed, str]:
    """Take one movie from its store through every stage to the output location."""
    check_lock(ask=False)
    check_running(movie.name)
    settings = request.given.settings
    with (
        live_bar(movie.name) as bar,
        movie_folder(scratch, movie) as folder,
        timed_stages() as seconds,
    ):
        raw, filtered, labeled_file = (folder / name for name in (RAW, POSES, LABELED))
        past = look_back(movie, kept, ready, folder)
        fetched = fetch_movie.unless(past.fetched, movie, folder / INPUT)
        reuse = reusable(past, movie, fetched, request, ready)
        restore(past, reuse, folder)
        checked = check_movie.unless(reuse.checked, movie.name, fetched, settings.crop, workers)
        checkpoints = checkpoints_of(movie, reuse, kept, folder)
        found = estimate_poses.unless(
            reuse.found, checked, ready, settings, raw, checkpoints, workers
        )
        if reuse.found is None and keep_estimate.attempt(checked, found, raw, reuse.keys, request):
            checkpoints.remove()
        poses = raw
        if settings.filters:
            poses = filter_poses.unless(
                reuse.poses, movie.name, raw, filtered, settings.window_length, workers
            )
        quality = judge_quality.unless(reuse.quality, checked, found, poses, settings, workers)
        previews = draw_previews.unless(
            reuse.previews, checked, poses, ready, settings, folder, workers
        )
        labeled = label_movie.unless(
            reuse.labeled, checked, found, poses, ready, settings, quality, labeled_file, workers
        )
        outputs = publish_movie.unless(
            reuse.outputs, checked, raw, poses, labeled_file, previews, request.output, reuse.intact
        )
        analysed = Analysed(
            movie, fetched, checked, found, poses, quality, labeled, previews, outputs, seconds
        )
        if reuse.outputs is None:
            keep_results.attempt(analysed, reuse.keys, request, folder)
        bar.end(analysed.in_short)
    return analysed, analysed.in_short
