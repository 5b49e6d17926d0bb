"""The pictures of the labeled movie are those that DeepLabCut draws, before either encodes them."""

from __future__ import annotations

import io
import time
import warnings
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import av
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.animation import FFMpegWriter

from tasks.pose.drawing.frame_painter import FramePainter
from tasks.pose.drawing.keypoints_only import KeypointCanvas
from tasks.pose.drawing.labeled_movie import write_labeled_movie
from tests.support.pose_tables import (
    PART_NAMES,
    PLAIN_STYLE,
    SINGLE_ANIMAL,
    build_pose_table,
    make_noise_frames,
    make_scattered_poses,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from tasks.pose.drawing.label_style import LabelStyle

DATA = Path(__file__).parents[2].parent / "shared" / "data"
real_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the real movies and poses beside the checkout (../shared/data)"
)
Crop = tuple[int, int, int, int]

# The arena comes last by its name too; DeepLabCut's colors are mixed up where it does not.
SORTED = {"first": PART_NAMES, "second": PART_NAMES, "single": ("corner",)}

STYLES = {
    "plain": PLAIN_STYLE,
    "skeleton": replace(PLAIN_STYLE, draw_skeleton=True),
    "one part": replace(PLAIN_STYLE, displayed_body_parts=("tail",)),
    "two parts, skeleton": replace(
        PLAIN_STYLE,
        displayed_body_parts=("tail", "ear"),
        draw_skeleton=True,
        skeleton_color="#1234ab",
    ),
    "trail of one": replace(PLAIN_STYLE, trail_points=1),
    "trail of two": replace(PLAIN_STYLE, trail_points=2),
    "long trail": replace(PLAIN_STYLE, trail_points=12, draw_skeleton=True),
    "trail longer than the movie": replace(PLAIN_STYLE, trail_points=1000),
    "single pixels": replace(PLAIN_STYLE, dot_size=1),
    "huge dots": replace(PLAIN_STYLE, dot_size=100),
    "everything": replace(PLAIN_STYLE, p_cutoff=0.0),
    "nothing": replace(PLAIN_STYLE, p_cutoff=1.0),
    "listed colors": replace(PLAIN_STYLE, color_map="tab10"),
    "other colors": replace(PLAIN_STYLE, color_map="viridis", dot_size=3),
    "by individual": replace(
        PLAIN_STYLE, color_by="individual", draw_skeleton=True, trail_points=3
    ),
}


@pytest.fixture(scope="module")
def deeplabcut() -> Iterator[ModuleType]:
    """DeepLabCut's own module; its imports and its figures warn, which is not ours to fix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from deeplabcut.utils import make_labeled_video

        yield make_labeled_video


class Clip:
    """Stands in for DeepLabCut's video reader and writer; keeps what is to be encoded."""

    fps = 30.0

    def __init__(self, frames: np.ndarray) -> None:
        self._frames: Iterator[np.ndarray] = iter(frames)
        self.nframes, self.height, self.width = frames.shape[:3]
        self.saved: list[np.ndarray] = []

    def load_frame(self) -> np.ndarray:
        return next(self._frames).copy()

    def save_frame(self, frame: np.ndarray) -> None:
        self.saved.append(frame.copy())

    def close(self) -> None:
        pass


class CapturingWriter(FFMpegWriter):
    """Keeps each frame that matplotlib would send to FFmpeg."""

    captured: list[np.ndarray]

    def _run(self) -> None:
        type(self).captured = []

    def grab_frame(self, **options: Any) -> None:
        buffer = io.BytesIO()
        self.fig.savefig(buffer, format="rgba", dpi=self.dpi, **options)
        width, height = self.frame_size
        rgba = np.frombuffer(buffer.getvalue(), np.uint8).reshape(height, width, 4)
        assert (rgba[..., 3] == 255).all()
        self.captured.append(rgba[..., :3])

    def finish(self) -> None:
        pass


def edges_as_deeplabcut(style: LabelStyle) -> list[list[str]]:
    """What ``create_labeled_video`` makes of the project's skeleton."""
    shown = style.displayed_body_parts
    return [
        list(edge)
        for edge in style.skeleton
        if shown is None or all(part in shown for part in edge)
    ]


def theirs(
    module: ModuleType,
    frames: np.ndarray,
    poses: pd.DataFrame,
    style: LabelStyle,
    crop: Crop | None = None,
) -> list[np.ndarray]:
    clip = Clip(frames)
    parts = poses.columns.get_level_values("bodyparts").unique()
    shown = style.displayed_body_parts
    module.CreateVideo(
        clip,
        poses.copy(),
        style.p_cutoff,
        style.dot_size,
        style.color_map,
        [part for part in parts if shown is None or part in shown],
        style.trail_points,
        crop is not None,
        *(crop or (0, clip.width, 0, clip.height)),
        edges_as_deeplabcut(style),
        style.skeleton_color,
        style.draw_skeleton,
        False,  # displaycropped
        style.color_by,
    )
    return clip.saved


def ours(
    frames: np.ndarray, poses: pd.DataFrame, style: LabelStyle, offset: tuple[int, int] = (0, 0)
) -> list[np.ndarray]:
    painter = FramePainter(poses, style, offset)
    return [painter.paint_image(frame.copy(), index) for index, frame in enumerate(frames)]


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize(
    "individuals",
    [SINGLE_ANIMAL, SORTED],
    ids=["single animal", "multi-animal with a unique part"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("crop", [None, (17, 101, 9, 77)], ids=["whole", "cropped"])
def test_same_pixels_on_frames(
    deeplabcut: ModuleType,
    style: LabelStyle,
    individuals: Mapping[str, tuple[str, ...]],
    dtype: str,
    crop: Crop | None,
) -> None:
    poses, frames = make_scattered_poses(individuals, dtype=dtype), make_noise_frames(16)
    offset = (crop[0], crop[2]) if crop else (0, 0)
    np.testing.assert_array_equal(
        ours(frames, poses, style, offset), theirs(deeplabcut, frames, poses, style, crop)
    )


coordinate = st.one_of(st.floats(-9, 48), st.integers(-9, 48).map(float), st.just(float("nan")))
likelihood = st.one_of(st.floats(0, 1), st.just(0.6), st.just(float("nan")))
point = st.tuples(coordinate, coordinate, likelihood)


@given(
    points=st.lists(st.tuples(point, point, point), min_size=1, max_size=5),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    dot_size=st.integers(1, 12),
    trail_points=st.integers(0, 6),
    single_precision=st.booleans(),
)
def test_same_pixels_whatever_the_poses(
    *,
    deeplabcut: ModuleType,
    points: list[Any],
    width: int,
    height: int,
    dot_size: int,
    trail_points: int,
    single_precision: bool,
) -> None:
    values = np.array(points, "float32" if single_precision else "float64")
    poses = build_pose_table(values, SINGLE_ANIMAL)
    style = replace(PLAIN_STYLE, dot_size=dot_size, trail_points=trail_points, draw_skeleton=True)
    frames = make_noise_frames(len(points), (width, height))
    np.testing.assert_array_equal(
        ours(frames, poses, style), theirs(deeplabcut, frames, poses, style)
    )


def test_individuals_keep_their_colors_where_deeplabcut_sorts_them(deeplabcut: ModuleType) -> None:
    """DeepLabCut counts body parts by sorted individual, and so mixes up unequal ones."""
    style = replace(PLAIN_STYLE, color_by="individual", p_cutoff=0.0)
    individuals = {"zebra": PART_NAMES, "arena": ("corner",)}
    points = [[(20.0, 20, 1), (50, 50, 1), (90, 20, 1), (90, 80, 1)]]
    poses = build_pose_table(np.array(points), individuals)
    frames = make_noise_frames(1)
    [mine], [other] = ours(frames, poses, style), theirs(deeplabcut, frames, poses, style)
    first, last = (np.array(mpl.colormaps["rainbow"]([0.0, 1.0]))[:, :3] * 255).astype(np.uint8)
    assert [tuple(mine[y, x]) for x, y in [(20, 20), (50, 50), (90, 20)]] == [tuple(first)] * 3
    assert tuple(mine[80, 90]) == tuple(last)
    assert tuple(other[50, 50]) == tuple(last)  # the zebra's ear in the arena's color


def theirs_keypoints(
    module: ModuleType, poses: pd.DataFrame, style: LabelStyle, monkeypatch: pytest.MonkeyPatch
) -> list[np.ndarray]:
    """As ``proc_video`` calls it, hiding what is not displayed."""
    monkeypatch.setattr(module, "FFMpegWriter", CapturingWriter)
    poses = poses.copy()
    parts = poses.columns.get_level_values("bodyparts")
    if style.displayed_body_parts is not None:
        poses.loc[:, ~parts.isin(style.displayed_body_parts)] = np.nan
    links = module.get_segment_indices(edges_as_deeplabcut(style), parts[::3])
    module.create_video_with_keypoints_only(
        poses,
        "unused.mp4",
        links if style.draw_skeleton else None,
        style.p_cutoff,
        style.dot_size,
        style.alpha,
        skeleton_color=style.skeleton_color,
        color_by=style.color_by,
        colormap=style.color_map,
    )
    return CapturingWriter.captured


@pytest.mark.parametrize(
    "style",
    [
        PLAIN_STYLE,
        replace(PLAIN_STYLE, draw_skeleton=True, skeleton_color="white"),
        replace(PLAIN_STYLE, displayed_body_parts=("tail", "ear"), draw_skeleton=True),
        replace(PLAIN_STYLE, color_map="tab10", dot_size=12, alpha=0.3, p_cutoff=0.8),
        replace(PLAIN_STYLE, color_by="individual"),
    ],
    ids=["plain", "skeleton", "two parts", "other looks", "by individual"],
)
@pytest.mark.parametrize("size", [(120, 90), (201, 147)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_keypoints_only_picture(
    deeplabcut: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    style: LabelStyle,
    size: tuple[int, int],
    dtype: str,
) -> None:
    poses = make_scattered_poses(SORTED, size=size, dtype=dtype)
    canvas = KeypointCanvas(poses, style)
    np.testing.assert_array_equal(
        [canvas.render_frame(index) for index in range(len(poses))],
        theirs_keypoints(deeplabcut, poses, style, monkeypatch),
    )


def decoded(movie: Path, count: int) -> np.ndarray:
    with av.open(str(movie)) as container:
        frames = container.decode(video=0)
        return np.stack([next(frames).to_ndarray(format="rgb24") for _ in range(count)])


BLOBS = ("blobs2_200.mp4", "blobs-multianimal-pytorch", ("nose", "left"))
REAL = {
    "single animal": (
        "openfield-300.mp4",
        "openfield-pytorch",
        ("snout", "tailbase"),
        "bodypart",
    ),
    "multi-animal": (*BLOBS, "bodypart"),
    "by individual": (*BLOBS, "individual"),
}


@real_data
@pytest.mark.parametrize("keypoints_only", [False, True], ids=["frames", "keypoints only"])
@pytest.mark.parametrize(("movie", "model", "edge", "color_by"), REAL.values(), ids=REAL)
def test_same_pixels_on_a_real_movie(
    *,
    deeplabcut: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    movie: str,
    model: str,
    edge: tuple[str, str],
    color_by: Literal["bodypart", "individual"],
    keypoints_only: bool,
) -> None:
    h5 = min((DATA / "truth" / model).glob("*.h5"))
    count = 40
    poses = pd.DataFrame(pd.read_hdf(h5)).iloc[:count]
    style = replace(
        PLAIN_STYLE, p_cutoff=0.3, skeleton=(edge,), draw_skeleton=True, color_by=color_by
    )
    if keypoints_only:
        canvas = KeypointCanvas(poses, style)
        mine = [canvas.render_frame(index) for index in range(count)]
        expected = theirs_keypoints(deeplabcut, poses, style, monkeypatch)
    else:
        frames = decoded(DATA / "movies" / movie, count)
        style = replace(style, trail_points=5)
        mine = ours(frames, poses, style, (11, 7))
        expected = theirs_through_create_video(deeplabcut, monkeypatch, frames, h5, style)
    np.testing.assert_array_equal(mine, expected)


def theirs_through_create_video(
    module: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    frames: np.ndarray,
    h5: Path,
    style: LabelStyle,
) -> list[np.ndarray]:
    """From the pose file on, as ``create_labeled_video`` does, with a crop at 11, 7."""
    clip = Clip(frames)
    monkeypatch.setattr(module, "vp", lambda **options: clip)
    module.create_video(
        "unused.mp4",
        str(h5),
        pcutoff=style.p_cutoff,
        dotsize=style.dot_size,
        cmap=style.color_map,
        skeleton_edges=edges_as_deeplabcut(style),
        skeleton_color=style.skeleton_color,
        trailpoints=style.trail_points,
        bbox=(11, clip.width, 7, clip.height),
        color_by=style.color_by,
        output_path="unused.mp4",
    )
    return clip.saved


@real_data
def test_speed_beside_deeplabcut(
    deeplabcut: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Says how fast both are on this machine; which is faster depends on the machine."""
    movie = DATA / "movies" / "openfield-300.mp4"
    frames, poses = (
        decoded(movie, 300),
        make_scattered_poses({"": (*PART_NAMES, "back", "hip")}, 300, (640, 480)),
    )
    h5 = tmp_path / "poses.h5"
    poses.to_hdf(h5, key="df_with_missing", format="table", mode="w")
    started = time.perf_counter()
    written = write_labeled_movie(
        iter(frames), poses, tmp_path / "ours.mp4", PLAIN_STYLE, frame_rate=Fraction(30)
    )
    middle = time.perf_counter()
    deeplabcut.create_video(
        str(movie), str(h5), dotsize=5, output_path=str(tmp_path / "dlc.mp4"), bbox=(0, 640, 0, 480)
    )
    ended = time.perf_counter()
    with capsys.disabled():
        print(
            f"\n640×480, 5 parts, drawn and encoded: {written / (middle - started):.0f} frames/s; "
            f"DeepLabCut (decoding too, to MPEG-4): {written / (ended - middle):.0f} frames/s"
        )
    assert written == 300
