"""One model made, run by DeepLabCut's own API and by ours, and compared; run as a script.

Usage: python -m tests.models.compare NAME FOLDER

Writes FOLDER/outcome.json. Each model has a new process, since networks need much memory. Frames
come in batches of four, the last of which is not full; both movies go through the same process.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import yaml

from tasks.pose.network.pytorch.model_loader import _prevent_downloads
from tests.models.catalog import CASES, SMALLEST_DETECTOR, TENSORFLOW, ModelCase
from tests.support.blob_movies import write_blobs

SHORT, LONG = [2] * 14, [2] * 12 + [1] * 6 + [2] * 12
"""How many animals each frame of the two movies shows."""
LONG_OF_SLOW_DETECTOR = LONG[6:24]
"""The second movie of a detector that makes pictures of 800 pixels of any frame."""
WIDTH, HEIGHT = 128, 96
SAME_PIXELS, SAME_LIKELIHOOD = 0.01, 1e-3
"""Within which poses are called the same; SimCC networks have a wider limit of likelihood."""


@dataclass
class Outcome:
    """Outcome of one comparison.

    Attributes:
        outcome: ``same``, ``differs``, ``undecided``, ``refused`` or ``fails``.
        message: The reason, where it is not ``same``.
        deeplabcut: DeepLabCut's version.
        animals: For how many animals it was made.
        inspected: Whether the archive was found usable.
        tracked: Whether animals were followed.
        points: Number of points that DeepLabCut found in both movies.
        places: Number of different places among them.
        pixels: Largest distance of a coordinate, in pixels.
        likelihood: Largest difference of a likelihood.
        theirs: Seconds of a processor that DeepLabCut's inference takes for each frame.
        ours: The same of our own, once the network is ready for the movie.
        execution: How our own ran the network.
    """

    outcome: str
    message: str = ""
    deeplabcut: str = ""
    animals: int = 0
    inspected: bool = False
    tracked: bool = False
    points: int = 0
    places: int = 0
    pixels: float | None = None
    likelihood: float | None = None
    theirs: float | None = None
    ours: float | None = None
    execution: str = ""


class NoTracksError(Exception):
    """DeepLabCut itself gives no table for a model."""


def main(name: str, folder: str) -> None:
    (case,) = [case for case in CASES if case.name == name]
    with nullcontext() if case.engine == TENSORFLOW else _prevent_downloads():
        outcome = compare_case(case, Path(folder))
    Path(folder, "outcome.json").write_text(json.dumps(asdict(outcome)))


def compare_case(case: ModelCase, folder: Path) -> Outcome:
    """Compare a model; one for two animals, or for one where DeepLabCut follows none."""
    import deeplabcut

    long = LONG if case.detector in (None, SMALLEST_DETECTOR) else LONG_OF_SLOW_DETECTOR
    movies = {
        "short": write_blobs(folder / "short.mp4", SHORT, width=WIDTH, height=HEIGHT),
        "long": write_blobs(folder / "long.mp4", long, width=WIDTH, height=HEIGHT),
    }
    outcome = Outcome("fails", "there is no kind of it")
    for index, maker in enumerate(_list_makers(case)):
        place = folder / str(index)
        place.mkdir()
        outcome = Outcome("fails", deeplabcut=str(deeplabcut.__version__))
        try:
            outcome.animals, shuffle = maker(place / "model.zip")
            _run_both(case, place, movies, shuffle, outcome)
        except NoTracksError as error:
            outcome.message = str(error)
        else:
            break
    return outcome


def _list_makers(case: ModelCase) -> list[Any]:
    """Functions that write a zip, and return how many animals it is for and the shuffle."""
    if case.engine != TENSORFLOW:
        return [lambda zip_, kind=kind: _make_torch_model(kind, zip_) for kind in case.list_kinds()]
    return [lambda zip_: _make_tensorflow_model(case, zip_)]


def _make_torch_model(kind: Any, target: Path) -> tuple[int, int]:
    from tests.support.conditional_models import CONDITIONAL_SHUFFLE
    from tests.support.torch_models import make_model

    make_model(kind, target)
    return len(kind.individuals), CONDITIONAL_SHUFFLE if kind.conditional else 1


def _make_tensorflow_model(case: ModelCase, target: Path) -> tuple[int, int]:
    from tests.support.tensorflow_animals import AnimalModel, write_animal_zip
    from tests.support.tensorflow_models import write_tensorflow_zip

    if not case.several:
        write_tensorflow_zip(target, batch_size=4, net_type=case.network)
        return 1, 1
    stages = {"net_type": "resnet_50", "multi_stage": True, "stride": 4}
    network = stages if case.network == "dlcrnet_ms5" else {"net_type": case.network}
    write_animal_zip(target, AnimalModel(network, tracking={"iou_threshold": 0.1}))
    return 2, 1


def _run_both(
    case: ModelCase, place: Path, movies: dict[str, Path], shuffle: int, outcome: Outcome
) -> None:
    from tasks.errors import BadInput
    from tasks.pose.model.inspection import inspect_archive
    from tasks.pose.network.pytorch.frozen import SIMCC_LIKELIHOOD_TOLERANCE

    theirs = _run_theirs(case, place, movies, shuffle)
    inspection = inspect_archive(place / "model.zip", "model.zip", place / "ours")
    outcome.inspected = inspection.is_usable
    if not inspection.is_usable:
        outcome.outcome, outcome.message = "refused", " ".join(inspection.problems)
        return
    outcome.tracked = bool(inspection.require_model().track_method)
    try:
        ours = _run_ours(place, movies, outcome)
    except BadInput as error:
        outcome.outcome, outcome.message = "refused", str(error)
        return
    frames = len(ours["long"][0])
    outcome.theirs = theirs["long"][1] / frames or None
    outcome.ours = ours["long"][1] / frames
    found = [compare_tables(ours[name][0], theirs[name][0]) for name in movies]
    outcome.points = sum(points for points, _, _ in found)
    outcome.places = sum(count_places(table) for table, _ in theirs.values())
    outcome.pixels = max(pixels for _, pixels, _ in found)
    outcome.likelihood = max(likelihood for _, _, likelihood in found)
    limit = SIMCC_LIKELIHOOD_TOLERANCE if case.is_simcc else SAME_LIKELIHOOD
    same = outcome.pixels <= SAME_PIXELS and outcome.likelihood <= limit
    outcome.outcome = "same" if same else "differs"
    if 2 * outcome.places < outcome.points or not outcome.points:
        outcome.outcome = "undecided"
        outcome.message = f"DeepLabCut finds points in {outcome.places} places: too few to compare"


def _run_theirs(
    case: ModelCase, place: Path, movies: dict[str, Path], shuffle: int
) -> dict[str, tuple[pd.DataFrame, float]]:
    import deeplabcut
    from deeplabcut.pose_estimation_pytorch.apis import videos

    project = place / "theirs"
    with zipfile.ZipFile(place / "model.zip") as archive:
        archive.extractall(project)
    config = project / "config.yaml"
    values = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(values | {"project_path": str(project)}))
    tensorflow = case.engine == TENSORFLOW
    options = {"engine": deeplabcut.Engine.TF} if tensorflow else {"device": "cpu"}
    found = {}
    for name, movie in movies.items():
        results = place / f"{name} results"
        try:
            with _measure_call(videos, "video_inference") as cost:
                deeplabcut.analyze_videos(
                    config, [str(movie)], shuffle=shuffle, destfolder=results, **options
                )
        except Exception as error:
            traceback.print_exc()
            message = f"analyze_videos: {type(error).__name__}: {error}"
            raise NoTracksError(message[:300]) from error
        tables = sorted(results.glob("*.h5"), key=lambda path: len(path.name))
        if not tables:
            raise NoTracksError("analyze_videos gives no table")
        found[name] = pd.DataFrame(pd.read_hdf(tables[-1])), cost[0]
    return found


def _run_ours(
    place: Path, movies: dict[str, Path], outcome: Outcome
) -> dict[str, tuple[pd.DataFrame, float]]:
    from tasks.pose import estimate
    from tasks.pose.network.pytorch.device_network import DeviceNetwork
    from tasks.pose.tables.pose_table import read_poses

    found = {}
    for name, movie in movies.items():
        target = place / f"{name}.h5"
        with (
            _measure_call(estimate, "_predict_batches") as cost,
            _measure_call(DeviceNetwork, "prepare_for_inputs") as once,
        ):
            done = estimate.estimate_movie(
                place / "ours", movie, target, None, "cpu", progress=lambda _: None
            )
        found[name] = read_poses(target), cost[0] - once[0]
        outcome.execution = done.loaded.execution or done.loaded.path
    return found


@contextmanager
def _measure_call(module: Any, name: str) -> Iterator[list[float]]:
    """Seconds of a processor in a function of a module, which finds poses and loads nothing.

    They stay 0 where it is not called, as with TensorFlow. Processor time, because a machine has
    other work, too.
    """
    cost, function = [0.0], getattr(module, name)

    def call_timed(*args: Any, **options: Any) -> Any:
        started = time.process_time()
        try:
            return function(*args, **options)
        finally:
            cost[0] += time.process_time() - started

    with patch.object(module, name, call_timed):
        yield cost


def compare_tables(ours: pd.DataFrame, theirs: pd.DataFrame) -> tuple[int, float, float]:
    """Compare poses.

    Args:
        ours: A row for each frame.
        theirs: The same, but that rows at the end without an animal may lack.

    Returns:
        How many points they found, and the largest difference in pixels and in likelihood:
        infinite where a point or a column is in one of both only.
    """
    if not ours.columns.equals(theirs.columns):
        return 0, np.inf, np.inf
    a, b = (_read_points(table.reindex(ours.index)) for table in (ours, theirs))
    lacks = np.isnan(a)
    points = int((~np.isnan(b)).all(axis=2).sum())
    if not np.array_equal(lacks, np.isnan(b)):
        return points, np.inf, np.inf
    apart = np.where(lacks, 0, np.abs(a - b))
    return points, float(apart[..., :2].max()), float(apart[..., 2].max())


def count_places(table: pd.DataFrame) -> int:
    """Count the different places at which points were found, to a tenth of a pixel."""
    points = _read_points(table)[..., :2].reshape(-1, 2)
    return len(np.unique(points[~np.isnan(points).any(axis=1)].round(1), axis=0))


def _read_points(table: pd.DataFrame) -> Any:
    """Points of shape (frames, keypoints, 3), NaN where nothing was found, which may be -1."""
    points = table.to_numpy(np.float64).reshape(len(table), -1, 3)
    return np.where((points == -1).all(axis=2, keepdims=True), np.nan, points)


if __name__ == "__main__":
    main(*sys.argv[1:])
