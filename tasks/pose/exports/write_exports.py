"""All files that a movie's poses are exported to, by their published names."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tasks.pose.drawing.label_style import LabelStyle
from tasks.pose.exports.movement_file import write_movement_file
from tasks.pose.exports.movie_context import MovieFacts
from tasks.pose.exports.nwb_file import write_nwb_file
from tasks.pose.exports.nwb_metadata import NwbMetadata
from tasks.pose.exports.pose_file import export_poses
from tasks.pose.exports.refine_pack import RefineFrame, write_refine_pack
from tasks.pose.exports.video_metadata import write_video_metadata
from tasks.pose.settings import PoseSettings
from tasks.pose.tables.frames_to_correct import choose_frames_to_correct
from tasks.pose.tables.keypoints import Keypoints
from tasks.pose.tables.pose_table import read_poses


@dataclass(frozen=True)
class MovieExports:
    """The files that other programs open.

    Attributes:
        files: Files on the local disk by their published names; one file may have several. A name
            with a folder in it is relative to the output location, others to the movie's folder.
        poses: Published name of the poses that all else is made of: filtered, unless filtering is
            off. Empty for results that were kept before poses were named after their movie.
        refine: Frames that are delivered to be corrected.
    """

    files: dict[str, Path] = field(default_factory=dict)
    poses: str = ""
    refine: tuple[RefineFrame, ...] = ()


@dataclass(frozen=True)
class ExportSources:
    """Sources of exports.

    Attributes:
        movie: The movie; it is read only where frames of it are wanted.
        raw: H5 of the poses as the network gave them, relative to the crop.
        poses: H5 of those that are delivered; the same file where filtering is off.
    """

    movie: Path
    raw: Path
    poses: Path


def write_exports(
    sources: ExportSources,
    folder: Path,
    facts: MovieFacts,
    settings: PoseSettings,
    style: LabelStyle,
    metadata: NwbMetadata | None,
    progress: Callable[[int], None],
) -> MovieExports:
    """Write a movie's results in the forms that other programs open.

    Args:
        sources: The movie and its poses.
        folder: The folder to write to; it may hold what an earlier try has written.
        facts: The movie and its model.
        settings: What is wanted.
        style: How points are drawn in pictures of frames to correct.
        metadata: What the lab says of its movies, where an NWB file is wanted.
        progress: Called with the number of the movie's frames that have been read.

    Returns:
        What was written.

    Raises:
        OSError: Not all of it is on the disk.
    """
    folder.mkdir(exist_ok=True)
    names, relative_to = facts.pose_files, settings.crop_coordinates
    of_poses = {names.raw: sources.raw}
    if sources.poses != sources.raw:
        of_poses[names.filtered] = sources.poses
    delivered = list(of_poses)[-1]
    for name, source in of_poses.items():
        export_poses(source, folder / name, facts, relative_to)
    write_video_metadata(folder / names.metadata, facts, relative_to)
    files = {name: folder / name for name in (delivered, *of_poses, names.metadata)}
    files[names.copy_of(delivered)] = folder / delivered
    if settings.movement:
        files[names.movement] = folder / names.movement
        write_movement_file(files[names.movement], read_poses(sources.poses), facts)
    if settings.nwb:
        assert metadata is not None
        files[names.nwb] = folder / names.nwb
        poses, window = read_poses(sources.poses), settings.window_length
        write_nwb_file(files[names.nwb], poses, facts, metadata, window)
    pack, refine = _write_refine_pack(sources, folder, facts, settings, style, progress)
    return MovieExports(files | pack, delivered, refine)


def _write_refine_pack(
    sources: ExportSources,
    folder: Path,
    facts: MovieFacts,
    settings: PoseSettings,
    style: LabelStyle,
    progress: Callable[[int], None],
) -> tuple[dict[str, Path], tuple[RefineFrame, ...]]:
    if not settings.refine_frames:
        return {}, ()
    left, right, top, bottom = facts.edges
    chosen = choose_frames_to_correct(
        Keypoints(read_poses(sources.poses)),
        settings.refine_frames,
        settings.p_cutoff,
        (right - left, bottom - top),
        float(facts.timing.frame_rate),
        settings.quality,
    )
    raw = read_poses(sources.raw)
    return write_refine_pack(sources.movie, raw, chosen, folder, facts, style, progress)
