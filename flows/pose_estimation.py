"""One request: a model and movies in, results out."""

from pathlib import Path

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from tasks.output.kept_archives import (
    HiddenListing,
    keep_estimate,
    keep_results,
    list_hidden_objects,
)
from tasks.output.lock import check_lock, hold_output_lock
from tasks.output.lock_stage import lock_output
from tasks.output.publish import (
    publish_annotations,
    publish_movie,
    publish_record,
    show_results,
    withdraw_record,
)
from tasks.output.record import collect_outcomes, conclude_run, split_by_success
from tasks.output.reuse import look_back, reuse_results
from tasks.pose.results.file_names import LABELED_MOVIE_FILE, POSES_FILE, RAW_POSES_FILE
from tasks.pose.results.run_record import utc_now
from tasks.pose.settings import LocationText, PoseSettings
from tasks.processes.pool import MOVIES_AT_ONCE, RunProcesses
from tasks.run.check_movies import check_movies, refuse_unreadable
from tasks.run.fetch import create_movie_folder, fetch_model, fetch_movie, fetch_times
from tasks.run.model import check_model, load_model
from tasks.run.movie import (
    check_movie,
    draw_previews,
    estimate_poses,
    export_poses,
    filter_poses,
    judge_quality,
    label_movie,
    match_times,
)
from tasks.run.past_runs_file import remember_run
from tasks.run.request import resolve_request
from tasks.run.scratch_folder import create_scratch_folder
from tasks.run.scratch_space import check_scratch_space
from tasks.run.show_forecast import note_movie, show_forecast
from tasks.run.workers import start_run_processes
from tasks.run_data import (
    INPUT_FOLDER,
    AnalyzedMovie,
    MovieSource,
    ReadyModel,
    ResolvedRequest,
    RunDetails,
)
from tasks.spread.handover import MoviePlace
from tasks.spread.movie_run import hand_over_outcome, resolve_movie
from tasks.spread.request_run import (
    check_movie_deployment,
    is_spread_request,
    remove_handovers,
    spread_movies,
)
from tasks.stages.fan_out import wait_for_all
from tasks.stages.live_bars import show_live_bar, update_live_bars
from tasks.stages.progress import check_running
from tasks.stages.run_names import name_run
from tasks.stages.run_states import NamedEnd
from tasks.stages.stage import end_with_message, stage
from tasks.stages.stage_times import time_run, time_stages


@flow(
    name="pose-estimation",
    flow_run_name=name_run,
    task_runner=ThreadPoolTaskRunner(max_workers=MOVIES_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,
)
@end_with_message
def pose_estimation(
    model: LocationText,
    movies: list[LocationText],
    output: LocationText,
    settings: PoseSettings = PoseSettings(),  # noqa: B008 - frozen, and the form shows it
) -> tuple[str, str | NamedEnd]:
    """Estimate the pose of an animal in every frame of every movie.

    Args:
        model: Location of the zip of a DeepLabCut model folder, s3://bucket/key or a local path.
        movies: Movies of one format (.mp4, .avi, .isxb), folders that end in /, or patterns (*).
        output: Location that the results go below.
        settings: How to analyze and what to draw.

    Returns:
        The location of run.json, and how the run went.
    """
    started = utc_now()
    with (
        hold_output_lock() as writer,
        create_scratch_folder() as scratch,
        start_run_processes(scratch) as workers,
        update_live_bars(),
        time_run() as seconds,
    ):
        request = resolve_request(model, movies, output, settings)
        spread = is_spread_request(request)
        check_scratch_space(request, scratch, 0 if spread else MOVIES_AT_ONCE)
        if not (spread or list_hidden_objects(request).has_all_poses):
            workers.estimator.start()  # its libraries take seconds, in which the model is fetched
        archive = fetch_model(request, scratch)
        ready = check_model(archive, request.model.location.name, settings, scratch)
        if spread:
            check_movie_deployment()
        # What cannot work is refused before it waits for others, and before it leaves a trace.
        request = lock_output(request, writer, workers)
        workers.finishers.start()
        kept = list_hidden_objects(request)
        loaded = None
        if not (spread or kept.has_all_poses):
            request = check_movies(request, kept, scratch, workers)
            if request.has_readable_movies:
                loaded = load_model(ready, workers)
        earlier = withdraw_record(request, scratch, alone=not spread)
        if spread:
            found = spread_movies(request, archive, scratch)
        else:
            movies_at_work = (
                analyze_movie.submit(movie, request, ready, kept, scratch, workers)
                for movie in request.movies
            )
            with show_forecast(request, ready, loaded.device if loaded else None):
                found = collect_outcomes(request, wait_for_all(movies_at_work, workers.end))
        delivered, failed = split_by_success(found)
        loaded = loaded or next((movie.found.loaded for movie in delivered), None)
        annotations = publish_annotations(request, delivered, scratch, workers)
        facts = RunDetails(request, archive, ready, loaded, started)
        record = publish_record(facts, delivered, failed, annotations, earlier, seconds, scratch)
        if spread:
            remove_handovers(request)
        remember_run(record)
        show_results(record, delivered, request)
    return conclude_run(record, request.output)


@flow(name="one-movie", flow_run_name=name_run, persist_result=False)
@end_with_message
def one_movie(
    model: str, movie: str, output: str, settings: PoseSettings, place: MoviePlace
) -> tuple[str, str | NamedEnd]:
    """Analyze one movie of a request that is spread over workers; started by the request's run.

    Args:
        model: Location of the model's zip.
        movie: Location of the movie.
        output: Location that the request's results go below.
        settings: How to analyze and what to draw.
        place: Where the movie stands in its request.

    Returns:
        Where its outcome was handed over, and how it went.
    """
    with (
        create_scratch_folder() as scratch,
        start_run_processes(scratch) as workers,
        update_live_bars(),
        hand_over_outcome(movie, place, scratch) as hand_over,
    ):
        request = resolve_movie(model, movie, output, settings, place)
        kept = list_hidden_objects(request)
        check_scratch_space(request, scratch, 1)
        if not kept.has_all_poses:
            workers.estimator.start()
        archive = fetch_model(request, scratch)
        ready = check_model(archive, request.model.location.name, settings, scratch)
        workers.finishers.start()
        if not kept.has_all_poses:
            request = check_movies(request, kept, scratch, workers)
            if request.has_readable_movies:
                load_model(ready, workers)
        analyzed = analyze_movie(request.movies[0], request, ready, kept, scratch, workers)
        hand_over(analyzed)
    return place.part, analyzed.named_end


@stage("Movie", "movie · {movie.name}")
def analyze_movie(
    movie: MovieSource,
    request: ResolvedRequest,
    ready: ReadyModel,
    kept: HiddenListing,
    scratch: Path,
    workers: RunProcesses,
) -> tuple[AnalyzedMovie, str | NamedEnd]:
    """Take one movie from its store through every stage to the output location."""
    check_lock(ask=False)
    check_running(movie.name)
    refuse_unreadable(movie)
    settings = request.given.settings
    with (
        show_live_bar(movie.name) as bar,
        create_movie_folder(scratch, movie) as folder,
        time_stages() as seconds,
    ):
        raw, filtered, labeled_file = (
            folder / name for name in (RAW_POSES_FILE, POSES_FILE, LABELED_MOVIE_FILE)
        )
        past = look_back(movie, kept, ready, folder)
        fetched = fetch_movie.run_unless_known(
            past.fetched, movie, request.store, folder / INPUT_FOLDER
        )
        reuse = reuse_results(past, movie, fetched, kept, ready, folder)
        checked = check_movie.run_unless_known(
            reuse.checked, movie.name, fetched, ready, settings.crop, workers
        )
        note_movie(movie, checked, reuse)
        found = estimate_poses.run_unless_known(
            reuse.found, checked, ready, settings, raw, reuse.checkpoints, workers
        )
        if reuse.found is None:
            keep_estimate.try_to_run(checked, found, raw, reuse.keys, request, reuse.checkpoints)
        times = clock = None
        if movie.times is not None:
            times = fetch_times(movie, request.store, folder / INPUT_FOLDER)
            clock = match_times(checked, times, found, settings, workers)
        poses = raw
        if settings.has_median_filter:
            poses = filter_poses.run_unless_known(
                reuse.poses, movie.name, raw, filtered, settings.window_length, workers
            )
        quality = judge_quality.run_unless_known(
            reuse.quality, checked, found, poses, settings, workers
        )
        previews = draw_previews.run_unless_known(
            reuse.previews, checked, found, poses, ready, settings, folder, clock, workers
        )
        labeled = label_movie.run_unless_known(
            reuse.labeled,
            checked,
            found,
            poses,
            ready,
            settings,
            quality,
            labeled_file,
            clock,
            workers,
        )
        exports = export_poses.run_unless_known(
            reuse.exports, checked, fetched, found, raw, poses, ready, request, clock, workers
        )
        outputs = publish_movie.run_unless_known(
            reuse.outputs, checked, exports, labeled_file, previews, request, reuse.intact
        )
        made = (quality, labeled, previews, outputs, seconds, exports, clock, times)
        analyzed = AnalyzedMovie(movie, fetched, checked, found, poses, *made)
        if reuse.outputs is None:
            keep_results.try_to_run(analyzed, reuse.keys, request, folder)
        bar.report_end(analyzed.short_summary)
    return analyzed, analyzed.named_end
