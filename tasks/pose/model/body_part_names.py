"""Body parts and individuals: what the configuration files call them, and whether they agree."""

from typing import Any

from tasks.errors import BadInput
from tasks.messages import MAX_VALUE_LENGTH, ONE_LINE, format_list, format_quoted
from tasks.pose.model.config_files import SINGLE_ANIMAL_NAME, ConfigFiles
from tasks.pose.model.problems import ModelFindings

Names = tuple[str, ...]

_MAX_NAMES = 1000
"""Body parts, or animals, of one model."""


def read_metadata_names(network: dict[str, Any]) -> tuple[Names, Names, Names]:
    """Body parts of the animals, body parts of the arena, and individuals.

    Raises:
        BadInput: pytorch_config.yaml lists no names.
    """
    metadata, where = network["metadata"], "pytorch_config.yaml: metadata"
    parts = parse_names(metadata.get("bodyparts"), f"{where}.bodyparts")
    if not parts:
        raise BadInput(f"{where}.bodyparts: expected at least one name, found none")
    return (
        parts,
        parse_names(metadata.get("unique_bodyparts") or [], f"{where}.unique_bodyparts"),
        parse_names(metadata.get("individuals") or [SINGLE_ANIMAL_NAME], f"{where}.individuals"),
    )


def parse_names(value: Any, where: str) -> Names:
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
        raise BadInput(f"{where}: expected a list of names, found {format_quoted(value)}")
    if len(names) > _MAX_NAMES or any(len(name) > MAX_VALUE_LENGTH for name in names):
        raise BadInput(
            f"{where}: expected at most {_MAX_NAMES} names of at most {MAX_VALUE_LENGTH} "
            f"characters, found {len(names)}, the longest of {max(map(len, names))}; zip the file "
            "as DeepLabCut wrote it"
        )
    if len(set(names)) < len(names):
        raise BadInput(f"{where}: a name stands in it twice: {format_list(names)}")
    return names


def check_body_parts(
    sources: ConfigFiles, parts: Names, unique: Names, name: str, findings: ModelFindings
) -> None:
    """Compare config.yaml's body parts, which DeepLabCut silently ignores, with the network's.

    Args:
        sources: The archive's parts.
        parts: The network's body parts of the animals.
        unique: Its body parts of the arena.
        name: What to call the archive in messages.
        findings: Another order, and body parts that the network does not have, are added to its
            repairs.

    Raises:
        BadInput: The network has body parts that are not listed, so that it is another's.
    """
    multi = is_true(sources.project.get("multianimalproject"))
    # pose_cfg.yaml lists the body parts of the arena after those of the animals.
    _check_name_list(
        sources, "multianimalbodyparts" if multi else "bodyparts", parts, unique, name, findings
    )
    if multi:
        _check_name_list(sources, "uniquebodyparts", unique, (), name, findings)


def note_all_outputs(sources: ConfigFiles, parts: Names, findings: ModelFindings) -> None:
    """Add a repair where config.yaml lists fewer body parts than a network with memory replay has.

    Args:
        sources: The archive's parts.
        parts: The network's body parts.
        findings: The repair is added to it.
    """
    multi = is_true(sources.project.get("multianimalproject"))
    given = sources.project.get("multianimalbodyparts" if multi else "bodyparts")
    if isinstance(given, list) and tuple(map(str, given)) != parts:
        findings.repairs.append(
            f"{sources.project_file} lists {len(given)} body parts ({format_list(given)}), but "
            f"the network was fine-tuned with memory replay and finds all {len(parts)} of the "
            "model that it was made from; all of them are in the results"
        )


def _check_name_list(
    sources: ConfigFiles, key: str, own: Names, others: Names, name: str, findings: ModelFindings
) -> None:
    """Compare one list of config.yaml with the network's own, which the others may follow."""
    file, value = sources.project_file, sources.project.get(key)
    given = parse_names(value, f"{file}: {key}") if isinstance(value, list) else ()
    if not given or given in (own, own + others):
        return
    if not own or set(own) - set(given):
        raise BadInput(
            f"{name}: {file} lists the body parts {format_list(given)}, but the network was "
            f"trained on {format_list(own) or 'none of that kind'}; zip the configuration that "
            "belongs to it"
        )
    if more := [part for part in given if part not in own + others]:
        findings.repairs.append(
            f"{file}: {key} lists {format_list(more)}, which the network was not trained on; only "
            f"its own are used: {format_list(own)}"
        )
    else:
        findings.repairs.append(
            f"{file}: {key} lists the body parts in another order than the network has them; the "
            f"network's is used: {format_list(own)}"
        )


def choose_individual_names(
    sources: ConfigFiles, individuals: Names, name: str, findings: ModelFindings
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
                f"network was trained on {len(individuals)} individuals "
                f"({format_list(individuals)}); zip the configuration that belongs to it"
            )
        return individuals
    value = project.get("individuals")
    given = (
        parse_names(value, "config.yaml: individuals") if isinstance(value, list) else individuals
    )
    if len(given) != len(individuals):
        raise BadInput(
            f"{name}: config.yaml lists the individuals {format_list(given)}, but the network was "
            f"trained on {format_list(individuals)}; zip the configuration that belongs to it"
        )
    if given != individuals:
        findings.repairs.append(
            f"config.yaml calls the individuals {format_list(given)}, pytorch_config.yaml "
            f"{format_list(individuals)}; config.yaml's names are used, as DeepLabCut does"
        )
    return given


def is_true(value: Any) -> bool:
    """A switch as DeepLabCut reads it: YAML's booleans, and the words for them."""
    return str(value).lower() in {"true", "yes", "on", "y", "t", "1"}
