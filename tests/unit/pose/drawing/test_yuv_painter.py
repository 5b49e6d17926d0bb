from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tasks.pose.drawing.frame_painter import FramePainter
from tasks.pose.movies.reader import open_movie
from tests.support.movie_files import write_movie
from tests.support.pose_tables import PLAIN_STYLE, SINGLE_ANIMAL, make_scattered_poses

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.pose.movies.yuv_frame import YuvFrame

SIZE = (96, 64)


@pytest.mark.parametrize("kept", [1, 3])
def test_a_frame_stays_as_it_is_while_it_is_kept(tmp_path: Path, kept: int) -> None:
    movie = write_movie(tmp_path / "m.mp4", 40)
    style = replace(PLAIN_STYLE, dot_size=20, p_cutoff=0.0)
    poses = make_scattered_poses(SINGLE_ANIMAL, 40, SIZE)
    alone, painter = FramePainter(poses, style), FramePainter(poses, style, kept=kept)
    expected: list[np.ndarray] = []
    in_use: list[YuvFrame] = []
    for index, (planes, _) in enumerate(open_movie(movie).read_paintable_frames()):
        assert planes is not None
        expected.append(alone.paint_yuv_frame(planes, index).frame.to_ndarray())
        in_use = [*in_use, painter.paint_yuv_frame(planes, index)][-kept:]
        for shown, wanted in zip(in_use, expected[-kept:], strict=True):
            np.testing.assert_array_equal(shown.frame.to_ndarray(), wanted)
