from __future__ import annotations

import re
import sys
import time
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import image
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from tasks.pose.clock.experiment_clock import ExperimentClock, TimesRecord
from tasks.pose.drawing.distinct_colors import DISTINCT_COLORS
from tasks.pose.previews import draw as draw_module
from tasks.pose.previews.axes import Backdrop
from tasks.pose.previews.draw import draw_previews
from tests.support.pose_tables import (
    PART_NAMES,
    SINGLE_ANIMAL,
    TWO_ANIMALS,
    build_pose_table,
    make_scattered_poses,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = ["histogram", "likelihood", "coordinates", "trajectory"]
TWENTY = {"": tuple(f"a body part with a long name {index}" for index in range(20))}


def draw(poses: pd.DataFrame, folder: Path, **options: Any) -> dict[str, Path]:
    """Draw, and check what holds for every preview."""
    options = {"p_cutoff": 0.6, "color_map": "rainbow", **options}
    files = draw_previews(poses, folder, **options)
    assert sorted(folder.iterdir()) == sorted(files.values())
    for name, path in files.items():
        assert path.stem == name
        assert 0 < path.stat().st_size < 1_000_000
        if path.suffix == ".svg":
            assert_self_contained(path)
        else:
            assert image.imread(path).std() > 0
    return files


def assert_self_contained(svg: Path) -> None:
    text = svg.read_text()
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "<!DOCTYPE" not in text
    for target in re.findall(r"""(?:href|src)="([^"]*)"|url\(([^)]*)\)""", text):
        assert "".join(target).startswith(("#", "data:image/png;base64,"))


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures in the order that they are drawn in, instead of files."""
    drawn: list[Figure] = []

    def keep(figure: Figure, _: str, *, tight: bool) -> bytes:
        assert not tight
        drawn.append(figure)
        return b"drawn"

    monkeypatch.setattr(draw_module, "render_figure", keep)
    return drawn


class Panels(NamedTuple):
    """The axes of all figures of one individual."""

    histogram: Axes
    likelihood: Axes
    x: Axes
    y: Axes
    trajectory: Axes


def panels_of(poses: pd.DataFrame, folder: Path, figures: list[Figure], **options: Any) -> Panels:
    draw_previews(poses, folder, **{"p_cutoff": 0.6, "color_map": "rainbow", **options})
    return Panels(*(axes for figure in figures[:4] for axes in figure.axes))


def legend_of(figure: Figure) -> list[str]:
    """The names in a legend, from its top; a figure's first text is its title."""
    names = sorted(figure.texts[1:], key=lambda text: -float(text.get_position()[1]))
    return [text.get_text() for text in names]


def texts_in(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(
    ("frames", "frame_size", "individuals"),
    [
        (1, None, SINGLE_ANIMAL),
        (2, (120, 90), SINGLE_ANIMAL),
        (300, None, SINGLE_ANIMAL),
        (12, (120, 90), TWENTY),
    ],
)
def test_a_single_animal_has_four_previews(
    tmp_path: Path,
    frames: int,
    frame_size: tuple[int, int] | None,
    individuals: dict[str, tuple[str, ...]],
) -> None:
    files = draw(make_scattered_poses(individuals, frames), tmp_path, frame_size=frame_size)
    assert list(files) == NAMES
    assert [path.suffix for path in files.values()] == [".svg", ".svg", ".svg", ".png"]


def test_each_individual_has_its_own_and_so_have_unique_parts(tmp_path: Path) -> None:
    files = draw(make_scattered_poses(TWO_ANIMALS), tmp_path)
    assert list(files) == [f"{name}-{who}" for who in ("one", "two", "single") for name in NAMES]


def test_names_of_individuals_make_safe_and_different_files(
    tmp_path: Path, figures: list[Figure]
) -> None:
    who = ["a/b", "a b", "A B", "../x", "<$\\frac>", "é"]
    poses = make_scattered_poses(dict.fromkeys(who, ("nose",)), 3)
    draw_previews(poses, tmp_path, p_cutoff=0.6, color_map="rainbow")
    found = sorted(path.stem for path in tmp_path.glob("likelihood*"))
    expected = ["-.._x", "-A_B-3", "-_", "-_frac_", "-a_b", "-a_b-2"]
    assert found == [f"likelihood{suffix}" for suffix in expected]


@pytest.mark.parametrize(("frames", "frame_size"), [(1, None), (50, (120, 90))])
@pytest.mark.parametrize(
    ("point", "p_cutoff"),
    [((np.nan,) * 3, 0.6), ((5.0, 5.0, 0.5), 0.6), ((np.inf, -np.inf, 1.0), 0.0)],
    ids=["all missing", "all below the cutoff", "infinite"],
)
def test_an_empty_figure_says_so(
    *,
    tmp_path: Path,
    frame_size: tuple[int, int] | None,
    frames: int,
    point: tuple[float, ...],
    p_cutoff: float,
    figures: list[Figure],
) -> None:
    poses = build_pose_table(np.array([[point] * 3] * frames), SINGLE_ANIMAL)
    panels = panels_of(poses, tmp_path, figures, frame_size=frame_size, p_cutoff=p_cutoff)
    reason = f"with a likelihood of at least {p_cutoff:g}"
    assert f"No two consecutive points {reason}" in texts_in(panels.histogram)
    for axes in (panels.x, panels.y, panels.trajectory):
        assert texts_in(axes)[-1] == f"No point {reason}"
    for figure in figures:
        assert draw_module._render_svg(figure, 50, None)


def test_figures_say_what_they_show_and_of_whom(tmp_path: Path, figures: list[Figure]) -> None:
    poses = make_scattered_poses({"mouse$1": PART_NAMES, "mouse2": PART_NAMES})
    panels_of(poses * np.nan, tmp_path, figures)
    titles = [figure.texts[0].get_text() for figure in figures]
    assert titles[:4] == [
        "mouse\\$1: steps from frame to frame",
        "mouse\\$1: likelihood over time (dotted: the cutoff of 0.6)",
        "mouse\\$1: position over time",
        "mouse\\$1: trajectory (○ start, ■ end)",
    ]
    assert titles[4].startswith("mouse2: steps")


def test_constant_positions_are_drawn(tmp_path: Path) -> None:
    draw(build_pose_table(np.array([[(5.0, 5.0, 1.0)] * 3] * 9), SINGLE_ANIMAL), tmp_path)


def test_the_histogram_has_steps_in_both_directions(tmp_path: Path, figures: list[Figure]) -> None:
    x = np.array([0.0, 10, 10, 0, 50])
    points = np.stack([np.stack([x, np.zeros(5), np.ones(5)], axis=-1)] * 3, axis=1)
    points[4, 0, 2] = 0.1  # the nose's long step ends below the cutoff
    poses = build_pose_table(points, SINGLE_ANIMAL)
    axes = panels_of(poses, tmp_path, figures, joint_histogram=True).histogram
    patches: list[Any] = list(axes.patches)
    counts, edges, _ = patches[0].get_data()
    centers = (edges[1:] + edges[:-1]) / 2
    assert edges[0] == -50
    assert edges[-1] == 50
    assert np.round(centers[counts > 0]).tolist() == [-10, 0, 10]
    assert counts.sum() == 3
    assert patches[2].get_data().values.sum() == 4
    assert axes.get_yscale() == "log"


def bars(axes: Axes, row: int, direction: int) -> dict[float, float]:
    """Heights of a row's bars by their middle in pixels, above (-1) or below (1) its line."""
    [shapes] = [one for one in axes.collections if isinstance(one, PolyCollection)]
    vertices = np.asarray(shapes.get_paths()[2 * row + (direction > 0)].vertices)
    edges, heights = vertices[1:-2:2, 0], direction * (vertices[1:-2:2, 1] - row)
    step = edges[1] - edges[0]
    return {
        round(float(np.sinh(edge + step / 2)), 3): round(float(high), 6)
        for edge, high in zip(edges, heights, strict=True)
        if high > 1e-9
    }


def test_each_body_part_has_a_row_of_its_steps(tmp_path: Path, figures: list[Figure]) -> None:
    x = np.array([0.0, 10, 10, 0, 50])
    points = np.stack([np.stack([x, np.zeros(5), np.ones(5)], axis=-1)] * 3, axis=1)
    points[4, 0, 2] = 0.1  # the nose's long step ends below the cutoff
    points[:, 2] = np.nan
    axes = panels_of(build_pose_table(points, SINGLE_ANIMAL), tmp_path, figures).histogram
    assert [label.get_text() for label in axes.get_yticklabels()] == list(PART_NAMES)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    tallest, one = 0.46, 0.46 * np.log(2) / np.log(5)
    found = bars(axes, 0, -1)
    assert list(found) == pytest.approx([-10, 0, 10], rel=0.1)
    assert list(found.values()) == pytest.approx([one] * 3, abs=1e-5)
    assert list(bars(axes, 1, -1)) == pytest.approx([-10, 0, 10, 50], rel=0.1)
    assert bars(axes, 1, 1) == {0.0: tallest}  # four times it kept its place
    assert bars(axes, 2, -1) == bars(axes, 2, 1) == {}
    assert texts_in(axes) == [
        "50 %: 10.0 · 99 %: 10.0 · longest: 10 px",
        "50 %: 10.0 · 99 %: 48.8 · longest: 50 px",
        "no steps",
    ]
    assert "the tallest bar is 4" in axes.get_xlabel()
    ticks = [float(label.get_text().replace("−", "-")) for label in axes.get_xticklabels()]
    assert ticks == [-30, -10, -3, -1, 0, 1, 3, 10, 30]
    np.testing.assert_allclose(axes.get_xticks(), np.arcsinh(ticks))


def test_gaps_are_not_bridged_and_lone_points_are_marked(
    tmp_path: Path, figures: list[Figure]
) -> None:
    values = np.full((5, 3, 3), 1.0)
    values[[1, 3], 0, 2] = 0.1
    x_of_nose = panels_of(build_pose_table(values, SINGLE_ANIMAL), tmp_path, figures).x.lines[0]
    assert np.isnan(np.asarray(x_of_nose.get_ydata())).tolist() == [False, True] * 2 + [False]
    assert x_of_nose.get_markevery() == [0, 2, 4]


def test_spikes_of_one_frame_are_seen_in_a_long_movie(
    tmp_path: Path, figures: list[Figure]
) -> None:
    values = np.full((50_000, 3, 3), 1.0)
    values[31_234, 0] = 400, 300, 0.9
    values[77, 0, 2] = 0.05
    panels = panels_of(build_pose_table(values, SINGLE_ANIMAL), tmp_path, figures)
    for axes, highest in ((panels.x, 400), (panels.y, 300)):
        assert max(np.asarray(shape.vertices)[:, 1].max() for shape in ranges_of(axes)) == highest
        assert axes.get_ylim()[1] >= highest
    lowest = min(np.asarray(shape.vertices)[:, 1].min() for shape in ranges_of(panels.likelihood))
    assert lowest == 0.05
    dots = [line for line in panels.trajectory.lines if 400 in np.asarray(line.get_xdata())]
    assert len(dots) == 1


def ranges_of(axes: Axes) -> list[Any]:
    return [shape for one in axes.collections for shape in one.get_paths()]


def test_a_long_gap_stays_open_in_a_long_movie(tmp_path: Path, figures: list[Figure]) -> None:
    values = np.full((50_000, 3, 3), 1.0)
    values[20_000:30_000, 1, 2] = 0.1
    panels = panels_of(build_pose_table(values, SINGLE_ANIMAL), tmp_path, figures)
    pieces = [len(one.get_paths()) for one in panels.x.collections]
    assert pieces == [1, 2, 1]
    before, after = (
        np.asarray(shape.vertices)[:, 0] for shape in panels.x.collections[1].get_paths()
    )
    assert before.max() < 20_000
    assert after.min() >= 30_000


def test_seconds_stand_below_frame_numbers(tmp_path: Path, figures: list[Figure]) -> None:
    seconds = np.arange(101) / 8
    seconds[40:] += 60
    seconds[80:90] = np.nan
    panels = panels_of(make_scattered_poses(SINGLE_ANIMAL, 101), tmp_path, figures, seconds=seconds)
    for axes in (panels.likelihood, panels.y):
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert labels == ["0\n0.0", "20\n2.5", "40\n65.0", "60\n67.5", "80\n–", "100\n72.5"]
        assert axes.get_xticks().tolist() == [0, 20, 40, 60, 80, 100]
        assert "frame\nseconds" in texts_in(axes)
    assert [label.get_text() for label in panels.x.get_xticklabels()] == [""] * 6
    assert panels.x.get_xlim() == panels.y.get_xlim()


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_short_movie_has_whole_frame_numbers(
    tmp_path: Path, figures: list[Figure], frames: int
) -> None:
    seconds = np.arange(frames) / 30
    poses = make_scattered_poses(SINGLE_ANIMAL, frames)
    axes = panels_of(poses, tmp_path, figures, seconds=seconds).likelihood
    labels = [label.get_text().split("\n") for label in axes.get_xticklabels()]
    assert [int(frame) for frame, _ in labels] == list(range(frames))
    assert [float(second) for _, second in labels] == pytest.approx(seconds, abs=6e-3)


def test_the_trajectory_lies_on_a_pale_frame_with_its_ends_marked(
    tmp_path: Path, figures: list[Figure]
) -> None:
    image = np.tile(np.linspace(10, 90, 120), (90, 1)).astype(np.uint8)
    poses = make_scattered_poses(SINGLE_ANIMAL)
    backdrop = Backdrop(7, image)
    axes = panels_of(poses, tmp_path, figures, frame_size=(120, 90), backdrop=backdrop).trajectory
    assert figures[3].texts[0].get_text() == "Trajectory on frame 7 (○ start, ■ end)"
    [shown] = axes.images
    pixels = np.asarray(shown.get_array())
    assert pixels.shape == (90, 120, 3)
    assert pixels.min() >= 130
    assert pixels.max() == 255
    assert (np.diff(pixels[0, :, 0].astype(int)) >= 0).all()
    assert list(shown.get_extent()) == [0, 120, 90, 0]
    starts, ends = (np.asarray(one.get_offsets()) for one in axes.collections)
    values = poses.to_numpy().reshape(len(poses), 3, 3)
    for part in range(3):
        confident = np.flatnonzero(
            (values[:, part, 2] >= 0.6) & np.isfinite(values[:, part, :2]).all(axis=1)
        )
        np.testing.assert_array_equal(starts[part], values[confident[0], part, :2])
        np.testing.assert_array_equal(ends[part], values[confident[-1], part, :2])


def test_a_frame_of_one_color_is_no_trouble(tmp_path: Path) -> None:
    backdrop = Backdrop(0, np.zeros((90, 120), np.uint8))
    draw(make_scattered_poses(SINGLE_ANIMAL), tmp_path, frame_size=(120, 90), backdrop=backdrop)


def test_the_trajectory_is_seen_as_by_the_camera(tmp_path: Path, figures: list[Figure]) -> None:
    poses = make_scattered_poses(SINGLE_ANIMAL)
    axes = panels_of(poses, tmp_path, figures, frame_size=(640, 480)).trajectory
    assert axes.get_xlim() == (0, 640)
    assert axes.get_ylim() == (480, 0)
    assert axes.get_aspect() == 1


def test_only_displayed_parts_are_drawn_and_named(tmp_path: Path, figures: list[Figure]) -> None:
    poses = make_scattered_poses(SINGLE_ANIMAL)
    panels = panels_of(poses, tmp_path, figures, displayed_body_parts=("tail", "nose"))
    for figure in figures[1:]:
        assert legend_of(figure) == ["nose", "tail"]
    ends = [tuple(mpl.colormaps["rainbow"](position)) for position in (0.0, 1.0)]
    for axes in (panels.x, panels.y):
        assert [line.get_color() for line in axes.lines] == ends


def test_colors_for_color_blind_readers_stay_whatever_is_displayed(
    tmp_path: Path, figures: list[Figure]
) -> None:
    poses = make_scattered_poses(SINGLE_ANIMAL)
    safe = {"color_map": "colorblind", "displayed_body_parts": ("ear", "tail")}
    panels = panels_of(poses, tmp_path, figures, **safe)
    colors = [to_hex(line.get_color()) for line in panels.x.lines]
    assert colors == list(DISTINCT_COLORS[1:3])


def test_names_are_plain_text(tmp_path: Path, figures: list[Figure]) -> None:
    parts = ("$\\frac$", "a\nb\x00", "x" * 100, "<&>--")
    panels_of(make_scattered_poses({"": parts}), tmp_path, figures)
    labels = legend_of(figures[1])
    assert labels[:2] == ["\\$\\frac\\$", "a?b?"]
    assert len(labels[2]) == 40


def test_odd_names_make_valid_files(tmp_path: Path) -> None:
    parts = ("$\\frac$", "a\nb\x00", "x" * 100, "<&>-->")
    draw(make_scattered_poses({"$ind$": parts}), tmp_path)


def test_a_tall_list_of_parts_still_fits(tmp_path: Path) -> None:
    draw(make_scattered_poses({"": tuple(map(str, range(40)))}, 5), tmp_path)


def test_the_same_poses_make_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        files = draw(make_scattered_poses(SINGLE_ANIMAL, 1000), folder)
        contents.append([path.read_bytes() for path in files.values()])
    assert contents[0] == contents[1]


def test_no_global_state_is_left(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    draw(make_scattered_poses(SINGLE_ANIMAL), tmp_path)
    assert dict(mpl.rcParams) == before
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_the_callers_poses_stay_as_they_are(tmp_path: Path) -> None:
    poses = make_scattered_poses(SINGLE_ANIMAL)
    before = poses.copy()
    draw(poses, tmp_path)
    assert poses.equals(before)


def test_a_file_that_would_be_too_large_is_coarser(
    tmp_path: Path, figures: list[Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {"": tuple(map(str, range(8)))}
    panels_of(make_scattered_poses(many, 3000), tmp_path, figures)
    monkeypatch.undo()
    fine = len(draw_module.render_figure(figures[2], "svg"))
    monkeypatch.setattr(draw_module, "_MAX_FILE_BYTES", fine - 1)
    assert len(draw_module.render_figure(figures[2], "svg")) < fine


@pytest.mark.parametrize("kind", ["wandering", "noise"])
def test_a_long_movie_makes_small_files(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, parts = 40_000, tuple(f"part {index}" for index in range(12))
    poses = make_scattered_poses({"": parts}, frames, (640, 480))
    if kind == "wandering":
        walk = np.cumsum(np.random.default_rng(0).normal(0, 2, (frames, 1, 2)), axis=0)
        values = poses.to_numpy(copy=True).reshape(frames, 12, 3)
        values[..., :2] = 240 + 200 * np.sin(walk / 200 + np.arange(12)[:, None] / 9)
        poses = build_pose_table(values, {"": parts})
    started = time.perf_counter()
    draw(poses, tmp_path, frame_size=(640, 480))
    with capsys.disabled():
        print(f"\n{frames} frames, 12 parts, {kind}: {time.perf_counter() - started:.1f} s")


def make_clock(seconds: np.ndarray, origin: str = "midnight") -> ExperimentClock:
    known = {"form": "CSV", "column": None, "unit": "s", "unit_known_by": "the file"}
    record = TimesRecord(
        **known,
        origin=origin,
        count=len(seconds),
        matched_by="as many times as frames",
        first=None,
        last=None,
        frame_rate=None,
    )
    return ExperimentClock(seconds, record)


def test_frames_have_their_times_on_the_experiments_clock_above(
    tmp_path: Path, figures: list[Figure]
) -> None:
    """Uneven, with a pause, and not known for some frames; on large times ticks count from one."""
    seconds = 1_729_700_012.25 + np.arange(101) / 50
    seconds[60:] += 3600
    seconds[25:35] = np.nan
    poses = make_scattered_poses(SINGLE_ANIMAL, 101)
    origin = "1970-01-01 00:00 UTC"
    panels = panels_of(poses, tmp_path, figures, clock=make_clock(seconds, origin))
    assert [len(one.child_axes) for one in panels] == [0, 1, 1, 0, 0]
    for below in (panels.likelihood, panels.x):
        (above,) = below.child_axes
        assert above.get_xlabel() == f"Experiment time − 1,729,700,012 s (s since {origin})"
        assert above.get_xticks().tolist() == [0, 20, 40, 60, 80, 100]
        shown = [label.get_text() for label in above.get_xticklabels()]
        assert shown == ["0.250", "0.650", "1.050", "3601.450", "3601.850", "3602.250"]
    assert panels.y.get_xlabel() == panels.likelihood.get_xlabel() == "Frame index"


@pytest.mark.parametrize(
    ("seconds", "frames", "shown"),
    [
        ([5.0], [0], ["5.000"]),
        ([np.nan, 5.0, 5.25], [1, 2], ["5.00", "5.25"]),
        ([5.0, 5.0, 5.0], [0, 1, 2], ["5.000"] * 3),
        ([np.nan, np.nan, 70.0, np.nan], [2], ["70.000"]),
        ([0.0, 60.0, 120.0], [0, 1, 2], ["0", "60", "120"]),
    ],
)
def test_times_of_a_few_frames(
    tmp_path: Path,
    figures: list[Figure],
    seconds: list[float],
    frames: list[int],
    shown: list[str],
) -> None:
    poses = make_scattered_poses(SINGLE_ANIMAL, len(seconds))
    panels = panels_of(poses, tmp_path, figures, clock=make_clock(np.array(seconds)))
    (above,) = panels.likelihood.child_axes
    assert above.get_xlabel() == "Experiment time (s since midnight)"
    assert above.get_xticks().tolist() == frames
    assert [label.get_text() for label in above.get_xticklabels()] == shown


def test_figures_with_experiment_times_are_whole_files(tmp_path: Path) -> None:
    clock = make_clock(np.where(np.arange(40) < 7, np.nan, np.arange(40) / 30))
    draw(make_scattered_poses(TWO_ANIMALS, 40), tmp_path, clock=clock)
