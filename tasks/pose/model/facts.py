"""Understand a model: what its configuration says, checked against itself."""

from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_list, format_quoted, format_value
from tasks.pose.model.body_part_names import (
    Names,
    check_body_parts,
    choose_individual_names,
    is_true,
    note_all_outputs,
    parse_names,
    read_metadata_names,
)
from tasks.pose.model.config_files import SINGLE_ANIMAL_NAME, ConfigFiles, choose_snapshot
from tasks.pose.model.description import ModelFacts
from tasks.pose.model.layout import Layout, Snapshot
from tasks.pose.model.problems import ModelFindings
from tasks.pose.model.pytorch.torch_config import (
    check_head_configs,
    check_no_download,
    get_section,
    note_replaced_switches,
)
from tasks.pose.model.pytorch.torch_heads import names_all_outputs, read_output_columns
from tasks.pose.model.pytorch.torch_input_size import check_input_sizes
from tasks.pose.model.pytorch.torch_schema import check_known_network
from tasks.pose.model.scorer_name import read_scorer_facts
from tasks.pose.model.selection import Choice, match_snapshot
from tasks.pose.model.skeleton_style import read_color, read_opacity, read_skeleton
from tasks.pose.model.tensorflow_animals import (
    check_animal_network,
    is_multi_animal_network,
    read_assembly_settings,
    read_individual_names,
    split_body_parts,
)
from tasks.pose.model.tensorflow_config import (
    check_joint_count,
    check_same_network,
    name_tensorflow_network,
    read_inference_settings,
)

TRACK_METHODS = ("ellipse", "box", "skeleton")
"""DeepLabCut's tracking methods; its template says ``ellipse``."""

_MIN_ELLIPSE_PARTS = 3
"""Body parts that an ellipse needs; with fewer DeepLabCut finds no track, and fails."""

METHODS = ("bu", "td", "ctd")
"""Bottom-up, top-down, and conditional top-down."""

DEFAULT_BATCH_SIZE = 8
"""DeepLabCut's own."""

_MAX_BATCH_SIZE = 512

ChosenSnapshots = dict[str, Snapshot]
"""The snapshots that are used: ``pose``, and for top-down models ``detector``."""


def note_layout(layout: Layout, facts: ModelFacts) -> None:
    """Set the facts that the layout shows."""
    facts.engine = layout.engine
    facts.snapshots = tuple(snapshot.name for snapshot in layout.snapshots)


def read_facts(
    sources: ConfigFiles, name: str, findings: ModelFindings, snapshot: Choice = None
) -> ChosenSnapshots:
    """Read a model's configuration and layout into ``findings.facts``.

    Args:
        sources: The archive's parts.
        name: What to call it in messages.
        findings: Repairs, warnings, problems and what is understood are added to it.
        snapshot: The request's choice of a snapshot.

    Returns:
        The snapshots to use.

    Raises:
        BadModel: With every problem that could be told.
    """
    project, layout = sources.project, sources.layout
    facts = findings.facts
    note_layout(layout, facts)
    read_engine = _read_torch_facts if layout.engine == "pytorch" else _read_tensorflow_facts
    read_engine(sources, name, findings)
    read_scorer_facts(project, sources.named, layout.folder, findings)
    facts.experimenter = format_value(project["scorer"]) if project.get("scorer") else ""
    _note_ignored_settings(sources, findings)
    chosen = _choose_snapshots(sources, snapshot, name, findings)
    facts.batch_size = _read_batch_size(project.get("batch_size"), layout.engine, findings)
    if facts.knows("body_parts"):
        facts.skeleton = read_skeleton(project.get("skeleton"), facts.all_body_parts, findings)
        facts.track_method = _choose_track_method(project, findings)
    facts.skeleton_color = read_color(project.get("skeleton_color"), findings)
    facts.alpha = read_opacity(project.get("alphavalue"))
    findings.raise_if_problems()
    return chosen


def _choose_snapshots(
    sources: ConfigFiles, choice: Choice, name: str, findings: ModelFindings
) -> ChosenSnapshots:
    facts, layout, chosen = findings.facts, sources.layout, {}
    if layout.left_out:
        findings.warnings.append(
            f"{format_list(layout.left_out)} left out: without an .index file it is no snapshot"
        )
    with findings.collect_problems():
        if choice is None:
            pose = choose_snapshot(layout.snapshots, sources.project, "snapshotindex", findings)
        else:
            pose = match_snapshot(layout.snapshots, choice, name)
        if reason := layout.incomplete.get(pose.name):
            raise BadInput(f"{name}: {reason}; zip all files of the snapshot")
        chosen["pose"] = pose
        facts.snapshot = pose.name
    if facts.method == "td":
        with findings.collect_problems():
            chosen["detector"] = _choose_detector(sources, name, findings)
            facts.detector = chosen["detector"].name
            facts.detectors = tuple(snapshot.name for snapshot in layout.detectors)
    return chosen


def _choose_detector(sources: ConfigFiles, name: str, findings: ModelFindings) -> Snapshot:
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


def _read_torch_facts(sources: ConfigFiles, name: str, findings: ModelFindings) -> None:
    project, network, facts = sources.project, sources.network, findings.facts
    facts.method = _read_method(network, name, findings)
    facts.multi_animal = is_true(project.get("multianimalproject"))
    facts.identity = "identity" in _head_configs(network)
    with findings.collect_problems():
        parts, unique, individuals = read_metadata_names(network)
        facts.body_parts, facts.unique_body_parts = parts, unique
        facts.individuals = individuals
    if facts.knows("body_parts"):
        with findings.collect_problems():
            facts.output_columns = read_output_columns(network, parts, name)
        with findings.collect_problems():
            if names_all_outputs(network, parts):
                note_all_outputs(sources, parts, findings)
            else:
                check_body_parts(sources, parts, unique, name, findings)
        _note_unused_pose_config(sources, parts, unique, findings)
        with findings.collect_problems():
            check_head_configs(network, parts, unique, individuals, name, facts.output_columns)
        with findings.collect_problems():
            facts.individuals = choose_individual_names(sources, individuals, name, findings)
    with findings.collect_problems():
        check_no_download(network, name)
        check_known_network(network, name)  # would say the same of a network from elsewhere
    with findings.collect_problems():
        check_input_sizes(network, name)
    with findings.collect_problems():
        note_replaced_switches(network, findings)
        # The rest of it is DeepLabCut's to judge, which names what it does not know.
    net_type = network.get("net_type") or project.get("default_net_type") or "unknown"
    facts.net_type, facts.backbone = format_value(net_type), _backbone_name(network)


def _backbone_name(network: dict[str, Any]) -> str | None:
    name = get_section(network, "model", "backbone").get("model_name")
    return format_value(name) if isinstance(name, str) else None


def _note_unused_pose_config(
    sources: ConfigFiles, parts: Names, unique: Names, findings: ModelFindings
) -> None:
    """Say that test/pose_cfg.yaml is another network's; PyTorch models take nothing from it."""
    given = sources.test.get("all_joints_names")
    names = tuple(map(str, given)) if isinstance(given, list) else given
    if sources.project_file == "config.yaml" and names not in (None, parts, parts + unique):
        findings.repairs.append(
            f"test/pose_cfg.yaml: all_joints_names is {format_value(given)}, not the network's "
            "body parts; it is not needed and was made from the network's own"
        )


def _head_configs(network: dict[str, Any]) -> dict[str, Any]:
    heads = network["model"].get("heads")
    return heads if isinstance(heads, dict) else {}


def _read_method(network: dict[str, Any], name: str, findings: ModelFindings) -> str:
    """Read how the network finds animals."""
    method = format_value(network.get("method") or "bu").lower()
    if method not in METHODS:
        findings.problems.append(
            f"{name}: pytorch_config.yaml: method: expected bu (bottom-up), td (top-down) or ctd "
            f"(conditional top-down), found {method}; zip the configuration that DeepLabCut wrote"
        )
    return method


def _read_tensorflow_facts(sources: ConfigFiles, name: str, findings: ModelFindings) -> None:
    test, project, facts = sources.test, sources.project, findings.facts
    several = is_multi_animal_network(test)
    facts.method, facts.multi_animal = "bu", several
    facts.individuals, facts.unique_body_parts = (SINGLE_ANIMAL_NAME,), ()
    facts.identity = bool(several and test.get("num_idchannel"))
    facts.net_type, facts.backbone = name_tensorflow_network(test)
    if is_true(project.get("multianimalproject")) != several:
        findings.problems.append(
            f"{name}: config.yaml says multianimalproject: "
            f"{format_value(project.get('multianimalproject'))}, but the network is one of "
            f"{'several animals' if several else 'a single animal'} (pose_cfg.yaml: dataset_type: "
            f"{format_value(test.get('dataset_type'))}); zip the configuration that belongs to it"
        )
    with findings.collect_problems():
        parts = parse_names(test.get("all_joints_names"), "pose_cfg.yaml: all_joints_names")
        if not parts:
            raise BadInput("pose_cfg.yaml: all_joints_names: expected at least one name")
        facts.body_parts = parts
        check_joint_count(test, parts, name)
        if several:
            facts.body_parts, facts.unique_body_parts = split_body_parts(test, parts, project)
        check_body_parts(sources, facts.body_parts, facts.unique_body_parts, name, findings)
    if several:
        with findings.collect_problems():
            facts.individuals = read_individual_names(sources, test, name, findings)
        with findings.collect_problems():
            check_animal_network(test, name)
            read_assembly_settings(test)
    else:
        _check_single_place(sources, name, findings)
    with findings.collect_problems():
        read_inference_settings(test, for_test=True)
        check_same_network(sources.train, test, name)


def _check_single_place(sources: ConfigFiles, name: str, findings: ModelFindings) -> None:
    for where in (sources.project, sources.test):
        if where.get("num_outputs") not in (None, 1):
            findings.problems.append(
                f"{name}: num_outputs is {format_value(where['num_outputs'])}, which asks for "
                "several places of each body part; only one is delivered here: set it to 1"
            )
            return


# --- config.yaml -----------------------------------------------------------------------------


def _note_ignored_settings(sources: ConfigFiles, findings: ModelFindings) -> None:
    project, engine = sources.project, sources.layout.engine
    if is_true(project.get("cropping")):
        findings.repairs.append("config.yaml says cropping: true; only the request's crop counts")
    given = format_value(project.get("engine") or engine).lower()
    if given != engine:
        findings.repairs.append(
            f"config.yaml says engine: {given}, but the snapshot is one of {engine}; the snapshot "
            "decides"
        )


def _choose_track_method(project: dict[str, Any], findings: ModelFindings) -> str:
    """Choose the tracking method; empty for a single animal."""
    if not findings.facts.multi_animal:
        return ""
    given, count = project.get("default_track_method"), len(findings.facts.body_parts)
    wanted = TRACK_METHODS[0] if given is None else given
    if wanted not in TRACK_METHODS:
        findings.repairs.append(
            f"default_track_method was {format_quoted(wanted)}, which DeepLabCut does not have; "
            f"its default, {TRACK_METHODS[0]}, is used"
        )
        wanted = TRACK_METHODS[0]
    if wanted == "skeleton" and findings.facts.unique_body_parts:
        findings.repairs.append(
            "animals cannot be followed by skeleton where the arena has body parts, which "
            f"DeepLabCut's tracker would count as the animals'; its default, {TRACK_METHODS[0]}, "
            "is used"
        )
        wanted = TRACK_METHODS[0]
    # A box is the only one that DeepLabCut follows a single point with.
    few = count == 1 or (wanted == "ellipse" and count < _MIN_ELLIPSE_PARTS)
    if few and wanted != "box":
        findings.repairs.append(
            f"animals of {count} body part{'s' * (count > 1)} cannot be followed by {wanted}; box "
            "is used"
        )
    return "box" if few else str(wanted)


def _read_batch_size(value: Any, engine: str, findings: ModelFindings) -> int:
    """Frames at a time; some TensorFlow networks' answers depend on it (batch statistics)."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MAX_BATCH_SIZE:
        return int(value)
    if engine == "tensorflow" and value is None:
        findings.repairs.append(
            f"config.yaml has no batch_size; DeepLabCut's own, {DEFAULT_BATCH_SIZE}, is used"
        )
    elif engine == "tensorflow":
        findings.problems.append(
            f"config.yaml: batch_size: expected a whole number from 1 to {_MAX_BATCH_SIZE}, found "
            f"{format_quoted(value)}; set it to what the model was evaluated with"
        )
    return DEFAULT_BATCH_SIZE
