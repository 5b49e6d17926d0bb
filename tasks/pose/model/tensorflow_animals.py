"""pose_cfg.yaml of TensorFlow networks for several animals: body parts, pairs of them, identities.

DeepLabCut lists the animals' body parts first, then those of the arena, and joins only those of
the animals in pairs, each with at least one other (``create_multianimaltraining_dataset``).
"""

from typing import Any

from tasks.errors import BadInput
from tasks.messages import format_list, format_quoted, format_value
from tasks.pose.model.body_part_names import Names, parse_names
from tasks.pose.model.config_files import ConfigFiles
from tasks.pose.model.problems import ModelFindings

_PEAK_DEFAULTS: dict[str, Any] = {
    "nmsradius": 5.0,
    "minconfidence": 0.01,
    "sigma": 1,
    "locref_smooth": False,
}
"""Peak detection settings, as DeepLabCut writes them into every test/pose_cfg.yaml."""

_MAX_ANIMALS = 1000


def is_multi_animal_network(pose: dict[str, Any]) -> bool:
    """Return whether DeepLabCut reads a pose_cfg.yaml as one of several animals."""
    return "multi-animal" in str(pose.get("dataset_type") or "")


def check_animal_network(pose: dict[str, Any], name: str) -> None:
    """Refuse settings with which DeepLabCut's assembly fails or reads the wrong outputs.

    Args:
        pose: The archive's test/pose_cfg.yaml.
        name: The archive's name.

    Raises:
        BadInput: Naming the setting.
    """
    if pose.get("location_refinement") is not True:
        raise BadInput(
            f"{name}: pose_cfg.yaml: location_refinement: expected true, found "
            f"{format_quoted(pose.get('location_refinement'))}; DeepLabCut finds several animals "
            "only with it: zip the configuration that belongs to the snapshot"
        )
    graph = _read_graph(pose)
    if graph and pose.get("partaffinityfield_predict") is not True:
        raise BadInput(
            f"{name}: pose_cfg.yaml lists pairs of body parts (partaffinityfield_graph), but says "
            "partaffinityfield_predict: "
            f"{format_value(pose.get('partaffinityfield_predict'))}; zip the configuration that "
            "belongs to the snapshot"
        )
    limbs = pose.get("num_limbs")
    if graph and limbs is not None and limbs != len(graph):
        raise BadInput(
            f"{name}: pose_cfg.yaml lists {len(graph)} pairs of body parts "
            f"(partaffinityfield_graph), but its network has fields for {format_value(limbs)} "
            "(num_limbs); zip the configuration that belongs to the snapshot"
        )
    radius = pose.get("nmsradius")
    if isinstance(radius, int | float) and not radius >= 1:
        raise BadInput(
            f"{name}: pose_cfg.yaml: nmsradius: expected at least 1, found {format_quoted(radius)}"
        )


def split_body_parts(
    pose: dict[str, Any], names: Names, project: dict[str, Any]
) -> tuple[Names, Names]:
    """Separate the body parts of the animals from those of the arena.

    Args:
        pose: The archive's test/pose_cfg.yaml.
        names: All of its body parts.
        project: config.yaml, which is believed where it lists just these body parts.

    Returns:
        Body parts of the animals, and of the arena. An animal without pairs has one body part.

    Raises:
        BadInput: The pairs are not pairs of these body parts, or there are none.
    """
    graph = _read_graph(pose)
    count = 1 + max((max(pair) for pair in graph), default=0)
    if count > len(names):
        raise BadInput(
            f"pose_cfg.yaml: partaffinityfield_graph: expected pairs of {len(names)} body parts, "
            f"counted from 0, found one of number {count - 1}; zip the configuration that belongs "
            "to the snapshot"
        )
    of_animals, of_arena = project.get("multianimalbodyparts"), project.get("uniquebodyparts")
    if isinstance(of_animals, list) and isinstance(of_arena, list):
        is_listed = tuple(map(str, of_animals + of_arena)) == names
        count = len(of_animals) if is_listed and len(of_animals) >= count else count
    if count > 1 and not graph:
        raise BadInput(
            f"pose_cfg.yaml: partaffinityfield_graph: expected pairs of the animals' {count} body "
            "parts, found none, so that DeepLabCut cannot assemble animals; zip the configuration "
            "that belongs to the snapshot"
        )
    return names[:count], names[count:]


def read_individual_names(
    sources: ConfigFiles, pose: dict[str, Any], name: str, findings: ModelFindings
) -> Names:
    """Names of the animals: those of config.yaml, or numbers where it lists none.

    Args:
        sources: The archive's parts.
        pose: Its test/pose_cfg.yaml.
        name: The archive's name.
        findings: Names that were made are added to its repairs.

    Raises:
        BadInput: How many animals there are is not known.
    """
    given = sources.project.get("individuals")
    if given:
        return parse_names(given, f"{sources.project_file}: individuals")
    counts: list[Any] = [pose.get("num_idchannel"), (sources.tracking or {}).get("topktoretain")]
    count = next((c for c in counts if _is_whole(c) and 1 <= c <= _MAX_ANIMALS), 0)
    if not count:
        raise BadInput(
            f"{name}: how many animals there are is not known: config.yaml lists no individuals; "
            "zip config.yaml of the DeepLabCut project, too"
        )
    names = tuple(f"individual{number}" for number in range(1, count + 1))
    findings.repairs.append(
        f"{sources.project_file} lists no individuals; the network's {count} are called "
        f"{format_list(names)}"
    )
    return names


def read_assembly_settings(pose: dict[str, Any]) -> dict[str, Any]:
    """The values of a pose_cfg.yaml that finding and assembling several animals reads.

    Args:
        pose: The archive's, after `check_animal_network`.

    Returns:
        What `tasks.pose.model.tensorflow_config.read_inference_settings` leaves out, and
        DeepLabCut's own where nothing is said of peaks.
    """
    graph = _read_graph(pose)
    found: dict[str, Any] = {
        "dataset_type": "multi-animal-imgaug",
        "partaffinityfield_graph": graph,
        "partaffinityfield_predict": bool(graph),
        "num_limbs": len(graph),
    }
    found |= {key: value for key, value in _PEAK_DEFAULTS.items() if pose.get(key) is None}
    if pose.get("paf_best") is not None:
        found["paf_best"] = _read_best_pairs(pose["paf_best"], len(graph))
    return found


def _read_graph(pose: dict[str, Any]) -> list[list[int]]:
    """Pairs of body parts, as numbers."""
    given = pose.get("partaffinityfield_graph")
    pairs = [] if given is None else given
    if not isinstance(pairs, list) or not all(map(_is_pair, pairs)):
        raise BadInput(
            "pose_cfg.yaml: partaffinityfield_graph: expected a list of pairs of body parts' "
            f"numbers, found {format_quoted(given)}; zip the configuration that belongs to the "
            "snapshot"
        )
    return [list(pair) for pair in pairs]


def _read_best_pairs(given: Any, count: int) -> list[int]:
    """Read the pairs that assemble animals, by their places in the graph."""
    numbers = given if isinstance(given, list) else []
    fits = all(_is_whole(number) and 0 <= number < count for number in numbers)
    if not numbers or not fits or len(set(numbers)) < len(numbers):
        raise BadInput(
            "pose_cfg.yaml: paf_best: expected different places in partaffinityfield_graph, from 0 "
            f"to {count - 1}, found {format_quoted(given)}; zip the configuration that DeepLabCut "
            "wrote"
        )
    return list(numbers)


def _is_pair(value: Any) -> bool:
    sound = isinstance(value, list) and len(value) == 2  # noqa: PLR2004
    return sound and all(_is_whole(one) and one >= 0 for one in value) and value[0] != value[1]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
