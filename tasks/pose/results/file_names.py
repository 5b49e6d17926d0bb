"""Names of the files that a run publishes, and of those in its scratch folder."""

from dataclasses import dataclass

RUN_RECORD_FILE = "run.json"
"""The record's published name."""

REPORT_FILE = "report.html"
"""The report's published name."""

LABELED_MOVIE_FILE = "labeled.mp4"
PREVIEW_FILES = ("histogram.svg", "likelihood.svg", "coordinates.svg", "trajectory.png")
"""Published names in a movie's folder."""

POSES_FILE = "pose_estimates.h5"
RAW_POSES_FILE = "pose_estimates_raw.h5"
"""Names in a movie's scratch folder, and in the archives that are kept; until October 2026 these
were the published names, too.
"""

POSES_FOLDER = "poses"
"""The folder that holds the delivered poses of each movie once, for programs that read a folder."""

RUN_FILES = frozenset(
    {
        RUN_RECORD_FILE,
        "annotations.parquet",
        "annotations.csv",
        REPORT_FILE,
        "output_metadata.json",
    }
)
"""Names that a run publishes beside its movies' folders."""

HIDDEN_FOLDER = ".dlcflow"
"""The folder at an output location in which runs keep what later ones use."""

LABELED_DATA_FOLDER = "labeled-data"
"""The folder with frames to correct, a folder for each movie, as in a DeepLabCut project."""

RUN_FOLDERS = frozenset({POSES_FOLDER, LABELED_DATA_FOLDER})
"""Folders of a run that are no movie's."""

_TRACKER_SUFFIXES = {"ellipse": "_el", "box": "_bx", "skeleton": "_sk"}
"""Suffixes of DeepLabCut's files of tracked animals (``TRACK_METHODS``)."""

_MAX_NAME_BYTES = 255
"""Bytes of a file's name on usual file systems."""

_LONGEST_ENDING = "_filtered.h5"


@dataclass(frozen=True)
class PoseFileNames:
    """Published names of a movie's poses, as DeepLabCut 3.0.2 names them in a ``destfolder``.

    Attributes:
        raw: The poses as the network gave them.
        filtered: The filtered poses.
        metadata: What DeepLabCut keeps of the movie: crop, size, rate, number of frames.
        movement: The file for `movement`.
        nwb: The NWB file.
        prefix: What all three begin with.
        in_folder: What the copy in `POSES_FOLDER` begins with: there the movie's name is that of
            its folder, since two movies may have the same stem.
    """

    raw: str
    filtered: str
    metadata: str
    movement: str
    nwb: str
    prefix: str
    in_folder: str

    def copy_of(self, poses: str) -> str:
        """The name of the copy of a pose file in the folder of all movies' poses."""
        return f"{POSES_FOLDER}/{self.in_folder}{poses.removeprefix(self.prefix)}"


def name_pose_files(stem: str, folder: str, scorer: str, track_method: str) -> PoseFileNames:
    """Name a movie's poses.

    Args:
        stem: The movie's file name without its suffix.
        folder: The movie's folder below the output location.
        scorer: What the results of the model are called.
        track_method: How animals are followed; empty for a single animal.

    Returns:
        The names. A stem that leaves no room for the rest is cut.
    """
    tracker = _TRACKER_SUFFIXES.get(track_method, "")
    room = _MAX_NAME_BYTES - len(f"{scorer}{tracker}{_LONGEST_ENDING}".encode())
    begin = _cut(stem, room) + scorer
    return PoseFileNames(
        raw=f"{begin}{tracker}.h5",
        filtered=f"{begin}{tracker}_filtered.h5",
        metadata=f"{begin}_meta.pickle",
        movement=f"{_cut(stem, room)}.movement.nc",
        nwb=f"{_cut(stem, room)}.nwb",
        prefix=begin,
        in_folder=_cut(folder, room) + scorer,
    )


def _cut(text: str, size: int) -> str:
    """Cut a text to some bytes."""
    return text.encode()[: max(1, size)].decode(errors="ignore")


def path_below_output(movie: str, name: str) -> str:
    """Return a movie's file's path below the output location.

    Args:
        movie: The movie's folder.
        name: The file's published name; one with a folder in it is relative to the output.
    """
    return name if "/" in name else f"{movie}/{name}"
