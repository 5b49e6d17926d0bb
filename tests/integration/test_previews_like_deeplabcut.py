"""The previews show what ``deeplabcut.plot_trajectories`` shows, in the same colors."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from tasks.pose.previews import draw
from tests.support.pose_tables import SINGLE_ANIMAL, TWO_ANIMALS, make_scattered_poses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DATA = Path(__file__).parents[2].parent / "shared" / "data"
ALPHA, P_CUTOFF = 0.7, 0.6
# In the order in which DeepLabCut makes its figures, and in which ours come.
THEIRS = ["trajectory", "coordinates", "likelihood", "histogram"]
OURS = ["histogram", "likelihood", "coordinates", "trajectory"]


@pytest.fixture(scope="module")
def plotting() -> Iterator[ModuleType]:
    """DeepLabCut's own module; its imports warn, which is not ours to fix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from deeplabcut.utils import plotting
        from matplotlib import pyplot as plt

        plt.switch_backend("agg")
        yield plotting
        plt.close("all")


def theirs(
    module: ModuleType, poses: pd.DataFrame, parts: list[str], individual: str, folder: Path
) -> dict[str, Axes]:
    from matplotlib import pyplot as plt

    look = {"pcutoff": P_CUTOFF, "colormap": "rainbow", "alphavalue": ALPHA}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module.PlottingResults(folder, poses.copy(), look, parts, individual)
    figures = [plt.figure(number) for number in plt.get_fignums()]
    return {name: figure.axes[0] for name, figure in zip(THEIRS, figures, strict=True)}


def ours(
    poses: pd.DataFrame, parts: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, list[Axes]]]:
    """The axes of each individual in turn; coordinates have two, x above y."""
    figures: list[Figure] = []

    def keep(figure: Figure, _: str, *, tight: bool) -> bytes:
        figures.append(figure)
        return b""

    monkeypatch.setattr(draw, "render_figure", keep)
    draw.draw_previews(
        poses,
        folder,
        p_cutoff=P_CUTOFF,
        color_map="rainbow",
        alpha=ALPHA,
        displayed_body_parts=tuple(parts),
        joint_histogram=True,
    )
    axes = [figure.axes for figure in figures]
    return [
        dict(zip(OURS, axes[start : start + 4], strict=True)) for start in range(0, len(axes), 4)
    ]


def drawn(panels: list[Axes]) -> list[Any]:
    """What each line shows and how it looks, a body part after the other.

    The dotted line of the cutoff is ours alone.
    """
    lines = zip(*(axes.lines for axes in panels), strict=True)
    return [
        (
            np.ma.filled(np.ma.asarray(line.get_xdata(orig=False), float), np.nan),
            np.ma.filled(np.ma.asarray(line.get_ydata(orig=False), float), np.nan),
            (to_rgba(line.get_color()), line.get_alpha()),
        )
        for of_part in lines
        for line in of_part
        if line.get_linestyle() != ":"
    ]


def assert_same(mine: dict[str, list[Axes]], other: dict[str, Axes]) -> None:
    for name in ("trajectory", "coordinates", "likelihood"):
        pairs = list(zip(drawn(mine[name]), drawn([other[name]]), strict=True))
        assert pairs
        for (x, y, look), (their_x, their_y, their_look) in pairs:
            missing = np.isnan(their_x) | np.isnan(their_y)
            np.testing.assert_array_equal(np.isnan(x) | np.isnan(y), missing)
            np.testing.assert_array_equal(x[~missing], their_x[~missing])
            np.testing.assert_array_equal(y[~missing], their_y[~missing])
            assert look == their_look
    [histogram] = mine["histogram"]
    assert histogram_colors(histogram) == histogram_colors(other["histogram"])


def histogram_colors(axes: Axes) -> list[Any]:
    return [to_rgba(patch.get_edgecolor()) for patch in axes.patches]


@pytest.mark.parametrize("parts", [["nose", "ear", "tail"], ["ear", "tail"]], ids=["all", "two"])
def test_single_animal(
    plotting: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: list[str]
) -> None:
    poses = make_scattered_poses(SINGLE_ANIMAL, 200)
    [mine] = ours(poses, parts, tmp_path, monkeypatch)
    assert_same(mine, theirs(plotting, poses, parts, "", tmp_path))


def test_individuals_and_unique_parts(
    plotting: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poses, parts = make_scattered_poses(TWO_ANIMALS, 200), ["nose", "ear", "tail", "corner"]
    for mine, individual in zip(
        ours(poses, parts, tmp_path, monkeypatch), TWO_ANIMALS, strict=True
    ):
        assert_same(mine, theirs(plotting, poses, parts, individual, tmp_path))


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real poses in ../shared/data")
@pytest.mark.parametrize(
    ("model", "individuals"),
    [("openfield-pytorch", [""]), ("blobs-multianimal-pytorch", ["blobA", "blobB"])],
)
def test_real_poses(
    plotting: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    individuals: list[str],
) -> None:
    h5 = min((DATA / "truth" / model).glob("*.h5"))
    poses = pd.DataFrame(pd.read_hdf(h5))
    parts = list(poses.columns.get_level_values("bodyparts").unique())
    for mine, individual in zip(
        ours(poses, parts, tmp_path, monkeypatch), individuals, strict=True
    ):
        assert_same(mine, theirs(plotting, poses, parts, individual, tmp_path))
