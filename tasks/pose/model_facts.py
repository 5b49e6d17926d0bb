"""Understand a model: what its configuration says, checked against itself."""

from typing import Any

from tasks.pose.errors import BadInput
from tasks.pose.findings import Findings
from tasks.pose.model_layout import Snapshot
from tasks.pose.model_names import agreed_individuals, animals, check_parts, is_true, names_of
from tasks.pose.model_naming import naming
from tasks.pose.model_sources import SINGLE_ANIMAL, Sources, choose_snapshot
from tasks.pose.quoting import listed, said
from tasks.pose.tensorflow_config import check_joints, check_same_network, tensorflow_config
from tasks.pose.torch_config import check_heads, check_no_download, note_switches

TRACK_METHODS = ("ellipse", "box", "skeleton")
"""What DeepLabCut can follow animals by; its template says ``ellipse``."""

METHODS = ("bu", "td")
"""Bottom-up and top-down."""

DEFAULT_BATCH_SIZE = 8
"""DeepLabCut's own."""

_LARGEST_BATCH = 512

Chosen = dict[str, Snapshot]
"""The snapshots that are used: ``pose``, and for top-down models ``detector``."""


def understand(sources: Sources, name: str, findings: Findings) -> tuple[dict[str, Any], Chosen]:
    """Everything about the model that its configuration and its layout tell.

    Args:
        sources: The archive's parts.
        name: What to call it in messages.
        findings: Repairs, warnings and problems are added to it.

    Returns:
        Values of `tasks.pose.model.Model`, and the snapshots to use.

    Raises:
        BadModel: With every problem that could be told.
    """
    project, layout = sources.project, sources.layout
    engine_facts = _torch_facts if layout.engine == "pytorch" else _tensorflow_facts
    facts = engine_facts(sources, name, findings)
    facts |= naming(project, sources.named, layout.folder, findings)
    _note_project(sources, findings)
    chosen = _choose(sources, facts.get("method", "bu"), name, findings)
    facts["batch_size"] = _batch_size(project.get("batch_size"), layout.engine, findings)
    findings.refuse()
    parts = facts["body_parts"] + facts["unique_body_parts"]
    detector = chosen.get("detector")
    return facts | {
        "engine": layout.engine,
        "experimenter": said(project.get("scorer") or ""),
        "snapshot": chosen["pose"].name,
        "snapshots": tuple(snapshot.name for snapshot in layout.snapshots),
        "detector": detector.name if detector else None,
        "detectors": tuple(s.name for s in layout.detectors) if detector else (),
        "skeleton": _skeleton(project.get("skeleton"), parts),
        "skeleton_color": _color(project.get("skeleton_color"), findings),
        "alpha": _number(project.get("alphavalue"), default=0.7, low=0, high=1),
        "track_method": _track_method(project, facts, findings),
    }, chosen


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
        missing = "a snapshot" if not detectors else "a `detector` section in pytorch_config.yaml"
        raise BadInput(
            f"{name}: it is a top-down model, whose detector finds the animals first, but there is "
            f"no {missing.removeprefix('a ')} of the detector; zip the whole train folder "
            "(snapshot-detector-<number>.pt beside snapshot-<number>.pt)"
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
            check_parts(sources, parts, unique, name)
        with findings.collecting():
            check_heads(network, parts, unique, individuals, name)
        with findings.collecting():
            facts["individuals"] = agreed_individuals(sources, individuals, name, findings)
    with findings.collecting():
        check_no_download(network, name)
    with findings.collecting():
        note_switches(network, findings)
        # The rest of it is DeepLabCut's to judge, which names what it does not know.
    net_type = network.get("net_type") or project.get("default_net_type") or "unknown"
    return facts | {
        "net_type": said(net_type),
        "multi_animal": is_true(project.get("multianimalproject")),
        "identity": "identity" in _heads(network),
    }


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
    facts: dict[str, Any] = {
        "method": "bu",
        "individuals": SINGLE_ANIMAL[:1],
        "unique_body_parts": (),
        "multi_animal": False,
        "identity": False,
    }
    if is_true(project.get("multianimalproject")) or "multi-animal" in _text(test):
        findings.problems.append(
            f"{name}: it is a multi-animal TensorFlow model, which is not run here; train it "
            "again with the PyTorch engine of DeepLabCut 3"
        )
    with findings.collecting():
        parts = names_of(test.get("all_joints_names"), "pose_cfg.yaml: all_joints_names")
        if not parts:
            raise BadInput("pose_cfg.yaml: all_joints_names: expected at least one name")
        facts["body_parts"] = parts
        check_joints(test, parts, name)
        if "multi-animal" not in _text(test):
            check_parts(sources, parts, (), name)
    with findings.collecting():
        facts["net_type"] = tensorflow_config(test, for_test=True)["net_type"]
        check_same_network(sources.train, test, name)
    for where in (project, test):
        if where.get("num_outputs") not in (None, 1):
            findings.problems.append(
                f"{name}: num_outputs is {said(where['num_outputs'])}, which asks for several "
                "places of each body part; only one is delivered here: set it to 1"
            )
            break
    return facts


def _text(pose: dict[str, Any]) -> str:
    return str(pose.get("dataset_type") or "")


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
    if len(facts["body_parts"]) == 1:
        return "box"  # the only one that DeepLabCut follows a single point with
    given = project.get("default_track_method")
    if given in TRACK_METHODS:
        return str(given)
    if given is not None:
        findings.repairs.append(
            f"default_track_method was {said(given)}; DeepLabCut's default, ellipse, is used"
        )
    return TRACK_METHODS[0]


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
            f"{said(value)}; set it to what the model was evaluated with"
        )
    return DEFAULT_BATCH_SIZE


def _skeleton(value: Any, parts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of known body parts; DeepLabCut's template holds others, which it never draws."""
    pairs = value if isinstance(value, list) else []
    known = [p for p in pairs if isinstance(p, list) and len(p) == 2]  # noqa: PLR2004
    return tuple((str(a), str(b)) for a, b in known if str(a) in parts and str(b) in parts)


def _color(value: Any, findings: Findings) -> str:
    from matplotlib.colors import is_color_like, to_hex  # noqa: PLC0415

    if value is None:
        return "black"
    if is_color_like(value):
        return value if isinstance(value, str) else str(to_hex(value))
    findings.repairs.append(f"skeleton_color {said(value)} is no color; black is used")
    return "black"


def _number(value: Any, *, default: float, low: float, high: float) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if usable and low <= value <= high else default
