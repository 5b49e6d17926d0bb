from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.pose.drawing import FramePainter
from tasks.pose.finishing import _painted
from tests.pose_tables import PLAIN, SINGLE, noise, scattered_poses


@pytest.mark.parametrize("trail_points", [0, 1, 4, 100])
def test_one_frame_is_painted_as_all_of_them_are(trail_points: int) -> None:
    poses, frames = scattered_poses(SINGLE), noise(16)
    style = replace(PLAIN, trail_points=trail_points, draw_skeleton=True)
    painter = FramePainter(poses, style, (3, 2))
    for index, frame in enumerate(frames):
        alone = _painted(poses, style, (3, 2), frame.copy(), index)
        np.testing.assert_array_equal(alone, painter.paint(frame.copy(), index))
