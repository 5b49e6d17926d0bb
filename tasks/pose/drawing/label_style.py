"""Style of the labeled movie's drawn poses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tasks.pose.tables.keypoints import Keypoints


@dataclass(frozen=True)
class LabelStyle:
    """Style of drawn poses; each name is that of DeepLabCut's own parameter, spelled out.

    Attributes:
        p_cutoff: A point is drawn where its likelihood is above this.
        dot_size: Radius of a dot in pixels; in a keypoints-only movie its diameter in points.
        color_map: A matplotlib colormap; colors are those of the full list of body parts.
        displayed_body_parts: The body parts to draw; None for all.
        keypoints_only: Draw on black instead of on the movie's frames.
        draw_skeleton: Join body parts with lines.
        trail_points: Draw this many positions, the current one included.
        skeleton: The pairs of body parts to join.
        skeleton_color: A matplotlib color.
        alpha: Opacity of the dots and lines of a keypoints-only movie.
        color_by: Whether colors differ by body part or by individual.
    """

    p_cutoff: float
    dot_size: int
    color_map: str
    displayed_body_parts: tuple[str, ...] | None
    keypoints_only: bool
    draw_skeleton: bool
    trail_points: int
    skeleton: tuple[tuple[str, str], ...]
    skeleton_color: str
    alpha: float
    color_by: Literal["bodypart", "individual"]

    def compute_edges(self, keypoints: Keypoints) -> list[tuple[int, int]]:
        """The pairs of keypoints to join; none where no skeleton is drawn."""
        return keypoints.skeleton_edges(
            self.skeleton if self.draw_skeleton else (), self.displayed_body_parts
        )
