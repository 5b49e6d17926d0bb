"""The refine pack: frames and labels as DeepLabCut's labeled-data has them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tasks.errors import StageFailed
from tasks.pose.exports.write_exports import MovieExports
from tasks.pose.movies.reader import open_movie
from tasks.pose.tables.pose_table import read_poses
from tests.support.exported_movies import example_facts, export_example
from tests.support.movie_files import write_movie
from tests.support.pose_tables import TWO_ANIMALS, make_scattered_poses

FRAMES = 16
PLACE = "labeled-data/m"
CROPPED: dict[str, Any] = {"frame_size": (96, 64), "edges": (8, 88, 4, 60)}


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_movie(tmp_path_factory.mktemp("movie") / "m.mp4", FRAMES)


def export(folder: Path, movie: Path, count: int = 4, **options: Any) -> MovieExports:
    return export_example(
        folder, example_facts(**CROPPED), movie=movie, refine_frames=count, **options
    )


def labels(exports: MovieExports) -> pd.DataFrame:
    return read_poses(exports.files[f"{PLACE}/machinelabels-iter0.h5"])


def test_frames_are_the_movie_s_own_and_whole(tmp_path: Path, movie: Path) -> None:
    exports = export(tmp_path, movie)
    frames = list(open_movie(movie))
    assert len(exports.refine) == 4
    for frame in exports.refine:
        assert frame.file == f"{PLACE}/img{frame.index:02}.png"
        with Image.open(exports.files[frame.file]) as picture:
            np.testing.assert_array_equal(np.asarray(picture), frames[frame.index])
        with Image.open(frame.picture) as small:
            assert small.size == (96, 64)


def test_labels_are_the_network_s_in_the_whole_frame(tmp_path: Path, movie: Path) -> None:
    exports = export(tmp_path, movie)
    chosen = [frame.index for frame in exports.refine]
    found, raw = labels(exports), read_poses(tmp_path / "pose_estimates_raw.h5")
    assert list(found.index) == [("labeled-data", "m", f"img{index:02}.png") for index in chosen]
    offsets = np.tile([8.0, 4.0, 0.0], raw.shape[1] // 3)
    np.testing.assert_array_equal(found, raw.iloc[chosen] + offsets)
    table = pd.read_csv(
        exports.files[f"{PLACE}/machinelabels.csv"], header=[0, 1, 2], index_col=[0, 1, 2]
    )
    np.testing.assert_allclose(table, found)


def test_several_animals_keep_their_columns(tmp_path: Path, movie: Path) -> None:
    table = make_scattered_poses(TWO_ANIMALS, size=(80, 56))
    exports = export(tmp_path, movie, table=table)
    assert labels(exports).columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    assert list(labels(exports).columns) == list(table.columns)


def test_the_same_movie_makes_the_same_bytes(tmp_path: Path, movie: Path) -> None:
    one, other = (export(tmp_path / name, movie) for name in ("a", "b"))
    assert {n: p.read_bytes() for n, p in one.files.items()} == {
        n: p.read_bytes() for n, p in other.files.items()
    }


def test_sleap_reads_the_table(tmp_path: Path, movie: Path) -> None:
    dlc = pytest.importorskip("sleap_io.io.dlc")
    exports = export(tmp_path, movie)
    folder = tmp_path / "project" / PLACE
    folder.mkdir(parents=True)
    for name, path in exports.files.items():
        if name.startswith(PLACE):
            (folder / path.name).write_bytes(path.read_bytes())
    found = dlc.load_dlc(str(folder / "machinelabels.csv"))
    assert len(found.labeled_frames) == 4
    assert {node.name for node in found.skeletons[0].nodes} == {"nose", "ear", "tail"}


def test_no_frames_are_wanted_by_default(tmp_path: Path) -> None:
    exports = export_example(tmp_path, example_facts())
    assert exports.refine == ()
    assert not [name for name in exports.files if name.startswith("labeled-data")]


def test_a_frame_that_has_vanished_is_an_error(tmp_path: Path) -> None:
    short = write_movie(tmp_path / "short.mp4", 2)
    with pytest.raises(StageFailed, match="do not decode any more"):
        export(tmp_path, short)
