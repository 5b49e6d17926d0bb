"""A published run of movies whose every frame shows its number, with poses that are known."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.finishing import assess_pose_file, build_label_style, label_movie_file
from tasks.pose.movies.frame_ledger import FrameLedger
from tasks.pose.movies.reader import open_movie, probe_movie
from tasks.pose.movies.timing import Timing
from tasks.pose.results.file_names import LABELED_MOVIE_FILE, RUN_RECORD_FILE
from tasks.pose.results.run_record import InputObject, MovieRecord, OutputFile
from tasks.pose.settings import AnnotationsFormat, PoseSettings
from tasks.pose.tables.annotations import MoviePoses, write_annotations
from tasks.pose.tables.pose_table import write_poses
from tasks.storage.location import Location
from tasks.storage.lookup import LocationStore
from tests.support.movie_files import write_movie
from tests.support.pose_tables import build_pose_table
from tests.support.records import example_model, example_movie, example_run

STORE = LocationStore()
WIDTH, HEIGHT, BITS = 160, 128, 10
"""A block of 16 × 16 pixels for each bit lies in the first rows, the lowest bit first."""

FRAMES = 300
DARK, BRIGHT, GROUND = 20, 235, 110
TAIL = "<i>tail</i>, end"
PARTS = ("nose", TAIL)
ANIMALS = {"one": PARTS, "two": PARTS, "single": ("corner",)}
KEYPOINTS = [f"{o} {p}".removeprefix("single ") for o, parts in ANIMALS.items() for p in parts]
CROP = (10, 24, 140, 100)
STAMPS = [40 * n + 400 * (n > 100) + 7 * (n % 3) for n in range(FRAMES)]
"""Milliseconds: uneven, and ten frames are lacking after the hundredth."""

DIP, DIPPED, DEPTH = 217, 1, 0.0625
"""The frame in which one keypoint's likelihood is low."""

MISSING, MISSED = range(120, 140), 2
"""The frames in which one keypoint is missing."""

JUMP, JUMPED = 60, 3
"""The frame in which one keypoint is somewhere else."""

SETTINGS = PoseSettings()


@dataclass(frozen=True)
class CountedMovie:
    """A movie of the run.

    Attributes:
        name: Its folder.
        seconds: Times of its frames, (frames,).
        values: x, y in pixels of the whole frame, and likelihood; (frames, keypoints, 3).
    """

    name: str
    seconds: NDArray[np.float64]
    values: NDArray[np.float32]


def draw_number(index: int, width: int, height: int) -> NDArray[np.uint8]:
    """A gray picture with a number in it."""
    picture = np.full((height, width, 3), GROUND, np.uint8)
    for bit in range(BITS):
        picture[:16, 16 * bit : 16 * bit + 16] = BRIGHT if index >> bit & 1 else DARK
    return picture


def make_values() -> NDArray[np.float32]:
    """Poses in pixels of the whole frame: rows of points that move a little."""
    values = np.empty((FRAMES, len(KEYPOINTS), 3), np.float32)
    index = np.arange(FRAMES)
    for keypoint in range(len(KEYPOINTS)):
        values[:, keypoint, 0] = 24.25 + 26 * keypoint + index % 7
        values[:, keypoint, 1] = 60 + 5 * keypoint + index % 4 * 0.5
    values[..., 2] = 0.9
    values[DIP, DIPPED, 2] = DEPTH
    values[MISSING.start : MISSING.stop, MISSED] = np.nan
    values[JUMP, JUMPED, 1] += 40
    return values


def publish_counted_run(output: str, movies: str, scratch: Path) -> tuple[CountedMovie, ...]:
    """Publish a run of an MP4 with uneven times, and of an AVI that is called like a tag.

    Args:
        output: Location of its results, with a slash at its end.
        movies: Location of the folder of its movies, likewise.
        scratch: Folder for files on their way.
    """
    made = [
        ("uneven", "uneven.mp4", {"stamps": STAMPS, "options": {"g": "100", "crf": "12"}}),
        (
            "<img src=x onerror=alert(1)>",
            "recorded.avi",
            {"codec": "mpeg4", "options": {"q:v": "2"}, "rate": 25},
        ),
    ]
    base, found, records, tables = Location.parse(output), [], [], []
    for number, (name, file, how) in enumerate(made):
        folder = scratch / str(number)
        folder.mkdir(parents=True)
        size = {"width": WIDTH, "height": HEIGHT, "draw": draw_number}
        original = write_movie(folder / file, FRAMES, **size, **how)  # type: ignore[arg-type]
        values, timing = make_values(), _read_timing(original)
        poses = folder / "poses.h5"
        relative = values - np.array((*CROP[:2], 0), np.float32)
        write_poses(build_pose_table(relative, ANIMALS), poses)
        target = base.child(f"{name}/")
        stored = STORE.upload(original, Location.parse(f"{movies}{file}"))
        source = InputObject(
            location=str(stored.location), size=stored.size, etag=stored.etag, version=None,
            sha256=stored.sha256,
        )  # fmt: skip
        labeled = _label(original, poses, folder, timing)
        outputs = {path.name: _publish(path, target) for path in (poses, labeled)}
        records.append(_describe(name, number, source, timing, poses, outputs))
        tables.append(MoviePoses(number, poses, timing, CROP[:2]))
        found.append(CountedMovie(name, timing.seconds, values))
    annotations = scratch / "annotations.parquet"
    write_annotations(tables, annotations, AnnotationsFormat.PARQUET)
    run = example_run(*records, model=example_model(body_parts=PARTS), outputs={
        annotations.name: _publish(annotations, base)
    })  # fmt: skip
    STORE.put(base.child(RUN_RECORD_FILE), run.to_json().encode())
    return tuple(found)


def _read_timing(movie: Path) -> Timing:
    reader = open_movie(movie)
    reader.read_listing()
    return reader.compute_timing()


def _label(original: Path, poses: Path, folder: Path, timing: Timing) -> Path:
    style = build_label_style(example_model(body_parts=PARTS), SETTINGS)
    target = folder / LABELED_MOVIE_FILE
    label_movie_file(
        original, poses, target, style, timing, None, CROP[:2], (), progress=lambda _: None
    )
    return target


def _describe(
    name: str,
    number: int,
    source: InputObject,
    timing: Timing,
    poses: Path,
    outputs: dict[str, OutputFile],
) -> MovieRecord:
    info = probe_movie(poses.with_name(Location.parse(source.location).name))
    counts = dict.fromkeys(("declared", "decoded", "poses", "annotated", "labeled"), FRAMES)
    changes: dict[str, Any] = {
        "input": source,
        "width": info.width,
        "height": info.height,
        "frame_rate": float(timing.frame_rate),
        "constant_frame_rate": timing.constant,
        "start": None,
        "crop": CROP,
        "frames": FrameLedger(**counts),
        "quality": assess_pose_file(poses, SETTINGS, CROP[2:], Fraction(timing.frame_rate), 0),
        "outputs": outputs,
        "pose_file": poses.name,
    }
    return example_movie(name, number, **changes)


def _publish(path: Path, folder: Location) -> OutputFile:
    stored = STORE.upload(path, folder.child(path.name))
    assert stored.sha256
    return OutputFile(
        location=str(stored.location), size=stored.size, sha256=stored.sha256, coordinates=None
    )
