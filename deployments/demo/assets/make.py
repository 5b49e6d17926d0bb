"""Makes the demo's movie and model anew, from a seed, on a CPU, in some minutes.

    python -m deployments.demo.assets.make

DeepLabCut trains the model on other rendered mice; the movie's own mouse is never seen.
"""

import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from deployments.demo.assets import accuracy, training
from deployments.demo.assets.accuracy import MODEL_FILE, MOVIE_FILE, TRUTH_FILE
from deployments.demo.assets.mouse import BODY_PARTS, render_movie
from deployments.demo.assets.movie_file import write_movie

SEED = 23
FRAME_COUNT = 720


def main() -> None:
    """Make the movie, the model, and say how good it is."""
    with _print_step(f"Rendering {MOVIE_FILE.name}"):
        make_movie(MOVIE_FILE, TRUTH_FILE)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder).resolve()
        with _print_step("Rendering and labeling training pictures"):
            print(f"{training.label_pictures(project)} pictures")
        with _print_step("Training with DeepLabCut"):
            snapshot = training.train_model(project)
        with _print_step(f"Packing {MODEL_FILE.name}"):
            pack_model(snapshot, MODEL_FILE)
    with _print_step("Measuring"):
        accuracy.measure_accuracy()


@contextmanager
def _print_step(name: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"{name} …", flush=True)
    begun = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)


def make_movie(movie: Path, truth: Path) -> None:
    """Render the demo movie, and beside it the table of its true positions."""
    positions: list[npt.NDArray[np.float32]] = []

    def render_pictures() -> Iterator[npt.NDArray[np.uint8]]:
        for picture, parts in render_movie(SEED, FRAME_COUNT):
            positions.append(parts)
            yield picture

    write_movie(movie, render_pictures())
    build_truth_table(np.array(positions)).to_csv(truth, index=False)


def build_truth_table(positions: npt.NDArray[np.float32]) -> pd.DataFrame:
    """The table of positions (frames, 5, 2): `frame`, then `<part> x` and `<part> y`, pixels."""
    columns = [f"{part} {axis}" for part in BODY_PARTS for axis in "xy"]
    table = pd.DataFrame(positions.reshape(len(positions), -1).astype(float), columns=columns)
    table.insert(0, "frame", np.arange(len(table)))
    return table.round(3)


def pack_model(snapshot: Path, archive: Path) -> None:
    """Zip what a lab would hand over: the project's settings, the network's, and its weights."""
    train = snapshot.parent
    network = yaml.safe_load((train / "pytorch_config.yaml").read_text())
    test = yaml.safe_load((train.parent / "test" / "pose_cfg.yaml").read_text())
    home, folder = training.LAB_PATH, training.MODEL_FOLDER
    network["metadata"]["project_path"] = str(home)
    network["metadata"]["pose_config_path"] = str(home / folder / "train/pytorch_config.yaml")
    test["dataset"] = str(home)
    members = {
        "config.yaml": _format_yaml(training.build_project_config(training.LAB_PATH)),
        f"{folder}/train/pytorch_config.yaml": _format_yaml(network),
        f"{folder}/train/{snapshot.name}": snapshot.read_bytes(),
        f"{folder}/test/pose_cfg.yaml": _format_yaml(test),
    }
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            # A fixed time: the same weights give the same archive.
            member = zipfile.ZipInfo(name, date_time=(2024, 10, 1, 12, 0, 0))
            member.external_attr = 0o644 << 16
            zipped.writestr(member, content, zipfile.ZIP_DEFLATED, 9)


def _format_yaml(settings: object) -> bytes:
    """Settings as YAML text in their own order."""
    return yaml.safe_dump(settings, sort_keys=False).encode()


if __name__ == "__main__":
    main()
