"""The demo's movie, truth and model are what the script that makes them says."""

import io
import itertools
import zipfile
from pathlib import PurePosixPath

import av
import numpy as np
import pandas as pd
import yaml

from deployments.demo.assets import make
from deployments.demo.assets.accuracy import MODEL_FILE, MOVIE_FILE, TRUTH_FILE
from deployments.demo.assets.mouse import BODY_PARTS, render_movie
from deployments.demo.assets.movie_file import read_movie


def member(pattern: str) -> bytes:
    """The content of the one file of the model archive whose path matches."""
    with zipfile.ZipFile(MODEL_FILE) as archive:
        (name,) = [name for name in archive.namelist() if PurePosixPath(name).match(pattern)]
        return archive.read(name)


def test_movie_is_24_seconds_of_h264_at_30_frames_a_second() -> None:
    with av.open(str(MOVIE_FILE)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 30
        shapes = [(frame.width, frame.height) for frame in container.decode(stream)]
    assert shapes == [(640, 480)] * 720
    assert MOVIE_FILE.stat().st_size < 2_500_000


def test_truth_has_a_row_for_each_frame_and_stays_in_the_picture() -> None:
    truth = pd.read_csv(TRUTH_FILE)
    assert list(truth.columns) == ["frame", *(f"{p} {a}" for p in BODY_PARTS for a in "xy")]
    assert truth["frame"].tolist() == list(range(720))
    for axis, size in (("x", 640), ("y", 480)):
        positions = truth[[f"{part} {axis}" for part in BODY_PARTS]]
        assert positions.min().min() > 5
        assert positions.max().max() < size - 5


def test_the_seed_gives_the_movie_again() -> None:
    truth = pd.read_csv(TRUTH_FILE)
    rendered = list(render_movie(make.SEED, 3))
    again = make.build_truth_table(np.array([positions for _, positions in rendered]))
    pd.testing.assert_frame_equal(again, truth[:3], atol=0.01)
    for (picture, _), stored in zip(
        rendered, itertools.islice(read_movie(MOVIE_FILE), 3), strict=True
    ):
        away = picture.astype(float) - stored
        assert np.abs(away).mean() < 3
        assert np.abs(away.mean(axis=(0, 1))).max() < 2


def test_seeds_differ() -> None:
    (one, here), (other, there) = (next(render_movie(seed, 1)) for seed in (1, 2))
    assert np.abs(here - there).max() > 5
    assert np.abs(one.astype(float) - other).mean() > 3


def test_model_holds_one_small_snapshot_and_no_trace_of_its_maker() -> None:
    assert MODEL_FILE.stat().st_size <= 8_000_000
    with zipfile.ZipFile(MODEL_FILE) as archive:
        names = [PurePosixPath(name) for name in archive.namelist()]
        text = b"".join(archive.read(str(n)) for n in names if n.suffix == ".yaml").decode()
    assert [n.parent.name for n in names if n.suffix == ".pt"] == ["train"]
    assert "/tmp" not in text
    assert yaml.safe_load(member("config.yaml"))["project_path"] == "/home/lab/mouse-openfield"


def test_settings_name_the_movies_body_parts() -> None:
    project = yaml.safe_load(member("config.yaml"))
    network = yaml.safe_load(member("train/pytorch_config.yaml"))
    test = yaml.safe_load(member("test/pose_cfg.yaml"))
    assert project["bodyparts"] == list(BODY_PARTS)
    assert network["metadata"]["bodyparts"] == list(BODY_PARTS)
    assert test["all_joints_names"] == list(BODY_PARTS)
    assert {part for edge in project["skeleton"] for part in edge} == set(BODY_PARTS)


def test_weights_load_without_unpickling_objects() -> None:
    import torch

    snapshot = torch.load(io.BytesIO(member("*.pt")), weights_only=True)
    assert "optimizer" not in snapshot
    assert sum(weights.numel() for weights in snapshot["model"].values()) < 2_000_000
