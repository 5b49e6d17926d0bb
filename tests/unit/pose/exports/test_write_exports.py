"""Which files a movie's poses are exported to, and that they say what they are relative to."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.pose.exports import pose_file
from tasks.pose.exports.pose_file import build_attributes
from tasks.pose.settings import CropCoordinates
from tasks.pose.tables.pose_table import H5_KEY, read_poses
from tests.support.exported_movies import SCORER, example_facts, export_example
from tests.support.pose_tables import TWO_ANIMALS, make_scattered_poses
from tests.support.records import DIGEST, example_model

CROPPED: dict[str, Any] = {"frame_size": (640, 480), "edges": (100, 420, 40, 280)}
RAW, FILTERED, METADATA = (f"m{SCORER}{end}" for end in (".h5", "_filtered.h5", "_meta.pickle"))


def attributes(path: Path) -> dict[str, Any]:
    with pd.HDFStore(path, "r") as store:
        group = store.get_storer(H5_KEY).attrs  # type: ignore[operator]
        return {
            name: getattr(group, name)
            for name in build_attributes(example_facts(), CropCoordinates.CROP)
        }


def metadata(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = pickle.loads(path.read_bytes())["data"]
    return data


def test_a_movie_s_folder_is_deeplabcut_s_and_its_poses_lie_once_in_a_folder_of_all(
    tmp_path: Path,
) -> None:
    exports = export_example(tmp_path, example_facts())
    assert list(exports.files) == [FILTERED, RAW, METADATA, f"poses/{FILTERED}"]
    assert exports.poses == FILTERED
    assert exports.files[f"poses/{FILTERED}"] == exports.files[FILTERED]


def test_without_a_filter_the_raw_poses_are_delivered(tmp_path: Path) -> None:
    exports = export_example(tmp_path, example_facts(), window_length=0)
    assert list(exports.files) == [RAW, METADATA, f"poses/{RAW}"]
    assert exports.poses == RAW


def test_tracked_animals_have_deeplabcut_s_own_names(tmp_path: Path) -> None:
    model = example_model(multi_animal=True, track_method="ellipse", unique_body_parts=("corner",))
    table = make_scattered_poses(TWO_ANIMALS)
    exports = export_example(tmp_path, example_facts(model=model), table)
    assert list(exports.files)[:3] == [
        f"m{SCORER}_el_filtered.h5",
        f"m{SCORER}_el.h5",
        METADATA,
    ]
    pd.testing.assert_frame_equal(read_poses(exports.files[f"m{SCORER}_el.h5"]), table)


def test_the_table_is_as_it_was_and_its_group_says_what_it_is_relative_to(tmp_path: Path) -> None:
    exports = export_example(tmp_path, example_facts(**CROPPED))
    for name, source in ((RAW, "pose_estimates_raw.h5"), (FILTERED, "pose_estimates.h5")):
        pd.testing.assert_frame_equal(
            read_poses(exports.files[name]), read_poses(tmp_path / source)
        )
        assert attributes(exports.files[name]) == {
            "written_by": "dlcflow 0.1.0",
            "movie_name": "m.mp4",
            "movie_sha256": DIGEST,
            "frame_width": 640,
            "frame_height": 480,
            "frame_rate": 30.0,
            "crop_left": 100,
            "crop_top": 40,
            "crop_width": 320,
            "crop_height": 240,
            "coordinates": "crop",
            "offset_x": 100,
            "offset_y": 40,
        }
    found = metadata(exports.files[METADATA])
    assert (found["cropping"], found["cropping_parameters"]) == (True, [100, 420, 40, 280])
    assert (found["frame_dimensions"], found["nframes"], found["fps"]) == ((640, 480), 16, 30.0)
    assert found["Scorer"] == SCORER


def test_in_frame_coordinates_nothing_says_that_there_is_an_offset(tmp_path: Path) -> None:
    """DeepLabCut's calls add the crop of the metadata to the coordinates."""
    exports = export_example(tmp_path, example_facts(**CROPPED), crop_coordinates="frame")
    raw, moved = read_poses(tmp_path / "pose_estimates_raw.h5"), read_poses(exports.files[RAW])
    offsets = np.tile([100.0, 40.0, 0.0], raw.shape[1] // 3)
    np.testing.assert_array_equal(moved, raw + offsets)
    found = attributes(exports.files[FILTERED])
    assert (found["coordinates"], found["offset_x"], found["offset_y"]) == ("frame", 0, 0)
    assert (found["crop_left"], found["crop_width"]) == (100, 320)
    data = metadata(exports.files[METADATA])
    assert (data["cropping"], data["cropping_parameters"]) == (False, [0, 640, 0, 480])


def test_the_same_poses_make_the_same_bytes(tmp_path: Path) -> None:
    one, other = (export_example(tmp_path / n, example_facts(**CROPPED)) for n in ("a", "b"))
    assert [p.read_bytes() for p in one.files.values()] == [
        p.read_bytes() for p in other.files.values()
    ]


def test_the_metadata_holds_the_network_and_no_path_of_this_machine(tmp_path: Path) -> None:
    project = tmp_path / "project"
    folder = project / "dlc-models-pytorch/iteration-0/x-trainset95shuffle1/train"
    folder.mkdir(parents=True)
    text = f"net_type: resnet_50\nmetadata:\n  project_path: {project}\n"
    (folder / "pytorch_config.yaml").write_text(text)
    exports = export_example(tmp_path, example_facts(project=project))
    data = exports.files[METADATA].read_bytes()
    assert metadata(exports.files[METADATA])["pytorch-config"]["net_type"] == "resnet_50"
    assert str(tmp_path).encode() not in data


def test_a_file_that_is_not_whole_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 says nothing where the disk becomes full."""
    check = pose_file._check_attributes

    def cut_short(target: Path, attributes: dict[str, Any]) -> None:
        target.write_bytes(target.read_bytes()[:-600])
        check(target, attributes)

    monkeypatch.setattr(pose_file, "_check_attributes", cut_short)
    with pytest.raises(OSError, match="not what is on the disk"):
        export_example(tmp_path, example_facts())
