"""Look into a model archive without a GPU: what it is, what is repaired, what stands in the way."""

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.pose.errors import BadInput
from tasks.pose.findings import BadModel
from tasks.pose.model import Model
from tasks.pose.model_archive import open_model

ENGINES = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}

_METHODS = {"bu": "bottom-up", "td": "top-down"}

_MEGABYTE = 1e6


@dataclass(frozen=True)
class Inspection:
    """What an archive was found to be.

    Attributes:
        name: The archive's name.
        model: What it holds; None where that could not be told.
        problems: Why it cannot be used here, one sentence each.
    """

    name: str
    model: Model | None
    problems: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether it can be run here."""
        return self.model is not None and not self.problems

    def usable_model(self) -> Model:
        """The model.

        Raises:
            BadModel: It cannot be used.
        """
        if self.model is None or self.problems:
            raise BadModel(self.problems)
        return self.model


def inspect_archive(
    archive: Path, name: str, project: Path, sha256: str | None = None
) -> Inspection:
    """Look into an archive, and build the project that runs its model.

    Args:
        archive: The zip on disk.
        name: The zip's name as its owner knows it.
        project: An absent or empty folder for the project.
        sha256: The archive's digest, where it is known.

    Returns:
        The model, and everything that stands in its way.
    """
    try:
        model = open_model(archive, name, project, sha256)
    except BadModel as error:
        return Inspection(name, None, error.problems)
    except BadInput as error:
        return Inspection(name, None, (str(error),))
    return Inspection(name, model, tuple(engine_problems(model)))


def engine_problems(model: Model) -> Iterator[str]:
    """Why this environment cannot run a model of this engine; nothing is loaded to tell."""
    if model.engine == "tensorflow" and importlib.util.find_spec("tensorflow") is None:
        yield (
            f"{model.name}: it is a TensorFlow model, and TensorFlow is not installed in this "
            "environment; run `make setup-tensorflow` and use .venv-tensorflow/bin/python, or "
            "train the model again with the PyTorch engine of DeepLabCut 3"
        )


# --- for people and programs -----------------------------------------------------------------


def facts_of(model: Model) -> list[tuple[str, str]]:
    """What people want to know of a model: names and values, in order."""
    method = _METHODS.get(model.method, model.method)
    rows = [
        ("engine", ENGINES[model.engine]),
        ("network", f"{model.net_type}, {method}"),
        ("project", f"{model.task} {model.date}, labelled by {model.experimenter or 'unknown'}"),
        ("training", f"shuffle {model.shuffle}, {model.training_fraction:.0%} of labelled frames"),
        ("snapshot", _of(model.snapshot, model.snapshots)),
    ]
    if model.detector:
        rows.append(("detector", _of(model.detector, model.detectors)))
    rows.append((_counted("body part", model.body_parts), ", ".join(model.body_parts)))
    if model.multi_animal:
        identity = "told apart by the network" if model.identity else "not told apart"
        rows += [
            (_counted("individual", model.individuals), ", ".join(model.individuals)),
            ("tracking", f"{model.track_method}; individuals are {identity}"),
        ]
    if model.unique_body_parts:
        of_arena = model.unique_body_parts
        rows.append((_counted("unique body part", of_arena), ", ".join(of_arena)))
    return [
        *rows,
        ("skeleton", ", ".join(f"{a}–{b}" for a, b in model.skeleton) or "none"),
        ("size", f"{model.size / _MEGABYTE:.1f} MB"),
        ("SHA-256", model.sha256),
    ]


def _of(name: str, names: tuple[str, ...]) -> str:
    others = [other for other in names if other != name]
    return f"{name}, not {', '.join(others)}" if others else name


def _counted(what: str, items: tuple[str, ...]) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"


def _lists(inspection: Inspection) -> list[tuple[str, tuple[str, ...]]]:
    model = inspection.model
    repairs = (model.repairs, model.warnings) if model else ((), ())
    titles = ("Put right", "Please note", "Cannot be used here because")
    pairs = zip(titles, (*repairs, inspection.problems), strict=True)
    return [(title, sentences) for title, sentences in pairs if sentences]


def as_text(inspection: Inspection) -> str:
    """A page for a terminal, which shows the problems after it, as errors."""
    verdict = "can be used" if inspection.usable else "cannot be used"
    lines = [f"{inspection.name} {verdict}"]
    rows = facts_of(inspection.model) if inspection.model else []
    width = max((len(name) for name, _ in rows), default=0)
    lines += ["", *(f"  {name:<{width}}  {value}" for name, value in rows)] if rows else []
    for title, sentences in _lists(inspection):
        if sentences is not inspection.problems:
            lines += ["", f"{title}:", *(f"  • {sentence}" for sentence in sentences)]
    return "\n".join(lines) + "\n"


def as_markdown(inspection: Inspection) -> str:
    """A page for Prefect's UI."""
    verdict = "can be used" if inspection.usable else "cannot be used"
    lines = [f"## {_escaped(inspection.name)} {verdict}"]
    if inspection.model:
        lines += ["", "| | |", "|---|---|"]
        lines += [f"| {name} | {_escaped(value)} |" for name, value in facts_of(inspection.model)]
    for title, sentences in _lists(inspection):
        lines += ["", f"**{title}**", "", *(f"- {_escaped(sentence)}" for sentence in sentences)]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text from an archive as text: no links, pictures, tables or HTML of a stranger's making."""
    return "".join(f"\\{sign}" if sign in _MARKDOWN else sign for sign in text)


_MARKDOWN = set("\\`*_{}[]()<>#+!|~&")


def as_json(inspection: Inspection) -> str:
    """One JSON object."""
    found: dict[str, Any] = {
        "usable": inspection.usable,
        "model": inspection.model.model_dump(mode="json") if inspection.model else None,
        "problems": list(inspection.problems),
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
