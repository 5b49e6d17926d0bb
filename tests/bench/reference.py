"""The reference sequence: DeepLabCut's own calls, one after the other; run as a script.

Usage: python -m tests.bench.reference MODEL.zip MOVIE FOLDER DEVICE

Writes FOLDER/raw.h5, FOLDER/filtered.h5 and FOLDER/costs.json.
"""

import json
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from tests.bench.gpu import sample_gpu_load
from tests.bench.measuring import Cost, measure_call


def main(model: str, movie: str, folder: str, device: str) -> None:
    target = Path(folder)
    project = target / "project"
    with zipfile.ZipFile(model) as archive:
        archive.extractall(project)
    config = project / "config.yaml"
    values = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump(values | {"project_path": str(project)}))
    costs = {}
    for name, stage in _build_stages(config, movie, target, device):
        with sample_gpu_load(device if name == "estimate" else "cpu") as busy:
            _, cost = measure_call(stage)
        costs[name] = replace(cost, gpu=busy.share)
    raw, filtered = _find_result_files(target)
    shutil.copy(raw, target / "raw.h5")
    shutil.copy(filtered, target / "filtered.h5")
    _write_costs(costs, target)


def _build_stages(
    config: Path, movie: str, target: Path, device: str
) -> list[tuple[str, Callable[[], Any]]]:
    results = target / "results"
    where = {"destfolder": results}

    def import_deeplabcut() -> None:
        import deeplabcut  # noqa: F401

    def make_call(name: str, **options: Any) -> Callable[[], Any]:
        def call_deeplabcut() -> None:
            import deeplabcut

            getattr(deeplabcut, name)(config, [movie], **where, **options)

        return call_deeplabcut

    def plot_trajectories() -> None:
        for kind in (".svg", ".png"):
            make_call("plot_trajectories", filtered=True, imagetype=kind)()

    stages: list[tuple[str, Callable[[], Any]]] = [
        ("start", import_deeplabcut),
        ("count", lambda: count_frames(movie)),
        ("estimate", make_call("analyze_videos", device=device)),
        ("filter", make_call("filterpredictions", windowlength=5, save_as_csv=False)),
        ("previews", plot_trajectories),
        ("label", make_call("create_labeled_video", filtered=True)),
        (
            "annotations",
            lambda: write_annotation_table(
                _find_result_files(target)[1], target / "annotations.parquet"
            ),
        ),
    ]
    if shutil.which("ffmpeg"):  # matplotlib, which draws it, encodes with that program
        again = {"filtered": True, "keypoints_only": True, "overwrite": True}
        stages.append(("keypoints only", make_call("create_labeled_video", **again)))
    return stages


def count_frames(movie: str) -> int:
    """Count frames by decoding them, as one must who does not trust the container."""
    import cv2

    capture = cv2.VideoCapture(movie)
    frames = 0
    while capture.read()[0]:
        frames += 1
    return frames


def write_annotation_table(poses: Path, target: Path) -> None:
    """Columns as lists, all movies' in memory, then one file."""
    import pandas as pd

    table = pd.DataFrame(pd.read_hdf(poses))
    columns = {"Frame number": list(range(len(table)))}
    for label in table.columns:
        columns[" ".join(label[1:])] = table[label].tolist()
    pd.DataFrame(columns).to_parquet(target)


def _find_result_files(target: Path) -> tuple[Path, Path]:
    """The raw and the filtered poses; of several animals, those that were tracked."""
    (filtered,) = (target / "results").glob("*_filtered.h5")
    return filtered.with_name(filtered.name.replace("_filtered", "")), filtered


def _write_costs(costs: dict[str, Cost], target: Path) -> None:
    text = json.dumps({name: asdict(cost) for name, cost in costs.items()})
    (target / "costs.json").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
