"""All files that a movie's poses are exported to, by their published names."""

from dataclasses import dataclass, field
from pathlib import Path

from tasks.pose.exports.movie_facts import MovieFacts
from tasks.pose.exports.pose_file import export_poses
from tasks.pose.exports.video_metadata import write_video_metadata
from tasks.pose.settings import PoseSettings


@dataclass(frozen=True)
class MovieExports:
    """The files that other programs open.

    Attributes:
        files: Files on the local disk by their published names; one file may have several. A name
            with a folder in it is relative to the output location, others to the movie's folder.
        poses: Published name of the poses that all else is made of: filtered, unless filtering is
            off. Empty for results that were kept before poses were named after their movie.
    """

    files: dict[str, Path] = field(default_factory=dict)
    poses: str = ""


def write_exports(
    raw: Path, poses: Path, folder: Path, facts: MovieFacts, settings: PoseSettings
) -> MovieExports:
    """Write a movie's results in the forms that other programs open.

    Args:
        raw: H5 of the poses as the network gave them, relative to the crop.
        poses: H5 of those that are delivered; the same file where filtering is off.
        folder: The folder to write to; it may hold what an earlier try has written.
        facts: The movie and its model.
        settings: What is wanted.

    Returns:
        What was written.

    Raises:
        OSError: Not all of it is on the disk.
    """
    folder.mkdir(exist_ok=True)
    names, relative_to = facts.pose_files, settings.crop_coordinates
    sources = {names.raw: raw} | ({names.filtered: poses} if poses != raw else {})
    delivered = list(sources)[-1]
    for name, source in sources.items():
        export_poses(source, folder / name, facts, relative_to)
    write_video_metadata(folder / names.metadata, facts, relative_to)
    files = {name: folder / name for name in (delivered, *sources, names.metadata)}
    files[names.copy_of(delivered)] = folder / delivered
    return MovieExports(files, delivered)
