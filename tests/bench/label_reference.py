"""DeepLabCut's labeled movie of poses that are there."""

from pathlib import Path
from typing import Any

from tasks.pose.drawing.label_style import LabelStyle
from tasks.pose.movies.reader import probe_movie


def label_with_deeplabcut(movie: Path, poses: Path, style: LabelStyle) -> None:
    """DeepLabCut's labeled movie, as `create_labeled_video` has it made."""
    import pandas as pd
    from deeplabcut.utils import make_labeled_video as deeplabcut

    edges: Any = [list(edge) for edge in style.skeleton] if style.draw_skeleton else None
    target = str(movie.with_name("theirs.mp4"))
    if style.keypoints_only:
        table = pd.DataFrame(pd.read_hdf(poses))
        parts = table.columns.get_level_values("bodyparts")[::3]
        pairs = deeplabcut.get_segment_indices(edges, parts) if edges else None
        deeplabcut.create_video_with_keypoints_only(
            table, target, pairs, style.p_cutoff, style.dot_size, colormap=style.color_map
        )
        return
    info = probe_movie(movie)
    deeplabcut.create_video(
        str(movie),
        str(poses),
        skeleton_edges=edges,
        pcutoff=style.p_cutoff,
        dotsize=style.dot_size,
        trailpoints=style.trail_points,
        bbox=(0, info.width, 0, info.height),
        output_path=target,
    )
