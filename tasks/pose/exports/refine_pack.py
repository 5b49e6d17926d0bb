"""The refine pack: a movie's worst frames and their poses, as DeepLabCut's `labeled-data` has them.

`deeplabcut.refine_labels` and the napari plugin open the folder once it lies in the project's
`labeled-data`; corrected, it becomes a part of the next training set.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, log10
from pathlib import Path

import pandas as pd

from tasks.errors import StageFailed
from tasks.pose.drawing.frame_painter import FramePainter
from tasks.pose.drawing.label_style import LabelStyle
from tasks.pose.exports.movie_context import MovieFacts
from tasks.pose.movies.reader import Image, open_movie
from tasks.pose.results.file_names import LABELED_DATA_FOLDER
from tasks.pose.tables.frame_offset import shift_poses
from tasks.pose.tables.frames_to_correct import FrameToCorrect
from tasks.pose.tables.pose_table import H5_KEY

MACHINE_LABELS_FILE = "machinelabels-iter0.h5"
MACHINE_LABELS_TABLE = "machinelabels.csv"
"""DeepLabCut's names, for the first iteration of a project."""

_PICTURE_SIZE = (480, 360)
"""Columns and rows that a picture for the report fits into."""


@dataclass(frozen=True)
class RefineFrame:
    """A frame of the refine pack.

    Attributes:
        index: The frame, counted from 0 over those that decode.
        file: Published name of its PNG.
        points: What is wrong in it, the worst first.
        picture: A small picture with the points drawn in, for the report.
    """

    index: int
    file: str
    points: tuple[str, ...]
    picture: Path


def write_refine_pack(
    movie: Path,
    raw: pd.DataFrame,
    chosen: Sequence[FrameToCorrect],
    folder: Path,
    facts: MovieFacts,
    style: LabelStyle,
    progress: Callable[[int], None],
) -> tuple[dict[str, Path], tuple[RefineFrame, ...]]:
    """Write frames and their poses, in whole frames and in pixels of them.

    Args:
        movie: The movie that was estimated.
        raw: Its poses as the network gave them, relative to the crop.
        chosen: The frames, in the order of time; at least one.
        folder: Where files are written; pictures for the report go beside it.
        facts: The movie.
        style: How points are drawn in the pictures for the report.
        progress: Called with the number of frames that have been read.

    Returns:
        Files by their published names, and the frames.

    Raises:
        StageFailed: A frame does not decode any more.
    """
    width = ceil(log10(facts.frames)) if facts.frames > 1 else 0
    names = {frame.index: f"img{str(frame.index).zfill(width)}.png" for frame in chosen}
    pictures = {index: folder.with_name(f"refine-{index}.jpg") for index in names}

    def save(index: int, image: Image) -> None:
        _save_png(image, folder / names[index])
        table = raw.iloc[index : index + 1]
        labeled = FramePainter(table, style, facts.crop_offset).paint_image(image.copy(), 0)
        _save_small(labeled, pictures[index])

    _read_frames(movie, sorted(names), save, progress)
    labels = shift_poses(raw.iloc[sorted(names)], facts.crop_offset)
    labels.index = pd.MultiIndex.from_tuples(
        [("labeled-data", facts.name, names[index]) for index in sorted(names)]
    )
    _write_labels(labels, folder / MACHINE_LABELS_FILE)
    labels.to_csv(folder / MACHINE_LABELS_TABLE)
    written = [*names.values(), MACHINE_LABELS_FILE, MACHINE_LABELS_TABLE]
    place = f"{LABELED_DATA_FOLDER}/{facts.name}"
    frames = (
        RefineFrame(
            f.index, f"{place}/{names[f.index]}", tuple(map(str, f.points)), pictures[f.index]
        )
        for f in chosen
    )
    return {f"{place}/{name}": folder / name for name in written}, tuple(frames)


def _read_frames(
    movie: Path,
    wanted: Sequence[int],
    save: Callable[[int, Image], None],
    progress: Callable[[int], None],
) -> None:
    waiting = set(wanted)
    for index, image in enumerate(open_movie(movie).read_lazy_images()):
        if index in waiting:
            save(index, image())
            waiting.remove(index)
        if index % _FRAMES_PER_PROGRESS == 0:
            progress(index)
        if not waiting:
            return
    raise StageFailed(f"{movie.name}: frames {sorted(waiting)} do not decode any more")


_FRAMES_PER_PROGRESS = 50


def _save_png(image: Image, target: Path) -> None:
    from PIL import Image as Picture  # noqa: PLC0415

    Picture.fromarray(image).save(target)


def _save_small(image: Image, target: Path) -> None:
    from PIL import Image as Picture  # noqa: PLC0415

    picture = Picture.fromarray(image)
    picture.thumbnail(_PICTURE_SIZE)
    picture.save(target, quality=80)


def _write_labels(labels: pd.DataFrame, target: Path) -> None:
    """Write labels as DeepLabCut does, without the times of writing that PyTables adds."""
    with pd.HDFStore(target, "w") as store:
        file = store.root._v_file  # noqa: SLF001 - PyTables' public name for it
        for name in ("create_array", "create_vlarray", "create_earray"):
            setattr(file, name, partial(getattr(file, name), track_times=False))
        store.put(H5_KEY, labels, format="fixed")
