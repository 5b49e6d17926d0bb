"""A movie's poses are called as DeepLabCut calls them."""

import pytest

from tasks.pose.results.file_names import name_pose_files, path_below_output

SCORER = "DLC_Resnet50_openfieldOct30shuffle1_snapshot_best-100"


@pytest.mark.parametrize(
    ("track_method", "tracker"), [("", ""), ("ellipse", "_el"), ("box", "_bx"), ("skeleton", "_sk")]
)
def test_names_are_those_of_analyze_videos(track_method: str, tracker: str) -> None:
    names = name_pose_files("day 1", "day 1-2", SCORER, track_method)
    assert names.raw == f"day 1{SCORER}{tracker}.h5"
    assert names.filtered == f"day 1{SCORER}{tracker}_filtered.h5"
    assert names.metadata == f"day 1{SCORER}_meta.pickle"


def test_a_copy_is_called_after_the_movie_s_folder() -> None:
    """Movies of two folders may have one stem; their copies lie in one folder."""
    first, second = (name_pose_files("m", name, SCORER, "") for name in ("m", "m-2"))
    assert first.copy_of(first.filtered) == f"poses/m{SCORER}_filtered.h5"
    assert second.copy_of(second.raw) == f"poses/m-2{SCORER}.h5"


@pytest.mark.parametrize("stem", ["m" * 255, "鼠" * 80])
def test_no_name_is_longer_than_a_file_system_takes(stem: str) -> None:
    names = name_pose_files(stem, stem, SCORER, "ellipse")
    every = (names.raw, names.filtered, names.metadata, names.copy_of(names.filtered))
    assert all(len(name.split("/")[-1].encode()) <= 255 for name in every)
    assert all(SCORER in name for name in every)


def test_a_name_with_a_folder_is_relative_to_the_output() -> None:
    assert path_below_output("m", "labeled.mp4") == "m/labeled.mp4"
    assert path_below_output("m", "poses/m.h5") == "poses/m.h5"
