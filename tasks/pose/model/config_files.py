"""The configuration files of a model archive, read and nothing more."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_list, format_quoted, format_value
from tasks.pose.model.layout import Layout, Snapshot
from tasks.pose.model.problems import ModelFindings
from tasks.pose.model.scorer_name import ModelFolderName, find_folder_name
from tasks.pose.untrusted.yaml_loader import MAX_CONFIG_BYTES, decode_text, load_mapping
from tasks.pose.untrusted.zip_reader import CheckedZip, ZipMember

SINGLE_ANIMAL_NAME = "individual_1"
"""DeepLabCut's name for the one individual of a single-animal project."""

_PROJECT_KEYS = frozenset(
    [
        *("Task", "scorer", "date", "identity", "multianimalproject", "engine", "num_outputs"),
        *("TrainingFraction", "iteration", "shuffle", "skeleton", "skeleton_color", "alphavalue"),
        *("bodyparts", "multianimalbodyparts", "uniquebodyparts", "individuals", "cropping"),
        *("default_net_type", "default_augmenter", "default_track_method", "batch_size"),
        *("snapshotindex", "detector_snapshotindex", "detector_batch_size"),
    ]
)
"""Keys that are read from config.yaml; the rest may be broken."""

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")


@dataclass(frozen=True)
class ConfigFiles:
    """Configuration files of an archive's model.

    Attributes:
        layout: Where it lies.
        named: What the model's folder, or a path in its configuration, says of it.
        project: ``config.yaml``, or one made from the others.
        project_file: The name of the file that `project` is from.
        network: ``train/pytorch_config.yaml``; empty for TensorFlow.
        train: ``train/pose_cfg.yaml``, or what stands for it.
        test: ``test/pose_cfg.yaml``, or what stands for it.
        tracking: ``test/inference_cfg.yaml``; None where there is none.
    """

    layout: Layout
    named: ModelFolderName | None
    project: dict[str, Any]
    project_file: str
    network: dict[str, Any]
    train: dict[str, Any]
    test: dict[str, Any]
    tracking: dict[str, Any] | None


class _YamlReader:
    """Reads the YAML files of one archive."""

    def __init__(self, files: CheckedZip, findings: ModelFindings) -> None:
        self._files = files
        self._findings = findings
        self.unread: set[PurePosixPath] = set()

    def read_mapping(self, path: PurePosixPath, *, unused: bool = False) -> dict[str, Any] | None:
        """A file's values; None where there is no such file, or it cannot be read.

        The latter is a problem, unless nothing in the file is used.
        """
        try:
            member = self._files.find_member(path)
            return self._load_member(member) if member else None
        except BadInput as error:
            if not unused:
                self._findings.problems.append(str(error))
                return None
            self.unread.add(path)
            self._findings.repairs.append(
                f"{path.parent.name}/{path.name} cannot be read and is not needed; it was made "
                "from the network's own"
            )
            return None

    def _load_member(self, member: ZipMember) -> dict[str, Any]:
        text, plain = decode_text(self._files.read(member, MAX_CONFIG_BYTES))
        if not plain:
            self._findings.repairs.append(
                f"{member.path} is not plain UTF-8; it was read as Latin-1 or without mark"
            )
        used = _PROJECT_KEYS if member.path.name == "config.yaml" else None
        return load_mapping(text, str(member.path), used, self._findings.repairs)

    def read_network(self, folder: PurePosixPath) -> dict[str, Any] | None:
        """A model's pytorch_config.yaml, or the only one of an archive that holds one model."""
        name = "pytorch_config.yaml"
        if self._files.find_member(folder / name) is None:
            found = [m.path for m in self._files.members if m.path.name == name]
            if len(found) == 1 and len(self._findings.facts.shuffles) == 1:
                self._findings.repairs.append(
                    f"{found[0]} is used, the only one in the archive; DeepLabCut has it in "
                    f"{folder}, with the snapshot"
                )
                return self.read_mapping(found[0])
        return self.read_mapping(folder / name)

    def read_nearest(self, folder: PurePosixPath, name: str) -> dict[str, Any] | None:
        """A file from the nearest folder at or above another that has one."""
        for parent in (folder, *folder.parents):
            before = len(self._findings.problems)
            values = self.read_mapping(parent / name)
            if values is not None or len(self._findings.problems) > before:
                return values
        return None


def read_config_files(
    files: CheckedZip, layout: Layout, name: str, findings: ModelFindings
) -> ConfigFiles:
    """Read an archive's configuration files, and make those that are missing.

    Args:
        files: The archive.
        layout: Where its model lies.
        name: What to call it in messages.
        findings: What was repaired, and what cannot be read, is added to it.

    Returns:
        What the archive says of its model.

    Raises:
        BadInput: Files that are needed are missing or cannot be read.
    """
    reader, folder = _YamlReader(files, findings), layout.folder
    beside = folder.parent / "test"
    project = reader.read_nearest(folder, "config.yaml")
    unused = layout.engine == "pytorch" and project is not None
    train = reader.read_mapping(folder / "pose_cfg.yaml", unused=unused)
    test = reader.read_mapping(beside / "pose_cfg.yaml", unused=unused)
    tracking = reader.read_mapping(beside / "inference_cfg.yaml")
    network = reader.read_network(folder) if layout.engine == "pytorch" else {}
    findings.raise_if_problems()
    if network is None:
        raise BadInput(
            f"{name}: {folder} holds a snapshot but no pytorch_config.yaml, which says what "
            "network it belongs to; add it from the same folder of the DeepLabCut project"
        )
    if layout.engine == "tensorflow":
        train, test = _complete_tensorflow_configs(train, test, layout, name, findings)
    else:
        _check_network_config(network, name)
        if test is None and beside / "pose_cfg.yaml" not in reader.unread:
            findings.repairs.append(
                "test/pose_cfg.yaml is missing; it was made from the network's own"
            )
    pose = train or test or {}
    named = find_folder_name(folder, network, pose, findings)
    project_file = "config.yaml"
    if project is None:
        findings.repairs.append(
            "config.yaml is missing; it was made from the model's own configuration"
        )
        project = _build_project_config(named, pose, network)
        project_file = "pose_cfg.yaml" if _joint_names(pose) else "pytorch_config.yaml"
    return ConfigFiles(
        layout, named, project, project_file, network, train or {}, test or {}, tracking
    )


def _complete_tensorflow_configs(
    train: dict[str, Any] | None,
    test: dict[str, Any] | None,
    layout: Layout,
    name: str,
    findings: ModelFindings,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The network's configuration for training and for inference; one can stand for the other."""
    found = train or test
    if not found:
        raise BadInput(
            f"{name}: {layout.folder} holds a TensorFlow snapshot but no pose_cfg.yaml, which says "
            "what network it belongs to; add it from the same folder of the DeepLabCut project"
        )
    if not test:
        findings.repairs.append("test/pose_cfg.yaml is missing; train/pose_cfg.yaml stands for it")
    if not train:
        findings.repairs.append("train/pose_cfg.yaml is missing; test/pose_cfg.yaml stands for it")
    return train or found, test or found


def _check_network_config(network: dict[str, Any], name: str) -> None:
    if not all(isinstance(network.get(key), dict) for key in ("metadata", "model")):
        raise BadInput(
            f"{name}: pytorch_config.yaml has no `metadata` and `model` sections, so it is not "
            "the configuration of a DeepLabCut 3 network"
        )


def _build_project_config(
    named: ModelFolderName | None, pose: dict[str, Any], network: dict[str, Any]
) -> dict[str, Any]:
    """A config.yaml from what training wrote beside the snapshot."""
    metadata = network.get("metadata") or {}
    individuals, unique = metadata.get("individuals"), metadata.get("unique_bodyparts")
    several = isinstance(individuals, list) and len(individuals) > 1
    multi = (
        several or bool(unique) or "multi-animal" in str(_tensorflow_dataset_type(pose, network))
    )
    parts = _joint_names(pose) or metadata.get("bodyparts")
    return {
        "Task": named.task if named else "",
        "date": named.date if named else "",
        "scorer": named.experimenter if named else "",
        "multianimalproject": multi,
        "multianimalbodyparts" if multi else "bodyparts": parts,
        "default_net_type": pose.get("net_type") or network.get("net_type"),
        "default_augmenter": pose.get("dataset_type"),
        "snapshotindex": -1,
    }


def _joint_names(pose: dict[str, Any]) -> Any:
    """Body parts of the animals and of the arena, as training wrote them."""
    return pose.get("all_joints_names")


def _tensorflow_dataset_type(pose: dict[str, Any], network: dict[str, Any]) -> Any:
    """Return the data set type of a TensorFlow model; DeepLabCut 3 writes one word for all."""
    return None if network else pose.get("dataset_type")


def choose_snapshot(
    snapshots: tuple[Snapshot, ...], project: dict[str, Any], key: str, findings: ModelFindings
) -> Snapshot:
    """Use what ``snapshotindex`` or ``detector_snapshotindex`` says, as DeepLabCut does.

    Args:
        snapshots: In DeepLabCut's order, at least one.
        project: ``config.yaml``.
        key: Which of the two.
        findings: Repairs and warnings are added to it.

    Returns:
        The snapshot that DeepLabCut loads; the last one where no number is given.

    Raises:
        BadInput: There is no such snapshot, or which is meant cannot be told.
    """
    names = [snapshot.name for snapshot in snapshots]
    try:
        index = _parse_snapshot_index(project.get(key, -1), key, findings)
    except BadInput:
        if len(names) > 1:
            raise
        index = len(names)  # one that does not fit
    if len(names) == 1 and index not in (0, -1):
        findings.repairs.append(
            f"config.yaml: {key} is {format_value(project[key])}, but there is one snapshot; "
            f"{names[0]} is used"
        )
        return snapshots[0]
    if not -len(names) <= index < len(names):
        raise BadInput(
            f"config.yaml: {key} is {format_value(index)}, but there are {len(names)} snapshots "
            f"({format_list(names)}); set it to -1 for the last one"
        )
    if len(names) > 1:
        findings.warnings.append(
            f"{len(names)} snapshots in the archive ({format_list(names)}); {key} {index} means "
            f"{names[index]}"
        )
    return snapshots[index]


def _parse_snapshot_index(value: Any, key: str, findings: ModelFindings) -> int:
    """A snapshot's place in the list; editors and programs write numbers as text or with a point.

    Raises:
        BadInput: It is no number, so that which snapshot is meant is not known.
    """
    text = value.strip() if isinstance(value, str) else value
    if text in (None, "", "all"):
        findings.repairs.append(f"{key} was {format_value(value)}; the last snapshot is used")
        return -1
    if isinstance(text, str) and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    whole = isinstance(text, int | float) and not isinstance(text, bool) and text % 1 == 0
    if not whole:
        raise BadInput(
            f"config.yaml: {key}: expected a whole number, found {format_quoted(value)}; set it to "
            "-1 for the last snapshot"
        )
    return int(text)
