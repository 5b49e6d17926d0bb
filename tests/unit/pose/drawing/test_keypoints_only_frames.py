from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from av.video.reformatter import Colorspace

from tasks.pose.drawing.keypoints_only import KeypointCanvas
from tasks.pose.drawing.keypoints_only_frames import draw_keypoint_frames
from tests.support.pose_tables import (
    PLAIN_STYLE,
    SINGLE_ANIMAL,
    build_pose_table,
    make_scattered_poses,
)

FRAMES = 30
STYLE = replace(PLAIN_STYLE, keypoints_only=True, draw_skeleton=True, trail_points=3)


@pytest.mark.parametrize("size", [(400, 300), (97, 81), (60, 40)])
@pytest.mark.parametrize("kept", [1, 3])
def test_they_are_the_pictures_that_matplotlib_draws(size: tuple[int, int], kept: int) -> None:
    poses = make_scattered_poses(SINGLE_ANIMAL, FRAMES, size)
    canvas = KeypointCanvas(poses, STYLE)
    for index, planes in enumerate(draw_keypoint_frames(poses, STYLE, kept)):
        expected = canvas.render_frame(index).astype(int)
        assert planes.shape == expected.shape
        brightness = planes.frame.to_ndarray()[: expected.shape[0], : expected.shape[1]]
        wanted = 16 + expected @ (0.2126, 0.7152, 0.0722) * 219 / 255
        assert np.abs(brightness - wanted).max() <= 2
        assert (brightness[~expected.any(axis=2)] == 16).all()
        shown = planes.frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709)
        # Four pixels share their color.
        assert np.abs(shown.to_ndarray() - expected).mean() < 3


def test_frames_without_a_point_are_black() -> None:
    values = np.full((4, 3, 3), np.nan)
    values[1::2] = [[20, 20, 1], [50, 50, 1], [150, 120, 1]]
    frames = [
        planes.frame.to_ndarray().copy()
        for planes in draw_keypoint_frames(build_pose_table(values, SINGLE_ANIMAL), STYLE, 1)
    ]
    assert [len(np.unique(frame[:120])) for frame in frames[::2]] == [1, 1]
    assert all(len(np.unique(frame[:120])) > 1 for frame in frames[1::2])
