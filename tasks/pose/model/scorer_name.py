"""Scorer names of models: task, date, shuffle, and training fraction."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tasks.errors import BadInput
from tasks.messages import MAX_VALUE_LENGTH, ONE_LINE, format_value
from tasks.pose.model.problems import ModelFindings

_FOLDER_NAME = re.compile(
    r"(?P<project>.*)-trainset(?P<percent>100|[0-9]{1,2})shuffle(?P<shuffle>[0-9]{1,9})"
)
"""A model's folder as DeepLabCut names it: task and date, training fraction, shuffle."""

_DATASET_PATH = re.compile(
    r"UnaugmentedDataSet_(?P<project>[^/]*)/(?P<rest>[^/]*?)(?P<percent>100|[0-9]{2})"
    r"shuffle(?P<shuffle>[0-9]{1,9})\.mat"
)
"""The training set as pose_cfg.yaml names it: task and date, task and person who labeled."""

_TASK_AND_DATE = re.compile(r"(?P<task>.*?)(?P<date>[A-Z][a-z]{2}[0-9]{1,2})?")

_ITERATION_FOLDER = re.compile(r"iteration-([0-9]{1,9})")

_MAX_PATH_LENGTH = 4096

DEFAULT_FRACTION = 0.95
"""Share of labeled frames that DeepLabCut trains on where nothing says otherwise."""


@dataclass(frozen=True)
class ModelFolderName:
    """Parts of the name of a model's folder.

    Attributes:
        project: Task and date in one, as DeepLabCut joins them.
        shuffle: The training shuffle.
        percent: Share of labeled frames that were used for training.
        experimenter: Who labeled, where that is known.
    """

    project: str
    shuffle: int
    percent: int
    experimenter: str = ""

    @property
    def task(self) -> str:
        """The task, as far as it can be told from the date."""
        match = _TASK_AND_DATE.fullmatch(self.project)
        return match["task"] if match else self.project

    @property
    def date(self) -> str:
        """The date, such as ``Oct30``; empty where there is none."""
        match = _TASK_AND_DATE.fullmatch(self.project)
        return (match["date"] or "") if match else ""


def parse_folder_name(text: str) -> ModelFolderName | None:
    """Take the name of a model's folder apart; None where it is not DeepLabCut's."""
    match = _FOLDER_NAME.fullmatch(text)
    if match is None:
        return None
    return ModelFolderName(match["project"], int(match["shuffle"]), int(match["percent"]))


def find_folder_name(
    folder: PurePosixPath, network: dict[str, Any], pose: dict[str, Any], findings: ModelFindings
) -> ModelFolderName | None:
    """Find DeepLabCut's name for the model's folder.

    Args:
        folder: The folder of the snapshots in the archive.
        network: ``pytorch_config.yaml``, or nothing.
        pose: ``pose_cfg.yaml``, or nothing.
        findings: A repair is added where the folder has another name.

    Returns:
        The folder's name taken apart, or, where it is not DeepLabCut's, that of the folder or the
        training set that the configuration was written for; None where neither is known.
    """
    if name := parse_folder_name(folder.parent.name):
        return name
    recorded = _find_recorded_name(network, pose)
    instead = f"shuffle {recorded.shuffle} is taken from its configuration" if recorded else ""
    where = f"the folder {folder}" if folder.parent.name else "the folder above the snapshot"
    findings.repairs.append(
        f"{where} is not called <task><date>-trainset<percent>shuffle<n>; "
        f"{instead or 'shuffle 1 is assumed'}"
    )
    return recorded


def _find_recorded_name(network: dict[str, Any], pose: dict[str, Any]) -> ModelFolderName | None:
    """The name in a path of the machine that trained the model; nothing is opened there."""
    metadata = network.get("metadata")
    path = metadata.get("pose_config_path") if isinstance(metadata, dict) else None
    folders = _to_posix_path(path).split("/")
    for name in filter(None, map(parse_folder_name, folders)):
        return name
    dataset = _DATASET_PATH.search(_to_posix_path(pose.get("dataset")))
    if dataset is None:
        return None
    made = ModelFolderName(dataset["project"], int(dataset["shuffle"]), int(dataset["percent"]))
    experimenter = dataset["rest"].removeprefix(f"{made.task}_")
    return ModelFolderName(made.project, made.shuffle, made.percent, experimenter)


def _to_posix_path(path: Any) -> str:
    """A path of any system, as long as paths are."""
    return str(path or "")[:_MAX_PATH_LENGTH].replace("\\", "/")


def read_scorer_facts(
    project: dict[str, Any],
    named: ModelFolderName | None,
    folder: PurePosixPath,
    findings: ModelFindings,
) -> None:
    """Read task, date, shuffle and training fraction into ``findings.facts``.

    The folder decides what config.yaml does not.

    Args:
        project: ``config.yaml``.
        named: What the model's folder is called.
        folder: The folder of the snapshots in the archive.
        findings: Repairs and problems are added to it.
    """
    facts = findings.facts
    with findings.collect_problems():
        facts.task = _check_file_name(project.get("Task"), "Task")
    with findings.collect_problems():
        facts.date = _check_file_name(project.get("date"), "date")
    if named and facts.knows("task", "date") and named.project != facts.task + facts.date:
        findings.repairs.append(
            f"config.yaml calls the project {format_value(facts.task + facts.date)}, the model's "
            f"folder {format_value(named.project)}; results are named after config.yaml"
        )
    _note_iteration(project.get("iteration"), folder, findings)
    fractions = project.get("TrainingFraction")
    listed = [f for f in fractions if _is_fraction(f)] if isinstance(fractions, list) else []
    if named is None:
        facts.shuffle, facts.training_fraction = 1, _first_fraction(fractions)
        return
    # DeepLabCut cuts off: 0.58 makes trainset57.
    matching = [float(f) for f in listed if int(100 * f) == named.percent]
    if listed and not matching:
        findings.repairs.append(
            f"config.yaml says TrainingFraction {format_value(listed)}, the model's folder "
            f"{named.percent} %; the folder decides"
        )
    facts.shuffle = named.shuffle
    facts.training_fraction = matching[0] if matching else named.percent / 100


def _is_fraction(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _first_fraction(value: Any) -> float:
    first = value[0] if isinstance(value, list) and value else None
    return float(first) if first is not None and _is_fraction(first) else DEFAULT_FRACTION


def _note_iteration(iteration: Any, folder: PurePosixPath, findings: ModelFindings) -> None:
    match = _ITERATION_FOLDER.fullmatch(folder.parent.parent.name)
    if match and iteration is not None and str(iteration) != str(int(match[1])):
        findings.repairs.append(
            f"config.yaml says iteration {format_value(iteration)}, the model lies in "
            f"{folder.parent.parent.name}; the folder decides"
        )


def _check_file_name(value: Any, what: str) -> str:
    """A word that becomes part of a folder's name."""
    text = "" if value is None else str(value)
    usable = ONE_LINE.fullmatch(text) and text not in {".", ".."} and not set("/\\") & set(text)
    if not usable or len(text.encode()) > MAX_VALUE_LENGTH:
        raise BadInput(
            f"config.yaml: {what} is {format_value(text)}, which cannot be part of a file name; "
            "give it letters and digits, at most a hundred"
        )
    return text
