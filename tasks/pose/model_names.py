"""Body parts and individuals: what the configuration files call them, and whether they agree."""

from typing import Any

from tasks.pose.errors import BadInput
from tasks.pose.findings import Findings
from tasks.pose.model_sources import SINGLE_ANIMAL, Sources
from tasks.pose.quoting import LONGEST, ONE_LINE, listed, said

Names = tuple[str, ...]

_MOST_NAMES = 1000
"""Body parts, or animals, of one model."""


def animals(network: dict[str, Any]) -> tuple[Names, Names, Names]:
    """Body parts of the animals, body parts of the arena, and individuals.

    Raises:
        BadInput: pytorch_config.yaml lists no names.
    """
    metadata, where = network["metadata"], "pytorch_config.yaml: metadata"
    parts = names_of(metadata.get("bodyparts"), f"{where}.bodyparts")
    if not parts:
        raise BadInput(f"{where}.bodyparts: expected at least one name, found none")
    return (
        parts,
        names_of(metadata.get("unique_bodyparts") or [], f"{where}.unique_bodyparts"),
        names_of(metadata.get("individuals") or list(SINGLE_ANIMAL[:1]), f"{where}.individuals"),
    )


def names_of(value: Any, where: str) -> Names:
    """A list of different names, each on one line.

    Args:
        value: What stands there.
        where: What to call that in messages.

    Raises:
        BadInput: It is something else.
    """
    names = tuple(map(str, value)) if isinstance(value, list) else ()
    kinds = set(map(type, value)) if isinstance(value, list) else {type(value)}
    if not kinds <= {str, int} or not all(name and ONE_LINE.fullmatch(name) for name in names):
        raise BadInput(f"{where}: expected a list of names, found {said(value)}")
    if len(names) > _MOST_NAMES or any(len(name) > LONGEST for name in names):
        raise BadInput(
            f"{where}: expected at most {_MOST_NAMES} names of at most {LONGEST} characters, found "
            f"{len(names)}, the longest of {max(map(len, names))}; zip the file as DeepLabCut "
            "wrote it"
        )
    if len(set(names)) < len(names):
        raise BadInput(f"{where}: a name stands in it twice: {listed(names)}")
    return names


def check_parts(sources: Sources, parts: Names, unique: Names, name: str) -> None:
    """Compare config.yaml's body parts, which DeepLabCut silently ignores, with the network's.

    Raises:
        BadInput: They are others.
    """
    multi = is_true(sources.project.get("multianimalproject"))
    # pose_cfg.yaml lists the body parts of the arena after those of the animals.
    right: dict[str, tuple[Names, ...]] = {
        "multianimalbodyparts" if multi else "bodyparts": (parts, parts + unique)
    }
    if multi:
        right["uniquebodyparts"] = (unique,)
    for key, allowed in right.items():
        value = sources.project.get(key)
        given = names_of(value, f"{sources.project_file}: {key}") if isinstance(value, list) else ()
        if given and given not in allowed:
            raise BadInput(
                f"{name}: {sources.project_file} lists the body parts {listed(given)}, but the "
                f"network was trained on {listed(allowed[0]) or 'none of that kind'}; zip the "
                "configuration that belongs to it"
            )


def agreed_individuals(
    sources: Sources, individuals: Names, name: str, findings: Findings
) -> Names:
    """The animals' names in results, which DeepLabCut takes from config.yaml.

    Raises:
        BadInput: There is another number of them.
    """
    project = sources.project
    if not is_true(project.get("multianimalproject")):
        if len(individuals) > 1:
            raise BadInput(
                f"{name}: {sources.project_file} says that it is no multi-animal project, but the "
                f"network was trained on {len(individuals)} individuals ({listed(individuals)}); "
                "zip the configuration that belongs to it"
            )
        return individuals
    value = project.get("individuals")
    given = names_of(value, "config.yaml: individuals") if isinstance(value, list) else individuals
    if len(given) != len(individuals):
        raise BadInput(
            f"{name}: config.yaml lists the individuals {listed(given)}, but the network was "
            f"trained on {listed(individuals)}; zip the configuration that belongs to it"
        )
    if given != individuals:
        findings.repairs.append(
            f"config.yaml calls the individuals {listed(given)}, pytorch_config.yaml "
            f"{listed(individuals)}; config.yaml's names are used, as DeepLabCut does"
        )
    return given


def is_true(value: Any) -> bool:
    """A switch as DeepLabCut reads it: YAML's booleans, and the words for them."""
    return str(value).lower() in {"true", "yes", "on", "y", "t", "1"}
