"""Results as a run delivers them, of made-up poses: what the next tools are tried on."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.pose.exports.movie_context import MovieFacts
from tasks.pose.movies.timing import RecordingInfo, Timing, constant_timing
from tasks.pose.results.file_names import path_below_output
from tasks.pose.settings import AnnotationsFormat
from tasks.pose.tables.annotations import MoviePoses, write_annotations
from tasks.pose.tables.pose_table import build_multi_animal_columns, build_pose_table
from tests.support.exported_movies import SCORER, example_facts, export_example
from tests.support.movie_files import write_movie
from tests.support.records import example_model

FRAMES = 300
SIZE = (320, 240)
PARTS = ("nose", "left_ear", "right_ear", "spine", "tail_base")
ARENA_PARTS = ("corner", "spout")
SKELETON = (("nose", "spine"), ("spine", "tail_base"))
CROP = (40, 300, 20, 220)
LAB: dict[str, Any] = {
    "experimenter": ["Doe, Jane"],
    "experiment_description": "An animal explores an open field.",
    "institution": "Institute",
    "keywords": ["open field"],
    "subject": {"subject_id": "m1", "species": "Mus musculus", "sex": "F", "age": "P90D"},
    "session_start_time": "2026-01-27T15:20:34+01:00",
}


def write_results(folder: Path) -> None:
    """Write the results of four requests, and the movies that belong to them.

    Args:
        folder: Gets ``in/`` with movies, and ``one/`` (an animal; two movies have one stem),
            ``several/`` (two animals and parts of the arena), ``uneven/`` (a crop, a variable
            rate), ``recorded/`` (a recorder's counter, with dropped frames).
    """
    movies = folder / "in"
    movies.mkdir(parents=True)
    first = write_movie(movies / "m1.mp4", FRAMES, width=SIZE[0], height=SIZE[1])
    for name in ("m2.mp4", "pair.mp4", "uneven.mp4", "recorded.mp4"):
        shutil.copy(first, movies / name)
    for name, stem in (("m1", "m1"), ("m2", "m2"), ("m1-2", "m1")):
        facts = _facts(name, f"{stem}.mp4")
        facts = replace(facts, location=f"s3://lab/{name}/{stem}.mp4")
        (folder / "movies-of-one").mkdir(exist_ok=True)
        shutil.copy(first, folder / "movies-of-one" / f"{name}.mp4")
        _deliver(folder / "one", first, facts, _walk(facts, name), annotated=name == "m1")
    pair = replace(_facts("pair", "pair.mp4"), model=_model(several=True))
    _deliver(folder / "several", first, pair, _walk(pair, "pair", several=True))
    seconds = np.cumsum(np.random.default_rng(7).uniform(0.02, 0.05, FRAMES))
    uneven = replace(
        _facts("uneven", "uneven.mp4"),
        edges=CROP,
        timing=Timing(seconds - seconds[0], Fraction(30), constant=False),
    )
    _deliver(folder / "uneven", first, uneven, _walk(uneven, "uneven"))
    positions = np.setdiff1d(np.arange(FRAMES + 5), [50, 51, 52, 120, 200])
    counter = 33_333.0 * positions + np.random.default_rng(8).integers(-40, 40, FRAMES)
    recording = RecordingInfo(
        Fraction(1_769_524_834), None, FRAMES + 5, positions, counter, ((50, 52), (120, 120))
    )
    timing = Timing(positions / 30, Fraction(30), constant=False, recording=recording)
    recorded = replace(_facts("recorded", "recorded.mp4"), timing=timing)
    _deliver(folder / "recorded", first, recorded, _walk(recorded, "recorded"))


def _model(*, several: bool = False) -> Any:
    return example_model(
        body_parts=PARTS,
        skeleton=SKELETON,
        individuals=("one", "two") if several else ("animal",),
        unique_body_parts=ARENA_PARTS if several else (),
        multi_animal=several,
        track_method="ellipse" if several else "",
    )


def _facts(name: str, file_name: str) -> MovieFacts:
    return example_facts(
        FRAMES,
        name=name,
        file_name=file_name,
        location=f"s3://lab/in/{file_name}",
        frame_size=SIZE,
        edges=(0, SIZE[0], 0, SIZE[1]),
        timing=constant_timing(FRAMES, Fraction(30)),
        model=_model(),
    )


def _walk(facts: MovieFacts, seed: str, *, several: bool = False) -> pd.DataFrame:
    """Animals that walk about and wag: no body part stands still, and few are uncertain."""
    rng = np.random.default_rng(sum(seed.encode()))
    animals = []
    for _ in range(2 if several else 1):
        center = 80 + 25 * np.cumsum(rng.normal(0, 0.05, (FRAMES, 2)), axis=0)
        heading = np.cumsum(rng.normal(0, 0.2, FRAMES))
        along = np.array([20, 12, 12, 0, -20])[None] + rng.normal(0, 0.5, (FRAMES, 5))
        across = np.array([0, 6, -6, 0, 0])[None] + rng.normal(0, 0.5, (FRAMES, 5))
        cos, sin = np.cos(heading)[:, None], np.sin(heading)[:, None]
        x, y = (
            center[:, :1] + along * cos - across * sin,
            center[:, 1:] + along * sin + across * cos,
        )
        animals.append(np.stack([x, y, rng.beta(30, 1, x.shape)], axis=2))
    if not several:
        return build_pose_table(animals[0], SCORER, PARTS)
    still = np.tile([[[10.0, 10.0, 0.99], [300.0, 200.0, 0.98]]], (FRAMES, 1, 1))
    columns = build_multi_animal_columns(SCORER, ("one", "two"), PARTS, ARENA_PARTS)
    values = np.concatenate([*animals, still], axis=1).reshape(FRAMES, -1)
    return pd.DataFrame(values, columns=columns)


def _deliver(
    output: Path, movie: Path, facts: MovieFacts, table: pd.DataFrame, *, annotated: bool = True
) -> None:
    scratch = output.with_name(f"scratch-{output.name}-{facts.name}")
    exports = export_example(
        scratch,
        facts,
        table,
        movie,
        LAB,
        movement=True,
        nwb=True,
        nwb_metadata="lab.yaml",
        refine_frames=8,
    )
    for name, path in exports.files.items():
        target = output / path_below_output(facts.name, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    if annotated:
        poses = MoviePoses(0, scratch / "pose_estimates.h5", facts.timing, facts.crop_offset)
        write_annotations([poses], output / "annotations.parquet", AnnotationsFormat.PARQUET)
    shutil.rmtree(scratch)
