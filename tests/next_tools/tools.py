"""The next tools: what is typed, what each takes of a run's results, and its own traps.

Paths are those of `tests.next_tools.results`. `lines` stand in the docs as they are run; `check` is
appended to them and fails where the tool has not understood.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class NextTool:
    """A program that opens what a run delivers.

    Attributes:
        name: What people call it.
        package: What to install, as pip has it; empty where nothing can be run here.
        distribution: The installed package whose version is recorded.
        lines: What is typed, in Python.
        check: Assertions on what the lines have made.
        takes: What it takes of the results, in a phrase.
        traps: Known traps of the tool itself.
        not_run: Why it is not run, where it is not.
    """

    name: str
    package: str
    distribution: str
    lines: str
    check: str
    takes: str
    traps: str = ""
    not_run: str = ""


_SCORER = "DLC_Resnet50_openfieldOct30shuffle1_snapshot_best-100"

TOOLS = (
    NextTool(
        name="movement",
        package="movement pyarrow",
        distribution="movement",
        lines="""\
import xarray
from movement.kinematics import compute_speed

dataset = xarray.open_dataset("several/pair/pair.movement.nc")
speed = compute_speed(dataset.position)
arena = dataset.arena_position.sel(arena_keypoints="corner")""",
        check="""\
assert list(dataset.individuals.values) == ["one", "two"], dataset
assert float(speed.max()) > 0 and speed.sizes["time"] == 300
uneven = xarray.open_dataset("uneven/uneven/uneven.movement.nc")
from movement.validators.datasets import ValidPosesInputs
ValidPosesInputs.validate(uneven)
import numpy, pandas
rows = pandas.read_parquet("uneven/annotations.parquet")
numpy.testing.assert_allclose(uneven.time, rows["Time since start (s)"])
found = uneven.position.sel(keypoints="nose", individuals="animal", space="x")
numpy.testing.assert_allclose(found, rows["nose x"])""",
        takes="`<movie>.movement.nc` of a run with `--movement`",
        traps="Its reader of DeepLabCut's files takes parts of the arena for an animal called "
        "`single`, and numbers frames by a rate that you give. `fps` is missing in ours where "
        "times are uneven. Its reader of NWB takes one animal; of several, name it: "
        '`pose_estimation_key="PoseEstimation_<individual>"`.',
    ),
    NextTool(
        name="keypoint-MoSeq",
        package="keypoint-moseq",
        distribution="keypoint-moseq",
        lines="""\
import keypoint_moseq

coordinates, confidences, bodyparts = keypoint_moseq.load_keypoints("one/poses", "deeplabcut")
several, _, _ = keypoint_moseq.load_keypoints("several/poses", "deeplabcut")""",
        check="""\
assert len(coordinates) == 3, list(coordinates)
assert {name.split("DLC_")[0] for name in coordinates} == {"m1", "m2", "m1-2"}
assert len(several) == 2, list(several)
assert len(bodyparts) == 5""",
        takes="the folder `poses/`: each movie once, under its own name",
        traps="It searches subfolders: given a movie's folder it counts the movie twice, raw and "
        "filtered. Parts of the arena are left out (`exclude_individuals`). Coordinates are "
        "pixels of the crop, which no longer matters once it centers them.",
    ),
    NextTool(
        name="VAME",
        package="vame-py",
        distribution="vame-py",
        lines="""\
from glob import glob

import vame

config_file, config = vame.init_new_project(
    project_name="open-field",
    poses_estimations=sorted(glob("one/poses/*.h5")),
    source_software="DeepLabCut",
    fps=30,
)""",
        check="""\
assert len(config["session_names"]) == 3, config["session_names"]""",
        takes="the files in `poses/`: names are those of its sessions",
        traps="Version 0.13.0 does not start with the matplotlib that it installs (`get_cmap` is "
        "gone from `matplotlib.cm`). A session is called after "
        "its file: of two files with one name, one is lost without a word. Uneven times are not "
        "known to it.",
    ),
    NextTool(
        name="DeepOF",
        package="deepof",
        distribution="deepof",
        lines="""\
import deepof.data

project = deepof.data.Project(
    project_path=".",
    project_name="deepof",
    video_path="movies-of-one",  # copies of the three movies, called m1, m2, and m1-2
    table_path="one/poses",
    arena="circular-autodetect",
    video_scale="300 mm",
    video_format=".mp4",
    table_format="h5",
)""",
        check="""\
names = [table.split("DLC")[0] for table in project.tables]
assert sorted(names) == ["m1", "m1-2", "m2"], names""",
        takes="the folder `poses/`: it cuts names before `DLC`",
        traps="It refuses where there are not as many movies as tables, and does not look into "
        "subfolders.",
    ),
    NextTool(
        name="DLC2Kinematics",
        package="dlc2kinematics",
        distribution="dlc2kinematics",
        lines=f"""\
import dlc2kinematics

poses, bodyparts, scorer = dlc2kinematics.load_data(
    "one/poses/m1{_SCORER}_filtered.h5"
)
speed = dlc2kinematics.compute_speed(poses, bodyparts=["nose"])""",
        check=f"""\
assert scorer == "{_SCORER}", scorer
assert len(bodyparts) == 5 and len(speed) == 300""",
        takes="one H5",
        traps="Speeds are per frame: multiply by the rate, and not at all where it varies.",
    ),
    NextTool(
        name="CEBRA",
        package="cebra[integrations,datasets]",
        distribution="cebra",
        lines=f"""\
import cebra

features = cebra.load_data(
    "one/poses/m1{_SCORER}_filtered.h5"
)""",
        check="""\
assert features.shape == (300, 10), features.shape""",
        takes="one H5, without a key",
        traps="With `key=` it takes the likelihood for a feature; without, it reads x and y.",
    ),
    NextTool(
        name="nwbinspector",
        package="nwbinspector ndx-pose",
        distribution="nwbinspector",
        lines="""\
from nwbinspector import Importance, inspect_all

if __name__ == "__main__":
    findings = [
        finding
        for folder in ("one", "several", "uneven", "recorded")
        for finding in inspect_all(folder, importance_threshold=Importance.BEST_PRACTICE_VIOLATION)
    ]""",
        check="""\
    assert findings == [], findings""",
        takes="`<movie>.nwb` of a run with `--nwb`: no finding above a suggestion",
    ),
    NextTool(
        name="pynwb",
        package="pynwb ndx-pose pandas pyarrow",
        distribution="pynwb",
        lines="""\
from pynwb import NWBHDF5IO

with NWBHDF5IO("recorded/recorded/recorded.nwb", "r") as io:
    poses = io.read().processing["behavior"]["PoseEstimation"]
    times, points = poses["nose"].timestamps[:], poses["nose"].data[:]""",
        check="""\
import numpy, pandas
rows = pandas.read_parquet("recorded/annotations.parquet")
numpy.testing.assert_allclose(times - times[0], rows["Time since start (s)"], atol=1e-9)
numpy.testing.assert_allclose(points, rows[["nose x", "nose y"]])
assert numpy.diff(times).max() > 0.1""",
        takes="`<movie>.nwb` of a run with `--nwb`",
    ),
    NextTool(
        name="neuroconv",
        package="neuroconv[deeplabcut] pandas pyarrow",
        distribution="neuroconv",
        lines=f"""\
import pandas
from neuroconv.datainterfaces import DeepLabCutInterface

interface = DeepLabCutInterface(
    file_path="one/m1/m1{_SCORER}_filtered.h5"
)
table = pandas.read_parquet("one/annotations.parquet")
interface.set_aligned_timestamps(table["Time since start (s)"].to_numpy())""",
        check="""\
from datetime import datetime, timezone
metadata = interface.get_metadata()
metadata["NWBFile"]["session_start_time"] = datetime(2026, 1, 27, tzinfo=timezone.utc)
interface.run_conversion("converted.nwb", metadata=metadata, overwrite=True)
import pathlib
assert pathlib.Path("converted.nwb").stat().st_size > 10_000""",
        takes="one H5, where your own conversion has more data; else `--nwb`",
        traps="It accepts even times that do not fit the movie: give it those of the annotations. "
        "It does not know of a crop: use `--crop-coordinates frame`. Of several animals it takes "
        "one, whose name it wants to know (`subject_name=`), else it fails with KeyError: 'ind1'.",
    ),
    NextTool(
        name="napari-deeplabcut",
        package="napari-deeplabcut",
        distribution="napari-deeplabcut",
        lines="""\
from napari_deeplabcut._reader import get_folder_parser  # what napari calls for a folder

folder = "one/labeled-data/m1"
layers = get_folder_parser(folder)(folder)""",
        check="""\
kinds = sorted(layer[2] for layer in layers)
assert "points" in kinds and "image" in kinds, kinds
points = next(layer for layer in layers if layer[2] == "points")
assert len(points[0]) == 40, len(points[0])""",
        takes="a folder of `labeled-data` of a run with `--refine-frames`, or one H5",
        traps="It saves corrections as `CollectedData_<scorer>` beside the frames.",
    ),
    NextTool(
        name="DuckDB",
        package="duckdb",
        distribution="duckdb",
        lines='''\
import duckdb

seen = duckdb.sql("""
    select "Movie number", avg("nose x") from 'one/annotations.parquet'
    where "nose likelihood" > 0.6 group by "Movie number"
""").fetchall()''',
        check="""\
assert len(seen) == 1 and seen[0][1] > 0, seen""",
        takes="`annotations.parquet`",
        traps="Column names have spaces: quote them twice.",
    ),
    NextTool(
        name="SimBA",
        package="",
        distribution="",
        lines="",
        check="",
        takes="one animal: CSV, the name before `DLC_`; several: H5 that end in `_el`, `_bx`, or "
        "`_sk`, with or without `_filtered`, as those in `poses/` do",
        traps="It takes no H5 of a single animal: `pandas.read_hdf(path).to_csv(…)` first.",
        not_run="it is a window; its names were read in its source (5.6.1)",
    ),
    NextTool(
        name="anipose",
        package="",
        distribution="",
        lines="",
        check="",
        takes="`pose-2d/<movie>.h5`: copy an H5 of `poses/` there under the movie's name",
        traps="It reads the file's only key, and does not know of a crop.",
        not_run="it wants several calibrated cameras; its names were read in its source",
    ),
    NextTool(
        name="R (arrow)",
        package="",
        distribution="",
        lines="",
        check="",
        takes='`arrow::read_parquet("annotations.parquet")`',
        not_run="R is not at hand where this was written",
    ),
)
