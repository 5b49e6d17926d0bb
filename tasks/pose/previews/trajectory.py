"""The trajectory of each body part, on a frame of the movie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.pose.previews.axes import create_panels, explain_if_empty
from tasks.pose.previews.downsampling import find_first_points_in_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tasks.pose.previews.axes import Backdrop, FigureSubject

# Up to this many frames dots have DeepLabCut's size (in points); of more, smaller ones, so that
# they don't cover each other.
_MAX_FRAMES_WITH_LARGE_DOTS = 2000
_LARGE_DOT, _SMALL_DOT = 6.0, 1.5
_END_MARK = 6.5
# Points closer than this part of the field of view, about half a pixel of the figure, are one.
_CELLS_PER_SIDE = 1000
_WIDTH, _MIN_HEIGHT, _MAX_HEIGHT = 8.0, 2.5, 10.5
_DIMMING = 0.45
"""Contrast that the movie's frame keeps, below white."""

_GRAYS = 32
"""Steps of gray of the movie's frame: more are not seen, and make the file larger."""


def draw_trajectory(subject: FigureSubject) -> Figure:
    """Draw the path of each body part, as seen by the camera, with its start and end."""
    width, height = _field_of_view_size(subject)
    title = "trajectory (○ start, ■ end)"
    if subject.backdrop is not None:
        title = f"trajectory on frame {subject.backdrop.frame:,} (○ start, ■ end)"
    panel = float(np.clip(6.0 * height / width, _MIN_HEIGHT, _MAX_HEIGHT))
    figure, [axes] = create_panels(subject, title, _WIDTH, (panel,))
    axes.set_xlabel("X position in pixels")
    axes.set_ylabel("Y position in pixels")
    if subject.backdrop is not None:
        _show_backdrop(axes, subject.backdrop, (width, height))
    _plot_positions(
        axes, subject, _find_distinct_positions(subject, max(width, height) / _CELLS_PER_SIDE)
    )
    _mark_ends(axes, subject)
    axes.set_aspect("equal", anchor="NW")
    if subject.frame_size:
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
    axes.invert_yaxis()
    explain_if_empty(axes, subject, [track.x for track in subject.tracks])
    return figure


def _show_backdrop(axes: Axes, backdrop: Backdrop, size: tuple[float, float]) -> None:
    """Show a frame of the movie, paler than what is drawn on it."""
    image = backdrop.image.astype(np.float32)
    low, high = np.percentile(image[::4, ::4], (1, 99))
    light = ((image - low) / max(high - low, 1)).clip(0, 1)
    pale = 1 - _DIMMING * (1 - np.rint(light * (_GRAYS - 1)) / (_GRAYS - 1))
    gray = np.repeat(np.rint(255 * pale).astype(np.uint8)[:, :, None], 3, axis=2)
    extent = (0, size[0], size[1], 0)
    axes.imshow(gray, extent=extent, interpolation="nearest", aspect="auto", zorder=0)


def _find_distinct_positions(subject: FigureSubject, cell: float) -> list[NDArray[np.intp]]:
    """Indices of the positions to draw for each body part: of a short movie, every one."""
    if subject.frames <= _MAX_FRAMES_WITH_LARGE_DOTS:
        return [np.arange(subject.frames)] * len(subject.tracks)
    return [find_first_points_in_cells(track.x, track.y, cell) for track in subject.tracks]


def _plot_positions(axes: Axes, subject: FigureSubject, positions: list[NDArray[np.intp]]) -> None:
    """In turns, a piece of each body part's way at a time, so that none hides all the others."""
    frames = subject.frames
    size = np.clip(
        _LARGE_DOT * (_MAX_FRAMES_WITH_LARGE_DOTS / frames) ** 0.5, _SMALL_DOT, _LARGE_DOT
    )
    look: dict[str, Any] = {"alpha": subject.alpha, "markersize": float(size)}
    pieces = range(0, frames, max(_MAX_FRAMES_WITH_LARGE_DOTS, frames // 20))
    for start, stop in zip(pieces, [*pieces[1:], frames], strict=True):
        for track, indices in zip(subject.tracks, positions, strict=True):
            piece = indices[slice(*np.searchsorted(indices, (start, stop)))]
            axes.plot(track.x[piece], track.y[piece], ".", color=track.color, **look)


def _mark_ends(axes: Axes, subject: FigureSubject) -> None:
    """Mark where each body part is seen first and last."""
    ends = [
        (track, shown[[0, -1]])
        for track in subject.tracks
        if len(shown := np.flatnonzero(np.isfinite(track.x) & np.isfinite(track.y)))
    ]
    for end, marker in ((0, "o"), (1, "s")):
        x = [track.x[frames[end]] for track, frames in ends]
        y = [track.y[frames[end]] for track, frames in ends]
        colors = [track.color for track, _ in ends]
        faces: list[Any] = ["white"] * len(ends) if end == 0 else colors
        edges: list[Any] = colors if end == 0 else ["black"] * len(ends)
        axes.scatter(
            x,
            y,
            s=_END_MARK**2,
            marker=marker,
            facecolors=faces,
            edgecolors=edges,
            linewidths=1.6 - 0.7 * end,
            zorder=3,
        )


def _field_of_view_size(subject: FigureSubject) -> tuple[float, float]:
    """Width and height of the field of view; what the points span where it is not known."""
    if subject.frame_size:
        return subject.frame_size
    width, height = (
        float(np.nanmax(values, initial=-np.inf) - np.nanmin(values, initial=np.inf))
        for values in (
            np.concatenate([track.x for track in subject.tracks] or [np.empty(0)]),
            np.concatenate([track.y for track in subject.tracks] or [np.empty(0)]),
        )
    )
    return (width, height) if 0 < width < np.inf and 0 < height < np.inf else (4, 3)
