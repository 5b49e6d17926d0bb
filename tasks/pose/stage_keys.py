"""What each stage's answer depends on, as a key: same key, same answer.

A key is made of the content of the movie and of the model, of the settings that touch the stage,
and of the code that answers: the sources of the stage's module and of all that it imports, and the
versions of the libraries that do the work. Names, places and times are no part of it.
"""

import hashlib
import json
import tokenize
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from tasks.pose.drawing import LabelStyle
from tasks.pose.model import Model
from tasks.pose.settings import PoseSettings

_FOLDER = Path(__file__).parent

_READING = ("av", "isx", "numpy")
_TABLES = ("numpy", "pandas", "tables", "scipy")
_NETWORK = (
    *("deeplabcut", "torch", "torchvision", "timm", "filterpy", "tensorflow"),
    *("albumentations", "opencv-python-headless", "scikit-image"),  # DeepLabCut's own transforms
)
_DRAWING = ("matplotlib", "opencv-python-headless", "scikit-image", "pillow")

_PLUMBING = frozenset({"errors", "pace", "processes", "quoting", "room", "slots", "watchdog"})
"""Modules that decide when and where work is done, and how it is told, not what comes out."""

_LOOKS = frozenset({"name", "sha256", "size", "skeleton", "skeleton_color", "alpha", "snapshots"})
_REMARKS = frozenset({"detectors", "repairs", "warnings"})
"""What is known of a model and does not touch its poses."""


@dataclass(frozen=True)
class StageKeys:
    """The keys of a movie's stages, 64 hexadecimal digits each.

    Attributes:
        estimate: Of the poses as the network gives them.
        poses: Of those that are delivered: filtered, unless filtering is off.
        quality: Of the verdict.
        previews: Of the four figures.
        labeled: Of the labelled movie, and of the report's pictures from it.
    """

    estimate: str
    poses: str
    quality: str
    previews: str
    labeled: str


def stage_keys(
    movie_sha256: str,
    suffix: str,
    model: Model,
    network: str,
    settings: PoseSettings,
    style: LabelStyle,
) -> StageKeys:
    """The keys of a movie's stages.

    Args:
        movie_sha256: Digest of the movie's bytes.
        suffix: What its name ends in, which chooses the reader.
        model: The model.
        network: Digest of the network's configuration, from `network_digest`.
        settings: The request's settings.
        style: What the labelled movie looks like.

    Returns:
        The keys; the estimate's is part of all others.
    """
    facts = model.model_dump(mode="json", exclude=set(_LOOKS | _REMARKS))
    given = settings.model_dump(mode="json")
    movie = (movie_sha256, suffix.lower())
    how = (given["crop"], given["precision"])
    estimate = _key(movie, facts, network, how, _code("estimate", *_READING, *_NETWORK, *_TABLES))
    window = settings.window_length if settings.filters else None
    poses = _key(estimate, window, _code("median_filter", *_TABLES))
    seen = {name: given[name] for name in ("p_cutoff", "color_map", "displayed_body_parts")}
    finishing = _code("finishing", *_READING, *_TABLES, *_DRAWING)
    judging = _code("ledger", *_TABLES)
    return StageKeys(
        estimate=estimate,
        poses=poses,
        quality=_key(poses, given["p_cutoff"], given["quality"], finishing, judging),
        previews=_key(poses, seen, model.alpha, finishing),
        labeled=_key(poses, asdict(style), given["output_frame_rate"], finishing),
    )


def network_digest(project: Path) -> str:
    """Digest of how a project's network is built and run; its weights are known by the model.

    Args:
        project: A DeepLabCut project that `tasks.pose.model_archive` made.
    """
    files = sorted(path for path in project.glob("dlc-models*/**/*.yaml"))
    # Paths of this machine stand in them.
    texts = [path.read_text(encoding="utf-8").replace(str(project), "") for path in files]
    return _key([str(path.relative_to(project)) for path in files], texts)


def _key(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache
def _code(module: str, *libraries: str) -> str:
    """Digest of a module's code, of all of this package that it imports, and of libraries."""
    sources = {name: _shape(name) for name in sorted(_closure(module))}
    return _key(sources, {name: _version(name) for name in libraries})


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _closure(module: str) -> set[str]:
    """A module of this package and all others that it needs, wherever it imports them."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found | _PLUMBING:
            found.add(name)
            waiting.extend(_imports(name))
    return found


def _imports(module: str) -> Iterator[str]:
    for statement in _statements(module):
        words = tuple(word for word in statement if word not in _LAYOUT.values())
        if words[:4] == ("from", "tasks", ".", "pose"):
            names = words[words.index("import") + 1 :]
            yield from (words[5],) if words[4] == "." else set(names) & _modules()


@lru_cache
def _modules() -> frozenset[str]:
    return frozenset(path.stem for path in _FOLDER.glob("*.py"))


@lru_cache
def _shape(module: str) -> str:
    """Digest of a module's code without what does nothing: comments, blanks and docstrings."""
    return _key(_statements(module))


@lru_cache
def _statements(module: str) -> tuple[tuple[str, ...], ...]:
    """A module's statements as their words; Python's own syntax trees fail between threads."""
    with tokenize.open(_FOLDER / f"{module}.py") as file:
        found: list[tuple[str, ...]] = []
        words: list[str] = []
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.NEWLINE and _is_text(words):
                words.pop()
            elif token.type == tokenize.NEWLINE:
                found.append(tuple(words))
                words = []
            elif token.type not in _SILENT:
                words.append(_LAYOUT.get(token.type, token.string))
    return tuple(found)


_SILENT = {tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER}
_LAYOUT = {tokenize.INDENT: "indent", tokenize.DEDENT: "dedent"}


def _is_text(words: list[str]) -> bool:
    """Whether a statement is a docstring: text alone, perhaps the first of its block."""
    return words[-1].endswith(('"', "'")) and set(words[:-1]) <= set(_LAYOUT.values())
