"""Look into a model archive without a GPU: what it is, what is repaired, what stands in the way."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.messages import escape_markdown
from tasks.pose.model.archive import unpack_model
from tasks.pose.model.description import Model, ModelFacts, format_network
from tasks.pose.model.problems import BadModel, ModelFindings
from tasks.pose.model.selection import ANY_MODEL, ModelChoice
from tasks.pose.model.tensorflow_config import TENSORFLOW_NOT_INSTALLED, is_tensorflow_installed

ENGINE_LABELS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}

_METHOD_LABELS = {"bu": "bottom-up", "td": "top-down", "ctd": "conditional top-down"}

_MEGABYTE = 1e6


@dataclass(frozen=True)
class Inspection:
    """Result of inspecting an archive.

    Attributes:
        name: The archive's name.
        model: What it holds; None where it was refused.
        problems: Why it cannot be used here, one sentence each.
        facts: What is known of the model; of a refused archive too, always its size and digest.
        repairs: What was corrected, one sentence each.
        warnings: What the user should know, one sentence each.
    """

    name: str
    model: Model | None
    problems: tuple[str, ...]
    facts: ModelFacts = field(default_factory=ModelFacts.begin)
    repairs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Return whether the model can run here."""
        return self.model is not None and not self.problems

    def require_model(self) -> Model:
        """The model.

        Raises:
            BadModel: It cannot be used.
        """
        if self.model is None or self.problems:
            raise BadModel(self.problems)
        return self.model


def inspect_archive(
    archive: Path,
    name: str,
    project: Path,
    sha256: str | None = None,
    choice: ModelChoice = ANY_MODEL,
) -> Inspection:
    """Look into an archive, and build the project that runs its model.

    Args:
        archive: The zip on disk.
        name: The zip's name as its owner knows it.
        project: An absent or empty folder for the project.
        sha256: The archive's digest, where it is known.
        choice: The shuffle and the snapshot that are wanted, where the archive holds several.

    Returns:
        The model, and everything that stands in its way.
    """
    findings, model = ModelFindings(), None
    try:
        model = unpack_model(archive, name, project, sha256, findings, choice)
        problems = tuple(find_engine_problems(model))
    except BadInput as error:
        problems = error.problems if isinstance(error, BadModel) else (str(error),)
    notes = tuple(findings.repairs), tuple(findings.warnings)
    return Inspection(name, model, problems, model or findings.facts, *notes)


def find_engine_problems(model: Model) -> Iterator[str]:
    """Explain why this environment cannot run models of an engine, without loading it."""
    if model.engine == "tensorflow" and not is_tensorflow_installed():
        yield f"{model.name}: {TENSORFLOW_NOT_INSTALLED}"


# --- for people and programs -----------------------------------------------------------------


def describe_facts(known: ModelFacts) -> list[tuple[str, str]]:
    """Describe a model for people: names and values, in order; what is unset has no row."""
    return [
        *_describe_network(known),
        *_describe_names(known),
        *_describe_choices(known),
        *_describe_archive(known),
    ]


def _describe_network(known: ModelFacts) -> Iterator[tuple[str, str]]:
    if known.knows("engine"):
        yield "engine", ENGINE_LABELS[known.engine]
    if known.knows("net_type"):
        network = format_network(known.net_type, known.backbone)
        yield "network", f"{network}, {_METHOD_LABELS.get(known.method, known.method)}"
    if known.knows("task", "date", "experimenter"):
        labeled = f"labeled by {known.experimenter or 'unknown'}"
        yield "project", f"{known.task} {known.date}, {labeled}"
    if known.knows("shuffle"):
        share = f"{known.training_fraction:.0%} of labeled frames"
        yield "training", f"shuffle {known.shuffle}, {share}"
    if known.knows("snapshot"):
        yield "snapshot", _describe_choice(known.snapshot, known.snapshots)
    elif known.knows("snapshots"):
        yield _label_with_count("snapshot", known.snapshots), ", ".join(known.snapshots)
    if known.conditions:
        yield "conditions", f"{known.conditions}, a bottom-up model"
    if known.detector:
        yield "detector", _describe_choice(known.detector, known.detectors)


def _describe_names(known: ModelFacts) -> Iterator[tuple[str, str]]:
    if not known.knows("body_parts"):
        return
    yield _label_with_count("body part", known.body_parts), ", ".join(known.body_parts)
    if known.multi_animal:
        identity = "told apart by the network" if known.identity else "not told apart"
        yield _label_with_count("individual", known.individuals), ", ".join(known.individuals)
        yield "tracking", f"{known.track_method}; individuals are {identity}"
    if known.unique_body_parts:
        of_arena = known.unique_body_parts
        yield _label_with_count("unique body part", of_arena), ", ".join(of_arena)
    if known.knows("skeleton"):
        yield "skeleton", ", ".join(f"{a}–{b}" for a, b in known.skeleton) or "none"


def _describe_choices(known: ModelFacts) -> Iterator[tuple[str, str]]:
    """List what a request can choose, with the words for it, where there is a choice."""
    if len(known.shuffles) > 1:
        for option in known.shuffles:
            parts = (option.net_type, option.method and _METHOD_LABELS.get(option.method))
            network = ", ".join(filter(None, (ENGINE_LABELS[option.engine], *parts)))
            snapshots = ", ".join(str(snapshot.use) for snapshot in option.snapshots)
            yield (
                f"shuffle: {option.use}",
                f"{network}; snapshot: {snapshots}; in {option.folder}",
            )
    elif any(len(option.snapshots) > 1 for option in known.shuffles):
        for snapshot in known.shuffles[0].snapshots:
            yield f"snapshot: {snapshot.use}", snapshot.name


def _describe_archive(known: ModelFacts) -> Iterator[tuple[str, str]]:
    if known.knows("size"):
        yield "size", f"{known.size / _MEGABYTE:.1f} MB"
        yield "SHA-256", known.sha256


def _describe_choice(name: str, names: tuple[str, ...]) -> str:
    others = [other for other in names if other != name]
    return f"{name}, not {', '.join(others)}" if others else name


def _label_with_count(what: str, items: tuple[str, ...]) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"


def _titled_lists(inspection: Inspection) -> list[tuple[str, tuple[str, ...]]]:
    titles = ("Put right", "Please note", "Cannot be used here because")
    lists = inspection.repairs, inspection.warnings, inspection.problems
    pairs = zip(titles, lists, strict=True)
    return [(title, sentences) for title, sentences in pairs if sentences]


def as_text(inspection: Inspection) -> str:
    """A page for a terminal, which shows the problems after it, as errors."""
    verdict = "can be used" if inspection.is_usable else "cannot be used"
    lines = [f"{inspection.name} {verdict}"]
    rows = describe_facts(inspection.facts)
    width = max((len(name) for name, _ in rows), default=0)
    lines += ["", *(f"  {name:<{width}}  {value}" for name, value in rows)] if rows else []
    for title, sentences in _titled_lists(inspection):
        if sentences is not inspection.problems:
            lines += ["", f"{title}:", *(f"  • {sentence}" for sentence in sentences)]
    return "\n".join(lines) + "\n"


def as_markdown(inspection: Inspection) -> str:
    """A page for Prefect's UI."""
    verdict = "can be used" if inspection.is_usable else "cannot be used"
    lines = [f"## {escape_markdown(inspection.name)} {verdict}"]
    if rows := describe_facts(inspection.facts):
        lines += ["", "| | |", "|---|---|"]
        lines += [f"| {escape_markdown(name)} | {escape_markdown(value)} |" for name, value in rows]
    for title, sentences in _titled_lists(inspection):
        lines += [
            "",
            f"**{title}**",
            "",
            *(f"- {escape_markdown(sentence)}" for sentence in sentences),
        ]
    return "\n".join(lines) + "\n"


def as_json(inspection: Inspection) -> str:
    """One JSON object: ``model``, or for a refused archive null and what is ``found`` of it."""
    return json.dumps(as_object(inspection), indent=2, ensure_ascii=False) + "\n"


def as_object(inspection: Inspection) -> dict[str, Any]:
    """The same object, of what JSON can hold."""
    model = inspection.model
    known = inspection.facts.model_dump(mode="json", exclude_unset=True)
    notes = {"repairs": inspection.repairs, "warnings": inspection.warnings}
    return {
        "usable": inspection.is_usable,
        "model": model.model_dump(mode="json") if model else None,
        "found": None if model else known | notes,
        "problems": list(inspection.problems),
    }
