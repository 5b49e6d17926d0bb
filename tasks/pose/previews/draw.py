"""Previews of a movie's poses: four figures that load at once in any browser."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG

from tasks.pose.drawing.body_part_colors import COLOR_BLIND_SAFE, step_colors
from tasks.pose.previews.axes import BodyPartTrace, FigureSubject
from tasks.pose.previews.figures import draw_coordinates, draw_likelihood
from tasks.pose.previews.histogram import draw_histograms, draw_joint_histogram
from tasks.pose.previews.trajectory import draw_trajectory
from tasks.pose.results.file_names import PREVIEW_FILES
from tasks.pose.tables.keypoints import Keypoints

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from tasks.pose.clock.experiment_clock import ExperimentClock
    from tasks.pose.previews.axes import Backdrop

_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}
# Resolutions of what is made of pixels, from the finest, and the bytes that a file may take.
_DPI_CHOICES = {"svg": (150, 100, 60), "png": (100, 70, 50)}
_MAX_FILE_BYTES = 950_000
_PNG_OPTIONS = {"compress_level": 4}
_LONG_FRACTION = re.compile(rb"(?<!\(0)(\.[0-9]{2})[0-9]+")
"""Hundredths of a point are more than a screen shows; matplotlib writes millionths."""


def draw_previews(
    poses: pd.DataFrame,
    folder: Path,
    *,
    p_cutoff: float,
    color_map: str,
    alpha: float = 0.7,
    displayed_body_parts: tuple[str, ...] | None = None,
    frame_size: tuple[int, int] | None = None,
    seconds: np.ndarray | None = None,
    clock: ExperimentClock | None = None,
    backdrop: Backdrop | None = None,
    joint_histogram: bool = False,
) -> dict[str, Path]:
    """Draw what ``deeplabcut.plot_trajectories`` shows, whatever the movie's length.

    Args:
        poses: DeepLabCut's table, one row for each frame.
        folder: Where the files go; it exists.
        p_cutoff: Points of a lower likelihood are left out.
        color_map: A matplotlib colormap, spread over the displayed body parts; or "colorblind",
            in which a body part's color depends on its place among all of the model's.
        alpha: Opacity of points and lines.
        displayed_body_parts: The body parts to draw; None for all.
        frame_size: Width and height in pixels of the picture that the poses are relative to.
        seconds: Time of each frame, NaN where it is unknown, which goes below frame numbers.
        clock: Times on the experiment's clock, which go above.
        backdrop: A frame of the movie, which the trajectory lies on.
        joint_histogram: Draw the histogram of all body parts in one plot, as DeepLabCut does.

    Returns:
        The files by name without ending: ``histogram``, ``likelihood``, ``coordinates`` and
        ``trajectory``, and where there are individuals, these for each: ``histogram-mouse1``.
    """
    keypoints = Keypoints(poses)
    names = [
        name
        for name in keypoints.part_names
        if displayed_body_parts is None or name in displayed_body_parts
    ]
    tracks = _build_traces(keypoints, names, p_cutoff, color_map)
    drawn: dict[str, Path] = {}
    for individual, suffix in build_file_suffixes(keypoints.individual_names).items():
        subject = FigureSubject(
            name=individual,
            tracks=tracks[individual],
            frames=len(poses),
            p_cutoff=p_cutoff,
            alpha=alpha,
            frame_size=frame_size,
            seconds=seconds,
            clock=clock,
            backdrop=backdrop,
        )
        histogram = draw_joint_histogram if joint_histogram else draw_histograms
        drawings = (histogram, draw_likelihood, draw_coordinates, draw_trajectory)
        drawn |= _draw_figures(subject, folder, suffix, drawings)
    return drawn


def _build_traces(
    keypoints: Keypoints, names: Sequence[str], p_cutoff: float, color_map: str
) -> dict[str, tuple[BodyPartTrace, ...]]:
    """The displayed body parts of each individual; a part has one color for all of them."""
    known = keypoints.part_names if color_map == COLOR_BLIND_SAFE else names
    colors = step_colors(color_map, max(len(known), 1))
    tracks: dict[str, list[BodyPartTrace]] = {name: [] for name in keypoints.individual_names}
    for index in keypoints.indices_of_parts(names):
        part = keypoints.parts[index]
        likelihoods = keypoints.likelihood[:, index]
        shown = ~(likelihoods < p_cutoff) & np.isfinite(keypoints.xy[:, index]).all(axis=1)
        xy = np.where(shown[:, None], keypoints.xy[:, index], np.nan)
        tracks[keypoints.individuals[index]].append(
            BodyPartTrace(part, tuple(colors[known.index(part)]), xy[:, 0], xy[:, 1], likelihoods)
        )
    return {name: tuple(of_one) for name, of_one in tracks.items()}


def _draw_figures(
    subject: FigureSubject,
    folder: Path,
    suffix: str,
    drawings: Sequence[Callable[[FigureSubject], Figure]],
) -> dict[str, Path]:
    files = {}
    for file_name, draw in zip(PREVIEW_FILES, drawings, strict=True):
        stem, ending = file_name.split(".")
        path = folder / f"{stem}{suffix}.{ending}"
        path.write_bytes(render_figure(draw(subject), ending, tight=False))
        files[path.stem] = path
    return files


def render_figure(figure: Figure, ending: str, *, tight: bool = True) -> bytes:
    """The figure at the finest resolution that is small enough, or else at the coarsest.

    Args:
        figure: The figure.
        ending: What its file's name ends in.
        tight: Whether margins are cut to what is drawn, for which everything is drawn twice.
    """
    data = b""
    box: Literal["tight"] | None = "tight" if tight else None
    for dpi in _DPI_CHOICES[ending]:
        data = _render_svg(figure, dpi, box) if ending == "svg" else _render_png(figure, dpi, box)
        if len(data) <= _MAX_FILE_BYTES:
            break
    return data


def _render_svg(figure: Figure, dpi: int, box: Literal["tight"] | None) -> bytes:
    """Without date, program or document type: nothing changes, nothing points elsewhere."""
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "dlcflow", "svg.fonttype": "none"}):
        FigureCanvasSVG(figure).print_figure(
            file, format="svg", dpi=dpi, bbox_inches=box, metadata=_NO_METADATA
        )
    text = re.sub(rb"<!DOCTYPE[^>]*>\s*", b"", file.getvalue(), count=1)
    return _LONG_FRACTION.sub(rb"\1", text)


def _render_png(figure: Figure, dpi: int, box: Literal["tight"] | None) -> bytes:
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(
        file,
        format="png",
        dpi=dpi,
        bbox_inches=box,
        metadata={"Software": None},
        pil_kwargs=_PNG_OPTIONS,
    )
    return file.getvalue()


def build_file_suffixes(individuals: Sequence[str]) -> dict[str, str]:
    """Build file name suffixes for individuals: plain letters, each different.

    They differ without regard to case too, for those who download them to a Mac or to Windows.
    """
    suffixes: dict[str, str] = {}
    taken: set[str] = set()
    for individual in individuals:
        plain = re.sub(r"[^\w.-]+", "_", individual, flags=re.ASCII)
        suffix, number = f"-{plain}" if individual else "", 1
        while suffix.casefold() in taken:
            number += 1
            suffix = f"-{plain}-{number}"
        taken.add(suffix.casefold())
        suffixes[individual] = suffix
    return suffixes
