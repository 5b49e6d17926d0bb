"""Movies whose poses are made up, as tests of exported files need them."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.pose.exports.movie_context import MovieFacts
from tasks.pose.exports.nwb_metadata import NwbMetadata
from tasks.pose.exports.write_exports import ExportSources, MovieExports, write_exports
from tasks.pose.movies.timing import constant_timing
from tasks.pose.settings import PoseSettings
from tasks.pose.tables.median_filter import filter_pose_file
from tasks.pose.tables.pose_table import write_poses
from tests.support.pose_tables import PLAIN_STYLE, SINGLE_ANIMAL, make_scattered_poses
from tests.support.records import DIGEST, example_model

SCORER = "DLC_Resnet50_openfieldOct30shuffle1_snapshot_best-100"


def example_facts(frames: int = 16, **changes: Any) -> MovieFacts:
    facts = MovieFacts(
        name="m",
        location="s3://lab/in/m.mp4",
        file_name="m.mp4",
        sha256=DIGEST,
        frame_size=(120, 90),
        edges=(0, 120, 0, 90),
        timing=constant_timing(frames, Fraction(30)),
        scorer=SCORER,
        model=example_model(),
        project=Path("/nowhere"),
        batch_size=8,
        product="dlcflow 0.1.0",
    )
    return replace(facts, **changes)


def export_example(
    folder: Path,
    facts: MovieFacts,
    table: pd.DataFrame | None = None,
    movie: Path | None = None,
    lab: dict[str, Any] | None = None,
    **settings: Any,
) -> MovieExports:
    """Export a movie's poses.

    Args:
        folder: Where the poses and the files are written.
        facts: The movie.
        table: Its raw poses; by default scattered ones.
        movie: The movie itself, where frames of it are wanted.
        lab: What the lab says of its movies, for NWB.
        **settings: The request's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    given = PoseSettings(**settings)
    if table is None:
        table = make_scattered_poses(SINGLE_ANIMAL, facts.frames)
        table = table.rename(columns={"scorer": facts.scorer}, level="scorer")
    raw = poses = folder / "pose_estimates_raw.h5"
    write_poses(table, raw)
    if given.has_median_filter:
        poses = folder / "pose_estimates.h5"
        filter_pose_file(raw, poses, given.window_length)
    metadata = NwbMetadata.model_validate(lab) if lab else None
    sources = ExportSources(movie or folder / "no-movie.mp4", raw, poses)
    style = replace(PLAIN_STYLE, p_cutoff=given.p_cutoff)
    return write_exports(sources, folder / "exports", facts, given, style, metadata, lambda _: None)
