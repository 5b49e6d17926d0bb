from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tasks.pose.drawing import encoders
from tasks.pose.drawing.frame_painter import FramePainter
from tasks.pose.finishing import _paint_frame, label_movie_file
from tasks.pose.movies.reader import probe_movie
from tasks.pose.movies.timing import constant_timing
from tasks.pose.tables.pose_table import write_poses
from tests.support.movie_files import write_movie
from tests.support.pose_tables import (
    PLAIN_STYLE,
    SINGLE_ANIMAL,
    make_noise_frames,
    make_scattered_poses,
)


@pytest.mark.parametrize("trail_points", [0, 1, 4, 100])
def test_one_frame_is_painted_as_all_of_them_are(trail_points: int) -> None:
    poses, frames = make_scattered_poses(SINGLE_ANIMAL), make_noise_frames(16)
    style = replace(PLAIN_STYLE, trail_points=trail_points, draw_skeleton=True)
    painter = FramePainter(poses, style, (3, 2))
    for index, frame in enumerate(frames):
        alone = _paint_frame(poses, style, (3, 2), frame.copy(), index)
        np.testing.assert_array_equal(alone, painter.paint_image(frame.copy(), index))


def test_a_movie_is_labeled_again_where_a_gpu_s_encoder_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one does that has been tried, and then has no room for another movie."""
    monkeypatch.setattr(encoders, "_can_nvenc_encode", lambda width, height: True)
    for name in ("_gpu_used", "_gpu_failed"):  # what this process has found out stays its own
        monkeypatch.setattr(encoders, name, threading.Event())
    poses = make_scattered_poses(SINGLE_ANIMAL)
    movie = write_movie(tmp_path / "m.mp4", len(poses))
    write_poses(poses, tmp_path / "poses.h5")
    target, timing = tmp_path / "labeled.mp4", constant_timing(len(poses), Fraction(30))
    files = (movie, tmp_path / "poses.h5", target)
    found = label_movie_file(
        *files, PLAIN_STYLE, timing, None, (0, 0), (), progress=lambda done: None
    )
    assert found.frames == len(poses)
    assert (probe_movie(target).codec, probe_movie(target).declared_frames) == ("h264", len(poses))
