"""Choose a shuffle and a snapshot of an archive that holds several."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_list, format_value
from tasks.pose.model.description import ShuffleOption, SnapshotOption
from tasks.pose.model.layout import (
    POSE_SNAPSHOT,
    Layout,
    Snapshot,
    build_layout,
    find_snapshot_folders,
)
from tasks.pose.model.scorer_name import parse_folder_name
from tasks.pose.untrusted.yaml_loader import MAX_CONFIG_BYTES, decode_text, load_mapping
from tasks.pose.untrusted.zip_reader import CheckedZip

_MAX_OPTIONS = 100
"""Folders that are looked into; a project has a few shuffles."""

_TRAIN_FOLDER = "train"

CONDITIONAL = "ctd"
"""DeepLabCut's word for conditional top-down models."""

Choice = str | int | None


@dataclass(frozen=True)
class ModelChoice:
    """A request's choice in an archive; None where it leaves that to the archive.

    Attributes:
        shuffle: A shuffle's number, or the name of its folder or the end of its path.
        snapshot: ``best``, the number in a snapshot's name, or its file name.
    """

    shuffle: Choice = None
    snapshot: Choice = None


ANY_MODEL = ModelChoice()
"""The only model of an archive, with the snapshot that its config.yaml says."""


@dataclass(frozen=True)
class FoundModels:
    """The models that an archive holds.

    Attributes:
        layouts: Each folder's layout, in the order of the folders' paths.
        options: The same for people, with the values that choose them.
    """

    layouts: tuple[Layout, ...]
    options: tuple[ShuffleOption, ...]


def find_models(files: CheckedZip, name: str) -> FoundModels:
    """List the models of an archive: those of its folders whose snapshots can be loaded.

    Args:
        files: The archive.
        name: What to call it in messages.

    Returns:
        At least one model.

    Raises:
        BadInput: No folder holds snapshots that can be loaded.
    """
    layouts: list[Layout] = []
    problems: list[BadInput] = []
    for folder in find_snapshot_folders(files, name)[:_MAX_OPTIONS]:
        try:
            layouts.append(build_layout(files, folder, name))
        except BadInput as error:
            problems.append(error)
    if not layouts:
        raise problems[0]
    words = _name_folders([layout.folder for layout in layouts])
    options = (_describe_option(files, *pair) for pair in zip(layouts, words, strict=True))
    return FoundModels(tuple(layouts), tuple(options))


def choose_layout(found: FoundModels, shuffle: Choice, name: str) -> Layout:
    """Return the model that a request chooses, or the only one.

    Args:
        found: The models of the archive.
        shuffle: The request's choice.
        name: What to call the archive in messages.

    Raises:
        BadInput: There is no such model, or none is chosen where there are several.
    """
    fitting = found.layouts if shuffle is None else _match_folders(found, shuffle)
    if len(fitting) == 1:
        return fitting[0]
    pairs = zip(found.layouts, found.options, strict=True)
    conditional = [layout for layout, option in pairs if option.method == CONDITIONAL]
    if shuffle is None and len(conditional) == 1 and len(found.layouts) == 2:  # noqa: PLR2004
        return conditional[0]  # the other one gives its conditions
    if shuffle is None:
        raise BadInput(
            f"{name}: {len(found.layouts)} folders hold snapshots; set shuffle to the one to use: "
            f"{_list_options(found)}"
        )
    several = "several of them are" if fitting else "none of them is"
    raise BadInput(
        f"{name}: shuffle: {several} {format_value(shuffle)}; expected one of "
        f"{_list_options(found)}"
    )


def _list_options(found: FoundModels) -> str:
    words = format_list(option.use for option in found.options)
    return f"{words} (`python -m flows inspect` describes each)"


def _match_folders(found: FoundModels, shuffle: str | int) -> tuple[Layout, ...]:
    if isinstance(shuffle, int):
        return tuple(x for x in found.layouts if _shuffle_number(x.folder) == shuffle)
    wanted = PurePosixPath(shuffle.strip("/") or ".")
    exact = tuple(x for x in found.layouts if wanted in (x.folder, _model_folder(x.folder)))
    return exact or tuple(x for x in found.layouts if _is_end(wanted, _model_folder(x.folder)))


def _is_end(wanted: PurePosixPath, folder: PurePosixPath) -> bool:
    return len(wanted.parts) > 0 and folder.parts[-len(wanted.parts) :] == wanted.parts


def _model_folder(folder: PurePosixPath) -> PurePosixPath:
    """Return the folder that DeepLabCut names after the shuffle: the one above ``train``."""
    return folder.parent if folder.name == _TRAIN_FOLDER else folder


def _shuffle_number(folder: PurePosixPath) -> int | None:
    name = parse_folder_name(_model_folder(folder).name)
    return name.shuffle if name else None


def _name_folders(folders: Sequence[PurePosixPath]) -> list[str | int]:
    """Find the shortest value that chooses each folder: its number, or the end of its path."""
    models = [_model_folder(folder) for folder in folders]
    numbers = [_shuffle_number(folder) for folder in folders]
    ends = Counter(model.parts[start:] for model in models for start in range(len(model.parts)))
    words: list[str | int] = []
    for model, number in zip(models, numbers, strict=True):
        alone = (
            "/".join(model.parts[start:])
            for start in range(len(model.parts) - 1, -1, -1)
            if ends[model.parts[start:]] == 1
        )
        if number is not None and numbers.count(number) == 1:
            words.append(number)
        else:
            words.append(next(alone, str(model)))
    return words


def _describe_option(files: CheckedZip, layout: Layout, use: str | int) -> ShuffleOption:
    network = peek_network_config(files, layout) if layout.engine == "pytorch" else {}
    net_type, method = network.get("net_type"), network.get("method")
    return ShuffleOption(
        use=use,
        folder=str(layout.folder),
        engine=layout.engine,
        net_type=format_value(net_type) if isinstance(net_type, str) else None,
        method=format_value(method).lower() if isinstance(method, str) else None,
        snapshots=describe_snapshots(layout.snapshots),
    )


def peek_network_config(files: CheckedZip, layout: Layout) -> dict[str, Any]:
    """Read a folder's pytorch_config.yaml; empty where there is none that can be read."""
    try:
        member = files.find_member(layout.folder / "pytorch_config.yaml")
        text = decode_text(files.read(member, MAX_CONFIG_BYTES))[0] if member else "{}"
        return load_mapping(text, "pytorch_config.yaml")
    except BadInput:
        return {}


# --- snapshots -------------------------------------------------------------------------------


def describe_snapshots(snapshots: Sequence[Snapshot]) -> tuple[SnapshotOption, ...]:
    """Describe a folder's snapshots, with the values that choose them, in DeepLabCut's order."""
    words: list[str | int] = [_short_word(snapshot) for snapshot in snapshots]
    return tuple(
        SnapshotOption(
            use=word if words.count(word) == 1 else snapshot.name.removesuffix(".pt"),
            name=snapshot.name,
        )
        for word, snapshot in zip(words, snapshots, strict=True)
    )


def _short_word(snapshot: Snapshot) -> str | int:
    match = POSE_SNAPSHOT.fullmatch(snapshot.name)
    return "best" if match and match["best"] else _step_count(snapshot)


def _step_count(snapshot: Snapshot) -> int:
    return int(snapshot.name.removesuffix(".pt").rpartition("-")[2])


def match_snapshot(snapshots: Sequence[Snapshot], choice: str | int, name: str) -> Snapshot:
    """Return the snapshot that a request chooses.

    Args:
        snapshots: Those of the model, at least one.
        choice: The request's.
        name: What to call the archive in messages.

    Raises:
        BadInput: There is no such snapshot, or more than one.
    """
    fitting = [s for s in snapshots if choice in (s.name, s.name.removesuffix(".pt"))]
    fitting = fitting or [s for s in snapshots if choice == _short_word(s)]
    fitting = fitting or [s for s in snapshots if choice == _step_count(s)]
    if len(fitting) == 1:
        return fitting[0]
    words = [option.use for option in describe_snapshots(snapshots)]
    raise BadInput(
        f"{name}: snapshot: expected one of {format_list(words)}, found {format_value(choice)}"
    )
