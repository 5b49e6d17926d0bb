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
from deployments.demo.assets.accuracy import MODEL, MOVIE, TRUTH
from deployments.demo.assets.mouse import BODY_PARTS, render
from deployments.demo.assets.movie_file import write_movie

SEED = 23
FRAMES = 720


def main() -> None:
    """Make the movie, the model, and say how good it is."""
    with _step(f"Rendering {MOVIE.name}"):
        make_movie(MOVIE, TRUTH)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder).resolve()
        with _step("Rendering and labelling training pictures"):
            print(f"{training.label_pictures(project)} pictures")
        with _step("Training with DeepLabCut"):
            snapshot = training.train(project)
        with _step(f"Packing {MODEL.name}"):
            pack(snapshot, MODEL)
    with _step("Measuring"):
        accuracy.measure()


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    print(f"{name} …", flush=True)
    begun = time.monotonic()
    yield
    print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)


def make_movie(movie: Path, truth: Path) -> None:
    """Render the demo movie, and beside it the table of its true positions."""
    positions: list[npt.NDArray[np.float32]] = []

    def pictures() -> Iterator[npt.NDArray[np.uint8]]:
        for picture, parts in render(SEED, FRAMES):
            positions.append(parts)
            yield picture

    write_movie(movie, pictures())
    truth_table(np.array(positions)).to_csv(truth, index=False)


def truth_table(positions: npt.NDArray[np.float32]) -> pd.DataFrame:
    """The table of positions (frames, 5, 2): `frame`, then `<part> x` and `<part> y`, pixels."""
    columns = [f"{part} {axis}" for part in BODY_PARTS for axis in "xy"]
    table = pd.DataFrame(positions.reshape(len(positions), -1).astype(float), columns=columns)
    table.insert(0, "frame", np.arange(len(table)))
    return table.round(3)


def pack(snapshot: Path, archive: Path) -> None:
    """Zip what a lab would hand over: the project's settings, the network's, and its weights."""
    train = snapshot.parent
    network = yaml.safe_load((train / "pytorch_config.yaml").read_text())
    test = yaml.safe_load((train.parent / "test" / "pose_cfg.yaml").read_text())
    home, folder = training.LAB_PATH, training.MODEL_FOLDER
    network["metadata"]["project_path"] = str(home)
    network["metadata"]["pose_config_path"] = str(home / folder / "train/pytorch_config.yaml")
    test["dataset"] = str(home)
    members = {
        "config.yaml": _yaml(training.project_config(training.LAB_PATH)),
        f"{folder}/train/pytorch_config.yaml": _yaml(network),
        f"{folder}/train/{snapshot.name}": snapshot.read_bytes(),
        f"{folder}/test/pose_cfg.yaml": _yaml(test),
    }
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in members.items():
            # A fixed time: the same weights give the same archive.
            member = zipfile.ZipInfo(name, date_time=(2024, 10, 1, 12, 0, 0))
            member.external_attr = 0o644 << 16
            zipped.writestr(member, content, zipfile.ZIP_DEFLATED, 9)


def _yaml(settings: object) -> bytes:
    """Settings as YAML text in their own order."""
    return yaml.safe_dump(settings, sort_keys=False).encode()


if __name__ == "__main__":
    main()
