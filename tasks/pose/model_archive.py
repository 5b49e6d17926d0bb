"""Open an untrusted model zip, inspect it, and build a clean DeepLabCut project from it.

Only what inference needs is taken out of the archive: the snapshot, and the values of the two
configuration files. The project that DeepLabCut then sees is ours: its paths, device and network
settings never come from the archive.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Self

import yaml

from tasks.pose.errors import BadInput
from tasks.pose.model import Model
from tasks.pose.yaml_files import MAX_BYTES, decode, load_mapping
from tasks.pose.zip_files import Member, ZipOfFiles, open_zip

SHUFFLE_FOLDER = re.compile(
    r"(?P<name>.*)-trainset(?P<percent>100|[0-9]{1,2})shuffle(?P<shuffle>[0-9]{1,9})"
)
"""A model's folder as DeepLabCut names it: task and date, training fraction, shuffle."""

POSE_SNAPSHOT = re.compile(r"snapshot(?P<best>-best)?-(?P<epochs>[0-9]{1,9})\.pt")
"""A pose snapshot as DeepLabCut 3 names and lists it; a detector's says ``snapshot-detector``."""

ANY_SNAPSHOT = re.compile(r"snapshot.*\.(pt|index|meta|data-[0-9]{5}-of-[0-9]{5})")

TENSORFLOW = (".index", ".meta", "-of-00001")
"""How files of a TensorFlow snapshot end."""

TRACK_METHODS = ("ellipse", "box", "skeleton")
"""What DeepLabCut can follow animals by; its template says ``ellipse``."""

_TASK_AND_DATE = re.compile(r"(?P<task>.*?)(?P<date>[A-Z][a-z]{2}[0-9]{1,2})?")

_LONGEST_NAME = 100
"""Bytes of a task or date: two of them and a suffix make the name of one folder."""

_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")

_NAMED = 5
"""How many of a list's items a message names."""


@dataclass
class _Notes:
    """What is found on the way through an archive."""

    repairs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Sources:
    """The parts of an archive that matter."""

    folder: PurePosixPath
    snapshots: tuple[Member, ...]
    used: Member
    project: dict[str, Any]
    project_file: str
    network: dict[str, Any]

    @classmethod
    def read(cls, files: ZipOfFiles, name: str, notes: _Notes) -> Self:
        folder = _snapshot_folder(files, name)
        snapshots = _snapshots(files, folder, name)
        network = _yaml(files, folder / "pytorch_config.yaml", notes)
        if network is None:
            raise BadInput(
                f"{name}: {folder} holds a snapshot but no pytorch_config.yaml, which says what "
                "network it belongs to; add it from the same folder of the DeepLabCut project"
            )
        _check_is_network(network, name)
        project, project_file = _project_config(files, folder, network, notes)
        used = _choose_snapshot(snapshots, project, notes)
        return cls(folder, snapshots, used, project, project_file, network)


def open_model(archive: Path, name: str, project: Path) -> Model:
    """Inspect a model archive and build the DeepLabCut project that runs it.

    Args:
        archive: The zip on disk.
        name: The zip's name as its owner knows it, for messages.
        project: An absent or empty folder; afterwards it holds ``config.yaml`` and the one
            snapshot with its configuration, laid out as DeepLabCut 3 does.

    Returns:
        What the model is.

    Raises:
        BadInput: The archive is damaged, hostile, or not a model that can be run.
    """
    notes = _Notes()
    with open_zip(archive, name) as files:
        sources = _Sources.read(files, name, notes)
        facts = _facts(sources, name, notes)
        train = project / model_folder(facts) / "train"
        snapshot = train / sources.used.path.name
        files.extract(sources.used, snapshot)
    _write_project(project, facts, sources)
    return Model(
        name=name,
        sha256=_sha256(archive),
        size=archive.stat().st_size,
        snapshot_sha256=_sha256(snapshot),
        repairs=tuple(notes.repairs),
        warnings=tuple(notes.warnings),
        **facts,
    )


def model_folder(facts: dict[str, Any]) -> str:
    """Where DeepLabCut looks for a PyTorch model, below the project's folder."""
    percent = int(100 * facts["training_fraction"])
    leaf = f"{facts['task']}{facts['date']}-trainset{percent}shuffle{facts['shuffle']}"
    return f"dlc-models-pytorch/iteration-0/{leaf}"


# --- finding the parts -----------------------------------------------------------------------


def _snapshot_folder(files: ZipOfFiles, name: str) -> PurePosixPath:
    """The one folder that holds snapshots."""
    found = [member for member in files.members if ANY_SNAPSHOT.fullmatch(member.path.name)]
    folders = sorted({member.path.parent for member in found}, key=str)
    if not folders:
        raise BadInput(
            f"{name}: no snapshot in it (a file called snapshot-<number>.pt); zip config.yaml "
            "and dlc-models-pytorch of the DeepLabCut project, train folder included"
        )
    if len(folders) > 1:
        raise BadInput(
            f"{name}: {len(folders)} folders hold snapshots ({_listed(folders)}); "
            "leave exactly one in the zip, that of the model to use"
        )
    return folders[0]


def _snapshots(files: ZipOfFiles, folder: PurePosixPath, name: str) -> tuple[Member, ...]:
    """The pose snapshots in DeepLabCut's order: by epoch, the best one last."""
    here = [member for member in files.members if member.path.parent == folder]
    matches = [(POSE_SNAPSHOT.fullmatch(member.path.name), member) for member in here]
    ranked = [((bool(m["best"]), int(m["epochs"])), member) for m, member in matches if m]
    tensorflow = [member.path for member in here if member.path.name.endswith(TENSORFLOW)]
    if tensorflow:
        raise BadInput(
            f"{name}: it is a TensorFlow model (it holds {tensorflow[0]}); this version runs "
            "PyTorch models of DeepLabCut 3: train it again with the PyTorch engine"
        )
    if not ranked:
        raise BadInput(
            f"{name}: none of the snapshots in {folder} is a pose snapshot that DeepLabCut can "
            "load (snapshot-<number>.pt or snapshot-best-<number>.pt)"
        )
    return tuple(member for _, member in sorted(ranked, key=lambda pair: pair[0]))


def _choose_snapshot(
    snapshots: tuple[Member, ...], project: dict[str, Any], notes: _Notes
) -> Member:
    """Use what `snapshotindex` says, as DeepLabCut does."""
    index = project.get("snapshotindex", -1)
    if isinstance(index, bool) or not isinstance(index, int):
        if index != -1 and index is not None:
            notes.repairs.append(f"snapshotindex was {_said(index)}; the last snapshot is used")
        index = -1
    names = [member.path.name for member in snapshots]
    if not -len(names) <= index < len(names):
        raise BadInput(
            f"config.yaml: snapshotindex is {index}, but there are {len(names)} snapshots "
            f"({_listed(names)}); set it to -1 for the last one"
        )
    if len(names) > 1:
        notes.warnings.append(
            f"{len(names)} snapshots in the archive ({_listed(names)}); snapshotindex {index} "
            f"means {names[index]}"
        )
    return snapshots[index]


def _yaml(files: ZipOfFiles, path: PurePosixPath, notes: _Notes) -> dict[str, Any] | None:
    member = next((member for member in files.members if member.path == path), None)
    if member is None:
        return None
    text, plain = decode(files.read(member, MAX_BYTES))
    if not plain:
        notes.repairs.append(f"{path} is not plain UTF-8; it was read as Latin-1 or without mark")
    return load_mapping(text, str(path))


def _check_is_network(network: dict[str, Any], name: str) -> None:
    if not all(isinstance(network.get(key), dict) for key in ("metadata", "model")):
        raise BadInput(
            f"{name}: pytorch_config.yaml has no `metadata` and `model` sections, so it is not "
            "the configuration of a DeepLabCut 3 network"
        )


def _project_config(
    files: ZipOfFiles, folder: PurePosixPath, network: dict[str, Any], notes: _Notes
) -> tuple[dict[str, Any], str]:
    """The project's config.yaml, from the nearest folder above the snapshots that has one.

    Returns:
        The configuration, and the name of the file that it is from.
    """
    test = _yaml(files, folder.parent / "test" / "pose_cfg.yaml", notes)
    if test is None:
        notes.repairs.append("test/pose_cfg.yaml is missing; it was made from the network's own")
    for parent in (folder, *folder.parents):
        config = _yaml(files, parent / "config.yaml", notes)
        if config is not None:
            return config, "config.yaml"
    notes.repairs.append("config.yaml is missing; it was made from the model's own configuration")
    pose = _yaml(files, folder / "pose_cfg.yaml", notes) or test or {}
    return _made_config(folder, pose, network), "pose_cfg.yaml"


def _made_config(
    folder: PurePosixPath, pose: dict[str, Any], network: dict[str, Any]
) -> dict[str, Any]:
    match = SHUFFLE_FOLDER.fullmatch(folder.parent.name)
    named = _TASK_AND_DATE.fullmatch(match["name"] if match else "")
    individuals = network["metadata"].get("individuals")
    multi = isinstance(individuals, list) and len(individuals) > 1
    parts = pose.get("all_joints_names") or network["metadata"].get("bodyparts")
    return {
        "Task": named["task"] if named else "",
        "date": (named["date"] or "") if named else "",
        "scorer": "",
        "multianimalproject": multi,
        "multianimalbodyparts" if multi else "bodyparts": parts,
        "default_net_type": pose.get("net_type") or network.get("net_type"),
        "default_augmenter": pose.get("dataset_type"),
        "snapshotindex": -1,
    }


# --- understanding them ----------------------------------------------------------------------


def _facts(sources: _Sources, name: str, notes: _Notes) -> dict[str, Any]:
    """Everything about the model that the two configuration files and the layout tell."""
    project, network = sources.project, sources.network
    parts, unique, individuals = _animals(network)
    _check_parts(sources, parts, unique, name)
    _check_heads(network, parts, name)
    _check_no_download(network, name)
    _note_repairs(project, network, notes)
    return {
        "engine": "pytorch",
        "net_type": _said(network.get("net_type") or project.get("default_net_type") or "unknown"),
        "task": _plain(project.get("Task"), "Task"),
        "date": _plain(project.get("date"), "date"),
        "experimenter": _said(project.get("scorer") or ""),
        **_split(sources, notes),
        "snapshot": sources.used.path.name,
        "snapshots": tuple(member.path.name for member in sources.snapshots),
        "body_parts": parts,
        "individuals": individuals,
        "unique_body_parts": unique,
        "multi_animal": _is_true(project.get("multianimalproject")),
        "method": _said(network.get("method") or "bu").lower(),
        "skeleton": _skeleton(project.get("skeleton"), parts + unique),
        "skeleton_color": _color(project.get("skeleton_color"), notes),
        "alpha": _number(project.get("alphavalue"), default=0.7, low=0, high=1),
        "batch_size": int(_number(project.get("batch_size"), default=8, low=1, high=1024)),
    }


def _animals(network: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Body parts of the animals, body parts of the arena, and individuals."""
    metadata, where = network["metadata"], "pytorch_config.yaml: metadata"
    parts = _names(metadata.get("bodyparts"), f"{where}.bodyparts")
    if not parts:
        raise BadInput(f"{where}.bodyparts: expected at least one name, found none")
    return (
        parts,
        _names(metadata.get("unique_bodyparts") or [], f"{where}.unique_bodyparts"),
        _names(metadata.get("individuals") or ["individual_1"], f"{where}.individuals"),
    )


def _names(value: Any, where: str) -> tuple[str, ...]:
    names = tuple(map(str, value)) if isinstance(value, list) else ()
    kinds = set(map(type, value)) if isinstance(value, list) else {type(value)}
    if not kinds <= {str, int} or not all(name and _ONE_LINE.fullmatch(name) for name in names):
        raise BadInput(f"{where}: expected a list of names, found {_said(value)}")
    if len(set(names)) < len(names):
        raise BadInput(f"{where}: a name stands in it twice: {_listed(names)}")
    return names


def _check_parts(
    sources: _Sources, parts: tuple[str, ...], unique: tuple[str, ...], name: str
) -> None:
    """DeepLabCut silently ignores config.yaml's body parts; we do not."""
    multi = _is_true(sources.project.get("multianimalproject"))
    key = "multianimalbodyparts" if multi else "bodyparts"
    value = sources.project.get(key)
    listed = _names(value, f"{sources.project_file}: {key}") if isinstance(value, list) else ()
    if listed and listed not in {parts, parts + unique}:
        raise BadInput(
            f"{name}: {sources.project_file} lists the body parts {', '.join(listed)}, but the "
            f"network was trained on {', '.join(parts)}; zip the configuration that belongs to it"
        )


def _check_heads(network: dict[str, Any], parts: tuple[str, ...], name: str) -> None:
    target = _section(network, "model", "heads", "bodypart", "target_generator")
    several = target.get("generators")
    for generator in (target, *(several if isinstance(several, list) else ())):
        maps = generator.get("num_heatmaps") if isinstance(generator, dict) else None
        if isinstance(maps, int) and maps != len(parts):
            raise BadInput(
                f"{name}: pytorch_config.yaml names {len(parts)} body parts ({', '.join(parts)}), "
                f"but its network has {_said(maps)} outputs; zip the configuration that belongs "
                "to it"
            )


def _check_no_download(network: dict[str, Any], name: str) -> None:
    """Refuse a backbone that timm would look up on a model hub, even without weights."""
    for backbone in _model_names([network["model"], network.get("detector")]):
        if ":" in backbone or "/" in backbone:
            raise BadInput(
                f"{name}: its network is defined on a model hub ({_said(backbone)}), which is "
                "never asked; train with a backbone that DeepLabCut itself knows"
            )


def _model_names(value: Any) -> Iterator[str]:
    """Every ``model_name`` or ``base_model_name`` in a configuration, however deep."""
    if isinstance(value, dict):
        yield from (str(name) for key, name in value.items() if str(key).endswith("model_name"))
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _model_names(item)


def _note_repairs(project: dict[str, Any], network: dict[str, Any], notes: _Notes) -> None:
    if _is_true(project.get("cropping")):
        notes.repairs.append("config.yaml says cropping: true; only the request's crop counts")
    for keys in ((), ("detector",)):
        where = "".join(f"{key}." for key in keys)
        if _section(network, *keys, "runner").get("load_weights_only") not in (True, None):
            notes.repairs.append(
                f"{where}runner.load_weights_only: false is ignored; only weights are loaded"
            )
        if _section(network, *keys, "inference", "compile").get("enabled"):
            notes.repairs.append(f"{where}inference.compile is switched off")
        if _section(network, *keys, "inference", "autocast").get("enabled"):
            notes.repairs.append(
                f"{where}inference.autocast is switched off; full precision is used"
            )
    if _pads_at_random(network):
        notes.repairs.append(
            "data.inference.auto_padding: frames are padded at the right and below, not at random"
        )
    device = _said(network.get("device") or "auto")
    if device != "auto":
        notes.repairs.append(f"device {device} is replaced by the worker's own")


def _section(config: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A mapping inside pytorch_config.yaml; empty where it is absent.

    Raises:
        BadInput: Something else stands there.
    """
    for depth, key in enumerate(keys, start=1):
        config = config.get(key) or {}
        if not isinstance(config, dict):
            raise BadInput(
                f"pytorch_config.yaml: {'.'.join(keys[:depth])}: expected a mapping, found "
                f"{_said(config)}"
            )
    return config


def _is_true(value: Any) -> bool:
    """A switch as DeepLabCut reads it: YAML's booleans, and the words for them."""
    return str(value).lower() in {"true", "yes", "on", "y", "t", "1"}


def _said(value: Any) -> str:
    """A value from the archive in a message: short, and on one line."""
    text = value if isinstance(value, str) else repr(value)
    shown = text if _ONE_LINE.fullmatch(text) else ascii(text)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}…"


def _listed(items: Iterable[object]) -> str:
    """The first few items of a list, and how many more there are."""
    texts = [_said(str(item)) for item in items]
    more = [f"and {len(texts) - _NAMED} more"] if len(texts) > _NAMED else []
    return ", ".join(texts[:_NAMED] + more)


def _split(sources: _Sources, notes: _Notes) -> dict[str, Any]:
    """Shuffle and training fraction, from the folder's name as DeepLabCut writes it."""
    match = SHUFFLE_FOLDER.fullmatch(sources.folder.parent.name)
    if match:
        percent, shuffle = int(match["percent"]), int(match["shuffle"])
        return {"shuffle": shuffle, "training_fraction": percent / 100}
    notes.repairs.append(
        f"the folder {sources.folder} is not called <task><date>-trainset<percent>shuffle<n>; "
        "shuffle 1 is assumed"
    )
    fractions = sources.project.get("TrainingFraction")
    first = fractions[0] if isinstance(fractions, list) and fractions else None
    return {"shuffle": 1, "training_fraction": _number(first, default=0.95, low=0, high=1)}


def _plain(value: Any, what: str) -> str:
    """A word that becomes part of a folder's name."""
    text = "" if value is None else str(value)
    usable = _ONE_LINE.fullmatch(text) and text not in {".", ".."} and not set("/\\") & set(text)
    if not usable or len(text.encode()) > _LONGEST_NAME:
        raise BadInput(
            f"config.yaml: {what} is {_said(text)}, which cannot be part of a file name; give "
            "it letters and digits, at most a hundred"
        )
    return text


def _skeleton(value: Any, parts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of known body parts; DeepLabCut's template holds others, which it never draws."""
    pairs = value if isinstance(value, list) else []
    known = [p for p in pairs if isinstance(p, list) and len(p) == 2]  # noqa: PLR2004
    return tuple((str(a), str(b)) for a, b in known if str(a) in parts and str(b) in parts)


def _color(value: Any, notes: _Notes) -> str:
    from matplotlib.colors import is_color_like, to_hex  # noqa: PLC0415

    if value is None:
        return "black"
    if is_color_like(value):
        return value if isinstance(value, str) else str(to_hex(value))
    notes.repairs.append(f"skeleton_color {_said(value)} is no color; black is used")
    return "black"


def _number(value: Any, *, default: float, low: float, high: float) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if usable and low <= value <= high else default


# --- building ours ---------------------------------------------------------------------------


def _write_project(project: Path, facts: dict[str, Any], sources: _Sources) -> None:
    """Write the files that DeepLabCut reads, with our own paths and switches in them."""
    folder = project / model_folder(facts)
    (folder / "test").mkdir(parents=True)
    _dump(project / "config.yaml", _our_project_config(project, facts, sources))
    _dump(folder / "train" / "pytorch_config.yaml", _our_network_config(project, folder, sources))
    _dump(folder / "test" / "pose_cfg.yaml", _our_pose_config(facts))


def _our_project_config(project: Path, facts: dict[str, Any], sources: _Sources) -> dict[str, Any]:
    multi = facts["multi_animal"]
    parts = list(facts["body_parts"])
    return {
        "Task": facts["task"],
        "scorer": facts["experimenter"],
        "date": facts["date"],
        "multianimalproject": multi,
        "identity": _is_true(sources.project.get("identity")),
        "project_path": str(project),
        "engine": facts["engine"],
        "video_sets": {},
        "bodyparts": "MULTI!" if multi else parts,
        "multianimalbodyparts": parts if multi else [],
        "individuals": list(facts["individuals"]),
        "uniquebodyparts": list(facts["unique_body_parts"]),
        "skeleton": [list(pair) for pair in facts["skeleton"]],
        "skeleton_color": facts["skeleton_color"],
        "alphavalue": facts["alpha"],
        "TrainingFraction": [facts["training_fraction"]],
        "iteration": 0,
        "default_net_type": facts["net_type"],
        "default_track_method": _track_method(sources.project.get("default_track_method")),
        "snapshotindex": -1,
        "detector_snapshotindex": -1,
        "batch_size": facts["batch_size"],
        "cropping": False,
    }


def _track_method(value: Any) -> str:
    return value if value in TRACK_METHODS else TRACK_METHODS[0]


def _our_network_config(project: Path, folder: Path, sources: _Sources) -> dict[str, Any]:
    network = _with_our_switches(sources.network)
    network["metadata"] = network["metadata"] | {
        "project_path": str(project),
        "pose_config_path": str(folder / "train" / "pytorch_config.yaml"),
    }
    if network.get("detector"):
        network["detector"] = _with_our_switches(sources.network, "detector")
    if _pads_at_random(network):
        # Any side is as good as another to the network, but only a fixed one can be repeated.
        padding = _section(network, *_PADDING) | {"position": "top_left"}
        inference = _section(network, *_PADDING[:-1]) | {_PADDING[-1]: padding}
        network["data"] = _section(network, "data") | {"inference": inference}
    return network


_PADDING = ("data", "inference", "auto_padding")


def _pads_at_random(network: dict[str, Any]) -> bool:
    """Whether frames are padded where DeepLabCut's default, chance, puts them."""
    padding = _section(network, *_PADDING)
    return bool(padding) and padding.get("position") in (None, "random")


def _with_our_switches(network: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The network's or the detector's configuration, but for what we decide."""
    config = dict(_section(network, *keys))
    config["device"] = "auto"
    config["runner"] = _section(network, *keys, "runner") | {
        "device": "auto",
        "gpus": None,
        "load_weights_only": True,
    }
    config["inference"] = _section(network, *keys, "inference") | {
        "compile": {"enabled": False},
        "autocast": {"enabled": False},
    }
    config.pop("logger", None)
    config.pop("resume_training_from", None)
    return config


def _our_pose_config(facts: dict[str, Any]) -> dict[str, Any]:
    parts = list(facts["body_parts"] + facts["unique_body_parts"])
    return {
        "num_joints": len(parts),
        "all_joints": [[index] for index in range(len(parts))],
        "all_joints_names": parts,
        "net_type": facts["net_type"],
    }


def _dump(path: Path, value: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
