"""Runs as they are published, with real files, made in seconds: no network estimates anything."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.pose.finishing import (
    assess_pose_file,
    build_label_style,
    draw_preview_files,
    label_movie_file,
)
from tasks.pose.movies.frame_ledger import FrameLedger
from tasks.pose.movies.reader import open_movie, probe_movie
from tasks.pose.results.file_names import (
    LABELED_MOVIE_FILE,
    REPORT_FILE,
    RUN_RECORD_FILE,
    name_pose_files,
)
from tasks.pose.results.report import MoviePictures, render_report
from tasks.pose.results.run_record import InputObject, MovieRecord, OutputFile, RunRecord
from tasks.pose.settings import PoseSettings
from tasks.pose.tables.pose_table import build_pose_table, write_poses
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tests.support.movie_files import cut_movie
from tests.support.paths import DEMO_MOVIE, DEMO_TRUTH
from tests.support.records import example_failed_movie, example_model, example_movie, example_run

SCORER = "DLC_Resnet50_openfieldOct30shuffle1_snapshot_100"
BODY_PARTS = ("nose", "left_ear", "right_ear", "body", "tail_base")
FRAMES = 90
STORE = LocationStore()
MODEL = example_model(name="openfield.zip", body_parts=BODY_PARTS, skeleton=(("nose", "body"),))
SETTINGS = PoseSettings()


def publish_pose_run(
    output: str, movies: Mapping[str, float | str], scratch: Path, finished: datetime
) -> RunRecord:
    """Publish a run over the demo's movie, with poses from what is known of it.

    Args:
        output: Location of its results.
        movies: By name, the share of frames whose tail is not sure; or why there are no results.
        scratch: Folder for files on their way.
        finished: When it ended.

    Returns:
        Its record.
    """
    base = Location.parse(output)
    records, pictures = [], {}
    for number, (name, flaw) in enumerate(movies.items()):
        if isinstance(flaw, str):
            records.append(example_failed_movie(name, number, error=flaw))
            continue
        folder = scratch / f"{number}"
        folder.mkdir(parents=True)
        record, pictures[name] = _make_movie(name, number, flaw, folder, base)
        records.append(record)
    run = example_run(*records, model=MODEL, started=finished, finished=finished)
    report = scratch / REPORT_FILE
    report.write_text(render_report(run, pictures), encoding="utf-8")
    published = _publish(report, base, REPORT_FILE)
    run = run.model_copy(update={"outputs": {REPORT_FILE: published}})
    STORE.put(base.child(RUN_RECORD_FILE), run.to_json().encode())
    return run


def _make_movie(
    name: str, number: int, flaw: float, folder: Path, output: Location
) -> tuple[MovieRecord, MoviePictures]:
    original = folder / f"{name.replace('/', '_')}.mp4"
    cut_movie(DEMO_MOVIE, original, FRAMES)
    info, reader = probe_movie(original), open_movie(original)
    reader.read_listing()
    timing = reader.compute_timing()
    names = name_pose_files(original.stem, name, SCORER, "")
    poses = folder / names.filtered
    write_poses(_make_poses(len(timing.seconds), flaw), poses)
    size = (info.width, info.height)
    quality = assess_pose_file(poses, SETTINGS, size, timing.frame_rate, 0)
    drawn = draw_preview_files(poses, folder, MODEL, SETTINGS, (0, 0), size, None, original, timing)
    previews = {path.name: path for path in drawn.values()}
    labeled = label_movie_file(
        original,
        poses,
        folder / LABELED_MOVIE_FILE,
        build_label_style(MODEL, SETTINGS),
        timing,
        None,
        (0, 0),
        quality.worst_frames,
        SETTINGS.labels,
        progress=lambda _: None,
    )
    files = {names.filtered: poses, LABELED_MOVIE_FILE: folder / LABELED_MOVIE_FILE} | previews
    outputs = {key: _publish(path, output.child(name), key) for key, path in files.items()}
    source = Location.parse(f"{str(output).rstrip('/')}-movies/{original.name}")
    stored = STORE.upload(original, source)
    count = len(timing.seconds)
    record = example_movie(
        name,
        number,
        input=InputObject(
            location=str(source),
            size=stored.size,
            etag=stored.etag,
            version=None,
            sha256=stored.sha256,
        ),
        width=info.width,
        height=info.height,
        frame_rate=float(timing.frame_rate),
        duration=count / float(timing.frame_rate),
        frames=FrameLedger(
            declared=count, decoded=count, poses=count, annotated=count, labeled=labeled.frames
        ),
        quality=quality,
        outputs=outputs,
        pose_file=names.filtered,
    )
    return record, MoviePictures(previews, labeled.worst)


def _make_poses(frames: int, flaw: float) -> pd.DataFrame:
    """Where the demo's mouse is, to a pixel; some of its tail is a guess somewhere else."""
    truth = pd.read_csv(DEMO_TRUTH).iloc[:frames, 1:].to_numpy().reshape(frames, -1, 2)
    rng = np.random.default_rng(5)
    poses = np.empty((*truth.shape[:2], 3))
    poses[..., :2] = truth + rng.normal(0, 1, truth.shape)
    poses[..., 2] = rng.uniform(0.9, 1, truth.shape[:2])
    guessed = rng.uniform(size=frames) < flaw
    poses[guessed, -1, :2] += rng.normal(0, 40, (guessed.sum(), 2))
    poses[guessed, -1, 2] = rng.uniform(0, 0.5, guessed.sum())
    return build_pose_table(poses.astype(np.float32), SCORER, BODY_PARTS)


def _publish(path: Path, folder: Location, name: str) -> OutputFile:
    stored = STORE.upload(path, folder.child(name))
    assert stored.sha256
    return OutputFile(location=str(stored.location), size=stored.size, sha256=stored.sha256)


def publish_record(output: str, run: RunRecord) -> None:
    """Publish the record of a run alone, without any of its files."""
    STORE.put(Location.parse(output).child(RUN_RECORD_FILE), run.to_json().encode())


def on_day(day: int, hour: int = 12) -> datetime:
    """A day of March 2026, UTC."""
    return datetime(2026, 3, day, hour, tzinfo=UTC)
