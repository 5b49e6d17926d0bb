"""DeepLabCut's own calls find what is delivered: a movie's folder is a `destfolder` of theirs."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tasks.pose.exports.movie_context import MovieFacts
from tasks.pose.movies.timing import constant_timing
from tasks.pose.tables.pose_table import build_multi_animal_columns, build_pose_table, read_poses
from tests.support.exported_movies import example_facts, export_example
from tests.support.movie_files import write_movie
from tests.support.paths import DEMO_MODEL
from tests.support.records import example_model

FRAMES = 12
PARTS = ("nose", "left_ear", "right_ear", "body", "tail_base")
CROP = (64, 544, 32, 448)

pytestmark = pytest.mark.filterwarnings("default")


class Lab:
    """A project of DeepLabCut's, a movie, and the folder with what was delivered of it."""

    def __init__(self, folder: Path, *, individuals: tuple[str, ...] = ()) -> None:
        from deeplabcut.utils import auxiliaryfunctions

        self.folder, self.project, self.delivered = folder, folder / "project", folder / "out"
        with zipfile.ZipFile(DEMO_MODEL) as archive:
            archive.extractall(self.project)
        self.config = self.project / "config.yaml"
        changes: dict[str, Any] = {
            "project_path": str(self.project),
            "video_sets": {},
            "numframes2pick": 4,
            "start": 0,
            "stop": 1,
            "skeleton": [["nose", "body"], ["body", "tail_base"]],
            "colormap": "rainbow",
            "dotsize": 3,
            "pcutoff": 0.5,
        }
        if individuals:
            changes |= {
                "multianimalproject": True,
                "bodyparts": "MULTI!",
                "multianimalbodyparts": list(PARTS),
                "individuals": list(individuals),
                "uniquebodyparts": [],
                "default_track_method": "ellipse",
            }
        values = yaml.safe_load(self.config.read_text())
        self.config.write_text(yaml.safe_dump(values | changes))
        config = auxiliaryfunctions.read_config(str(self.config))
        self.scorer: str = auxiliaryfunctions.get_scorer_name(config, 1, 0.95)[0]
        self.individuals = individuals
        self.movie = write_movie(folder / "day 1.mp4", FRAMES, width=640, height=480)

    def deliver(self, **settings: Any) -> dict[str, Path]:
        """Deliver poses as a run does; returns the files in the movie's folder."""
        track = "ellipse" if self.individuals else ""
        facts: MovieFacts = example_facts(
            FRAMES,
            name="day 1",
            file_name=self.movie.name,
            frame_size=(640, 480),
            edges=CROP,
            timing=constant_timing(FRAMES, example_facts().timing.frame_rate),
            scorer=self.scorer,
            model=example_model(track_method=track, multi_animal=bool(self.individuals)),
        )
        values = np.random.default_rng(1).random(
            (FRAMES, len(self.individuals) or 1, len(PARTS), 3)
        )
        values[..., :2] *= 400
        if self.individuals:
            columns = build_multi_animal_columns(self.scorer, self.individuals, PARTS, ())
            table = pd.DataFrame(values.reshape(FRAMES, -1), columns=columns)
        else:
            table = build_pose_table(values[:, 0], self.scorer, PARTS)
        exports = export_example(self.folder, facts, table, **settings)
        self.delivered.mkdir()
        for name, path in exports.files.items():
            if "/" not in name:
                (self.delivered / name).write_bytes(path.read_bytes())
        return {name: self.delivered / name for name in exports.files if "/" not in name}

    def call(self, name: str, **options: Any) -> set[str]:
        """Call a function of DeepLabCut's; returns the files that it has added."""
        import deeplabcut

        before = {path for path in self.folder.rglob("*") if path.is_file()}
        given = {"destfolder": str(self.delivered), **options}
        getattr(deeplabcut, name)(str(self.config), [str(self.movie)], **given)
        after = {path for path in self.folder.rglob("*") if path.is_file()}
        return {path.name for path in after - before}


@pytest.fixture(params=[(), ("one", "two")], ids=["one animal", "two animals"])
def lab(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setitem(os.environ, "MPLBACKEND", "Agg")
    return Lab(tmp_path, individuals=request.param)


def test_every_call_finds_its_files(lab: Lab) -> None:
    files = lab.deliver(crop_coordinates="crop")
    filtered, raw = list(files)[:2]
    stem = raw.removesuffix(".h5")
    assert f"{stem}_skeleton.h5" in lab.call("analyzeskeleton")
    plots = lab.call("plot_trajectories")
    assert {name for name in plots if name.startswith(("plot-likelihood", "hist"))}
    labeled = lab.call("create_labeled_video") | lab.call("create_labeled_video", filtered=True)
    assert len([name for name in labeled if name.endswith("_labeled.mp4")]) == 2
    ours = read_poses(files[filtered])
    files[filtered].unlink()
    assert filtered in lab.call("filterpredictions", windowlength=5, save_as_csv=False)
    pd.testing.assert_frame_equal(read_poses(files[filtered]), ours)


@pytest.mark.parametrize("relative_to", ["crop", "frame"])
def test_frames_to_be_corrected_have_their_points_in_the_whole_frame(
    lab: Lab, relative_to: str
) -> None:
    """The loop that makes a better model; the crop's offset comes from the metadata."""
    lab.deliver(crop_coordinates=relative_to)
    added = lab.call(
        "extract_outlier_frames",
        outlieralgorithm="list",
        frames2use=[3, 7],
        extractionalgorithm="uniform",
        automatic=True,
        savelabeled=False,
    )
    assert {"machinelabels-iter0.h5", "machinelabels.csv"} <= added
    labels = read_poses(lab.project / "labeled-data" / "day 1" / "machinelabels-iter0.h5")
    raw = read_poses(lab.folder / "pose_estimates_raw.h5")
    rows = [int(name.removeprefix("img").removesuffix(".png")) for _, _, name in labels.index]
    assert set(rows) <= {3, 7}
    offsets = np.tile([CROP[0], CROP[2], 0], raw.shape[1] // 3)
    np.testing.assert_allclose(labels, raw.iloc[rows] + offsets)
