"""Find the parts of a model archive that matter, however it was laid out and zipped."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from tasks.errors import BadInput
from tasks.messages import format_list
from tasks.pose.untrusted.zip_reader import CheckedZip, ZipMember

EngineName = Literal["pytorch", "tensorflow"]

POSE_SNAPSHOT = re.compile(r"snapshot(?P<best>-best)?-(?P<steps>[0-9]{1,9})\.pt")
"""A pose snapshot as DeepLabCut 3 names and lists it."""

DETECTOR_SNAPSHOT = re.compile(r"snapshot-detector(?P<best>-best)?-(?P<steps>[0-9]{1,9})\.pt")
"""A detector's snapshot as DeepLabCut 3 names and lists it."""

TENSORFLOW_FILE = re.compile(
    r"(?P<name>snapshot-(?P<steps>[0-9]{1,9}))(?P<end>\.index|\.meta|\.data-[0-9]{5}-of-[0-9]{5})"
)
"""One of the files of a TensorFlow snapshot."""

ONLY_SHARD_SUFFIX = ".data-00000-of-00001"
"""Ending of a TensorFlow snapshot's weights; DeepLabCut never writes more than one file."""

_ANY_SNAPSHOT = re.compile(r"snapshot.*\.(pt|index|meta|data-[0-9]{5}-of-[0-9]{5})")


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of a network.

    Attributes:
        name: As the run record calls it: the file's name, without endings for TensorFlow, where
            it is several files.
        weights: The file that holds the weights.
        files: Every file that loading it needs.
    """

    name: str
    weights: ZipMember
    files: tuple[ZipMember, ...]


@dataclass(frozen=True)
class Layout:
    """Location and kind of an archive's model.

    Attributes:
        folder: The folder that holds the snapshots.
        engine: The engine that wrote them.
        snapshots: The pose snapshots in DeepLabCut's order: by steps, the best one last.
        detectors: The detector's snapshots, in the same order.
        incomplete: Why a snapshot cannot be loaded, by its name.
        left_out: Names of what is no snapshot to DeepLabCut, because its index is missing.
    """

    folder: PurePosixPath
    engine: EngineName
    snapshots: tuple[Snapshot, ...]
    detectors: tuple[Snapshot, ...]
    incomplete: dict[str, str]
    left_out: tuple[str, ...] = ()


def find_snapshot_folders(files: CheckedZip, name: str) -> list[PurePosixPath]:
    """Find the folders that hold snapshots of either engine, in the order of their paths.

    Args:
        files: The archive.
        name: What to call it in messages.

    Raises:
        BadInput: There is none.
    """
    found = [member for member in files.members if _ANY_SNAPSHOT.fullmatch(member.path.name)]
    folders = sorted({member.path.parent for member in found}, key=str)
    if not folders and any(member.path.name == "data.pkl" for member in files.members):
        raise BadInput(
            f"{name}: expected a zip of a DeepLabCut model folder, found a snapshot, or a part of "
            "a zip that ends after it; zip the folder and upload it again"
        )
    if not folders:
        raise BadInput(
            f"{name}: no snapshot in it (a file called snapshot-<number>.pt); zip config.yaml "
            "and dlc-models-pytorch of the DeepLabCut project, train folder included"
        )
    return folders


def build_layout(files: CheckedZip, folder: PurePosixPath, name: str) -> Layout:
    """List the snapshots of a folder as DeepLabCut does.

    Args:
        files: The archive.
        folder: One that holds snapshots.
        name: What to call the archive in messages.

    Returns:
        The folder and its snapshots, at least one.

    Raises:
        BadInput: Both engines have snapshots in it, or none of them can be loaded.
    """
    here = [member for member in files.members if member.path.parent == folder]
    tensorflow = [member for member in here if TENSORFLOW_FILE.fullmatch(member.path.name)]
    poses = tuple(_sort_snapshots(here, POSE_SNAPSHOT))
    if tensorflow and poses:
        raise BadInput(
            f"{name}: {folder} holds snapshots of both engines ({tensorflow[0].path.name} is "
            f"TensorFlow's, {poses[0].name} PyTorch's); leave those of one engine in the zip"
        )
    if tensorflow:
        return _build_tensorflow_layout(folder, tensorflow, name)
    if not poses:
        raise BadInput(
            f"{name}: none of the snapshots in {folder} is a pose snapshot that DeepLabCut can "
            "load (snapshot-<number>.pt or snapshot-best-<number>.pt)"
        )
    detectors = tuple(_sort_snapshots(here, DETECTOR_SNAPSHOT))
    return Layout(folder, "pytorch", poses, detectors, incomplete={})


def _sort_snapshots(members: list[ZipMember], pattern: re.Pattern[str]) -> Iterator[Snapshot]:
    """PyTorch snapshots by training epoch, the best one last."""
    matches = [(pattern.fullmatch(member.path.name), member) for member in members]
    ranked = [((bool(m["best"]), int(m["steps"])), member) for m, member in matches if m]
    for _, member in sorted(ranked, key=lambda pair: pair[0]):
        yield Snapshot(member.path.name, member, (member,))


def _build_tensorflow_layout(folder: PurePosixPath, members: list[ZipMember], name: str) -> Layout:
    """TensorFlow snapshots by training iteration; to DeepLabCut they are their index files."""
    groups: dict[str, dict[str, ZipMember]] = {}
    for member in members:
        match = TENSORFLOW_FILE.fullmatch(member.path.name)
        assert match is not None
        groups.setdefault(match["name"], {})[match["end"]] = member
    complaints = {key: _explain_incomplete(key, ends) for key, ends in groups.items()}
    incomplete = {key: text for key, text in complaints.items() if text}
    names = sorted((key for key, ends in groups.items() if ".index" in ends), key=_step_count)
    if not names:
        raise BadInput(f"{name}: {format_list(incomplete.values())}; zip all files of the snapshot")
    left_out = tuple(sorted(set(groups) - set(names), key=_step_count))
    snapshots = tuple(_build_tensorflow_snapshot(key, groups[key]) for key in names)
    return Layout(folder, "tensorflow", snapshots, (), incomplete, left_out)


def _step_count(name: str) -> int:
    return int(name.rpartition("-")[2])


def _explain_incomplete(name: str, ends: dict[str, ZipMember]) -> str | None:
    shards = sorted(end for end in ends if end.startswith(".data-"))
    if shards and shards != [ONLY_SHARD_SUFFIX]:
        return (
            f"the weights of {name} are split over several files ({format_list(shards)}), which "
            "DeepLabCut never does"
        )
    # The graph in the .meta file is not missed: DeepLabCut builds its own.
    missing = [end for end in (".index", ONLY_SHARD_SUFFIX) if end not in ends]
    return f"{name} is incomplete: {' and '.join(missing)} missing" if missing else None


def _build_tensorflow_snapshot(name: str, ends: dict[str, ZipMember]) -> Snapshot:
    data = ends.get(ONLY_SHARD_SUFFIX, ends[".index"])
    return Snapshot(name, data, (ends[".index"], data))
