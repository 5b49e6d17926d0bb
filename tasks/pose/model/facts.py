"""Understand a model: what its configuration says, checked against itself."""

from typing import Any

from tasks.errors import BadInput
from tasks.messages import listed, quoted, said
from tasks.pose.model.body_part_names import (
    Names,
    agreed_individuals,
    animals,
    check_parts,
    is_true,
    names_of,
)
from tasks.pose.model.config_files import SINGLE_ANIMAL, Sources, choose_snapshot
from tasks.pose.model.layout import Layout, Snapshot
from tasks.pose.model.problems import Findings
from tasks.pose.model.scorer_name import naming
from tasks.pose.model.skeleton_style import color, opacity, skeleton
from tasks.pose.model.tensorflow_config import check_joints, check_same_network, tensorflow_config
from tasks.pose.model.torch_config import check_heads, check_no_download, note_switches, section
from tasks.pose.model.torch_input_size import check_inputs
from tasks.pose.model.torch_schema import check_known_network

TRACK_METHODS = ("ellipse", "box", "skeleton")
"""What DeepLabCut can follow animals by; its template says ``ellipse``."""

_SMALLEST_ELLIPSE = 3
"""Body parts that an ellipse needs; with fewer DeepLabCut finds no track, and fails."""

METHODS = ("bu", "td")
"""Bottom-up and top-down."""

DEFAULT_BATCH_SIZE = 8
"""DeepLabCut's own."""

_LARGEST_BATCH = 512

Chosen = dict[str, Snapshot]
"""The snapshots that are used: ``pose``, and for top-down models ``detector``."""


def engine_and_snapshots(layout: Layout) -> dict[str, Any]:
    """What the layout alone tells: values of `tasks.pose.model.description.Model`."""
    return {
        "engine": layout.engine,
        "snapshots": tuple(snapshot.name for snapshot in layout.snapshots),
    }


def understand(sources: Sources, name: str, findings: Findings) -> tuple[dict[str, Any], Chosen]:
    """Everything about the model that its configuration and its layout tell.

    Args:
        sources: The archive's parts.
        name: What to call it in messages.
        findings: Repairs, warnings, problems and what is understood are added to it.

    Returns:
        Values of `tasks.pose.model.description.Model`, and the snapshots to use.

    Raises:
        BadModel: With every problem that could be told.
    """
    project, layout = sources.project, sources.layout
    engine_facts = _torch_facts if layout.engine == "pytorch" else _tensorflow_facts
    facts = findings.facts
    facts |= engine_and_snapshots(layout) | engine_facts(sources, name, findings)
    facts |= naming(project, sources.named, layout.folder, findings)
    facts["experimenter"] = said(project["scorer"]) if project.get("scorer") else ""
    _note_project(sources, findings)
    chosen = _choose(sources, facts["method"], name, findings)
    facts |= _names_of(chosen, layout)
    facts["batch_size"] = _batch_size(project.get("batch_size"), layout.engine, findings)
    if "body_parts" in facts:
        parts = facts["body_parts"] + facts["unique_body_parts"]
        facts["skeleton"] = skeleton(project.get("skeleton"), parts, findings)
        facts["track_method"] = _track_method(project, facts, findings)
    facts["skeleton_color"] = color(project.get("skeleton_color"), findings)
    facts["alpha"] = opacity(project.get("alphavalue"))
    findings.refuse()
    return facts, chosen


def _names_of(chosen: Chosen, layout: Layout) -> dict[str, Any]:
    """Which snapshots are used, as far as that is known."""
    names: dict[str, Any] = {"snapshot": chosen["pose"].name} if "pose" in chosen else {}
    if "detector" in chosen:
        names["detector"] = chosen["detector"].name
        names["detectors"] = tuple(snapshot.name for snapshot in layout.detectors)
    return names


def _choose(sources: Sources, method: str, name: str, findings: Findings) -> Chosen:
    layout, chosen = sources.layout, {}
    if layout.left_out:
        findings.warnings.append(
            f"{listed(layout.left_out)} left out: without an .index file it is no snapshot"
        )
    with findings.collecting():
        pose = choose_snapshot(layout.snapshots, sources.project, "snapshotindex", findings)
        if reason := layout.incomplete.get(pose.name):
            raise BadInput(f"{name}: {reason}; zip all files of the snapshot")
        chosen["pose"] = pose
    if method == "td":
        with findings.collecting():
            chosen["detector"] = _detector(sources, name, findings)
    return chosen


def _detector(sources: Sources, name: str, findings: Findings) -> Snapshot:
    detectors = sources.layout.detectors
    if not detectors or not sources.network.get("detector"):
        missing = "snapshot of it" if not detectors else "`detector` section in pytorch_config.yaml"
        raise BadInput(
            f"{name}: it is a top-down model, whose detector finds the animals first, but there is "
            f"no {missing}; zip the whole train folder (snapshot-detector-<number>.pt beside "
            "snapshot-<number>.pt)"
        )
    return choose_snapshot(detectors, sources.project, "detector_snapshotindex", findings)


# --- each engine -----------------------------------------------------------------------------


def _torch_facts(sources: Sources, name: str, findings: Findings) -> dict[str, Any]:
    project, network = sources.project, sources.network
    facts: dict[str, Any] = {"method": _method(network, name, findings)}
    with findings.collecting():
        parts, unique, individuals = animals(network)
        facts |= {"body_parts": parts, "unique_body_parts": unique, "individuals": individuals}
    if "body_parts" in facts:
        with findings.collecting():
            check_parts(sources, parts, unique, name, findings)
        _note_unused(sources, parts, unique, findings)
        with findings.collecting():
            check_heads(network, parts, unique, individuals, name)
        with findings.collecting():
            facts["individuals"] = agreed_individuals(sources, individuals, name, findings)
    with findings.collecting():
        check_no_download(network, name)
        check_known_network(network, name)  # would say the same of a network from elsewhere
    with findings.collecting():
        check_inputs(network, name)
    with findings.collecting():
        note_switches(network, findings)
        # The rest of it is DeepLabCut's to judge, which names what it does not know.
    net_type = network.get("net_type") or project.get("default_net_type") or "unknown"
    return facts | {
        "net_type": said(net_type),
        "backbone": _backbone(network),
        "multi_animal": is_true(project.get("multianimalproject")),
        "identity": "identity" in _heads(network),
    }


def _backbone(network: dict[str, Any]) -> str | None:
    name = section(network, "model", "backbone").get("model_name")
    return said(name) if isinstance(name, str) else None


def _note_unused(sources: Sources, parts: Names, unique: Names, findings: Findings) -> None:
    """Say that test/pose_cfg.yaml is another network's; PyTorch models take nothing from it."""
    given = sources.test.get("all_joints_names")
    names = tuple(map(str, given)) if isinstance(given, list) else given
    if sources.project_file == "config.yaml" and names not in (None, parts, parts + unique):
        findings.repairs.append(
            f"test/pose_cfg.yaml: all_joints_names is {said(given)}, not the network's body parts; "
            "it is not needed and was made from the network's own"
        )


def _heads(network: dict[str, Any]) -> dict[str, Any]:
    heads = network["model"].get("heads")
    return heads if isinstance(heads, dict) else {}


def _method(network: dict[str, Any], name: str, findings: Findings) -> str:
    """How the network finds animals; conditional top-down needs another model's poses."""
    method = said(network.get("method") or "bu").lower()
    if method == "ctd":
        findings.problems.append(
            f"{name}: it is a conditional top-down model (method ctd), which needs another "
            "model's poses to start from and is not run here; use a bottom-up or top-down model "
            "of the same project"
        )
    elif method not in METHODS:
        findings.problems.append(
            f"{name}: pytorch_config.yaml: method: expected bu (bottom-up) or td (top-down), "
            f"found {method}; zip the configuration that DeepLabCut wrote"
        )
    return method


def _tensorflow_facts(sources: Sources, name: str, findings: Findings) -> dict[str, Any]:
    test, project = sources.test, sources.project
    several = _has_several_animals(project, test)
    facts: dict[str, Any] = {
        "method": "bu",
        "individuals": (SINGLE_ANIMAL,),
        "unique_body_parts": (),
        "multi_animal": False,
        "identity": False,
        "net_type": said(test.get("net_type")),
    }
    if several:
        findings.problems.append(
            f"{name}: it is a multi-animal TensorFlow model, which is not run here; train it "
            "again with the PyTorch engine of DeepLabCut 3"
        )
    with findings.collecting():
        parts = names_of(test.get("all_joints_names"), "pose_cfg.yaml: all_joints_names")
        if not parts:
            raise BadInput("pose_cfg.yaml: all_joints_names: expected at least one name")
        facts["body_parts"] = parts
        if not several:
            check_joints(test, parts, name)
            check_parts(sources, parts, (), name, findings)
    with findings.collecting():
        if not several:
            tensorflow_config(test, for_test=True)
        check_same_network(sources.train, test, name)
    for where in (project, test):
        if where.get("num_outputs") not in (None, 1):
            findings.problems.append(
                f"{name}: num_outputs is {said(where['num_outputs'])}, which asks for several "
                "places of each body part; only one is delivered here: set it to 1"
            )
            break
    return facts


def _has_several_animals(project: dict[str, Any], pose: dict[str, Any]) -> bool:
    of_animals = "multi-animal" in str(pose.get("dataset_type") or "")
    network = str(pose.get("net_type") or "").startswith("dlcrnet")
    return is_true(project.get("multianimalproject")) or of_animals or network


# --- config.yaml -----------------------------------------------------------------------------


def _note_project(sources: Sources, findings: Findings) -> None:
    project, engine = sources.project, sources.layout.engine
    if is_true(project.get("cropping")):
        findings.repairs.append("config.yaml says cropping: true; only the request's crop counts")
    given = said(project.get("engine") or engine).lower()
    if given != engine:
        findings.repairs.append(
            f"config.yaml says engine: {given}, but the snapshot is one of {engine}; the snapshot "
            "decides"
        )


def _track_method(project: dict[str, Any], facts: dict[str, Any], findings: Findings) -> str:
    """What animals are followed by; empty for a single animal."""
    if not facts["multi_animal"]:
        return ""
    given, count = project.get("default_track_method"), len(facts["body_parts"])
    wanted = TRACK_METHODS[0] if given is None else given
    if wanted not in TRACK_METHODS:
        findings.repairs.append(
            f"default_track_method was {quoted(wanted)}, which DeepLabCut does not have; its "
            f"default, {TRACK_METHODS[0]}, is used"
        )
        wanted = TRACK_METHODS[0]
    # A box is the only one that DeepLabCut follows a single point with.
    few = count == 1 or (wanted == "ellipse" and count < _SMALLEST_ELLIPSE)
    if few and wanted != "box":
        findings.repairs.append(
            f"animals of {count} body part{'s' * (count > 1)} cannot be followed by {wanted}; box "
            "is used"
        )
    return "box" if few else str(wanted)


def _batch_size(value: Any, engine: str, findings: Findings) -> int:
    """Frames at a time; some TensorFlow networks' answers depend on it (batch statistics)."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _LARGEST_BATCH:
        return int(value)
    if engine == "tensorflow" and value is None:
        findings.repairs.append(
            f"config.yaml has no batch_size; DeepLabCut's own, {DEFAULT_BATCH_SIZE}, is used"
        )
    elif engine == "tensorflow":
        findings.problems.append(
            f"config.yaml: batch_size: expected a whole number from 1 to {_LARGEST_BATCH}, found "
            f"{quoted(value)}; set it to what the model was evaluated with"
        )
    return DEFAULT_BATCH_SIZE
