"""Cache keys of the stages: equal keys mean equal answers.

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

import tasks
from tasks.pose import estimate as estimation
from tasks.pose import finishing
from tasks.pose.clock import read_clock
from tasks.pose.drawing.label_style import LabelStyle
from tasks.pose.exports import write_exports as exporting
from tasks.pose.model.description import Model
from tasks.pose.movies import frame_ledger
from tasks.pose.network import device_locks
from tasks.pose.settings import Follow, Labels, PoseSettings
from tasks.pose.tables import median_filter

_TASKS_FOLDER = Path(__file__).parents[1]
_ROOT_PACKAGE = __name__.partition(".")[0]
_COUNTED_FOLDERS = ("pose", "behavior", "neural")
"""Folders whose modules decide what comes out."""

_READING_LIBRARIES = ("av", "isx", "numpy")
_TABLE_LIBRARIES = ("numpy", "pandas", "tables", "scipy")
_NETWORK_LIBRARIES = (
    *("deeplabcut", "torch", "torchvision", "timm", "filterpy", "tensorflow"),
    *("albumentations", "opencv-python-headless", "scikit-image"),  # DeepLabCut's own transforms
)
_EXPORT_LIBRARIES = ("pynwb", "ndx-pose", "hdmf")
_DRAWING_LIBRARIES = ("matplotlib", "opencv-python-headless", "scikit-image", "pillow")

_EXPORT_SETTINGS = ("crop_coordinates", "movement", "nwb", "times")
"""Settings that files for other programs depend on, beside those that the poses depend on."""

_MODULES_WITHOUT_EFFECT = frozenset({device_locks.__name__})
"""Modules that decide when and where work is done, not what comes out.

Only this package's modules count: errors, messages and child processes lie outside of it.
"""

_APPEARANCE_FIELDS = frozenset(
    {"name", "sha256", "size", "skeleton", "skeleton_color", "alpha", "snapshots"}
)
_REMARK_FIELDS = frozenset({"shuffles", "detectors", "repairs", "warnings"})
"""Facts about a model that do not affect its poses."""


@dataclass(frozen=True)
class StageKeys:
    """The keys of a movie's stages, 64 hexadecimal digits each.

    Attributes:
        estimate: Of the poses as the network gives them.
        poses: Of those that are delivered: filtered, unless filtering is off.
        quality: Of the verdict.
        previews: Of the four figures.
        labeled: Of the labeled movie, and of the report's pictures from it.
        exports: Of the files for other programs; empty in what was kept before there were any.
    """

    estimate: str
    poses: str
    quality: str
    previews: str
    labeled: str
    exports: str = ""


def compute_stage_keys(
    movie_sha256: str,
    suffix: str,
    model: Model,
    network: str,
    settings: PoseSettings,
    style: LabelStyle,
    names: tuple[str, ...] = (),
    times: tuple[str, ...] = (),
) -> StageKeys:
    """The keys of a movie's stages.

    Args:
        movie_sha256: Digest of the movie's bytes.
        suffix: What its name ends in, which chooses the reader.
        model: The model.
        network: Digest of the network's configuration, from `compute_network_digest`.
        settings: The request's settings.
        style: What the labeled movie looks like.
        names: What the movie is called, and what else its lab says of it: it stands in the files
            for other programs.
        times: Which times file it has; empty for none.

    Returns:
        The keys; the estimate's is part of all others.
    """
    facts = model.model_dump(mode="json", exclude=set(_APPEARANCE_FIELDS | _REMARK_FIELDS))
    given = settings.model_dump(mode="json")
    movie = (movie_sha256, suffix.lower())
    how: tuple[Any, ...] = (given["crop"], given["precision"])
    if settings.follow is not Follow.OFF:
        how = (*how, given["follow"], given["follow_window"])
    estimate = compute_digest(
        movie,
        facts,
        network,
        how,
        compute_code_digest(
            estimation.__name__, *_READING_LIBRARIES, *_NETWORK_LIBRARIES, *_TABLE_LIBRARIES
        ),
    )
    window = settings.window_length if settings.has_median_filter else None
    poses = compute_digest(
        estimate, window, compute_code_digest(median_filter.__name__, *_TABLE_LIBRARIES)
    )
    seen = {name: given[name] for name in ("p_cutoff", "displayed_body_parts", "histogram")}
    seen["color_map"] = settings.preview_color_map
    finished = compute_code_digest(
        finishing.__name__, *_READING_LIBRARIES, *_TABLE_LIBRARIES, *_DRAWING_LIBRARIES
    )
    judging = compute_code_digest(frame_ledger.__name__, *_TABLE_LIBRARIES)
    exported = {name: given[name] for name in _EXPORT_SETTINGS}
    if settings.nwb:
        exported |= {"archive": (model.name, model.sha256), "skeleton": model.skeleton}
    if settings.refine_frames:
        chosen_by = {name: given[name] for name in ("refine_frames", "p_cutoff")}
        exported |= {"chosen by": chosen_by, "jumps": given["quality"]["jump_length"]}
        exported |= {"drawn": asdict(style)}
    clock: tuple[Any, ...] = ()
    if times:
        clock = (times, given["times"], compute_code_digest(read_clock.__name__, "numpy"))
    dated = clock if settings.labels is Labels.ALL else ()
    exporter = compute_code_digest(
        exporting.__name__,
        *_READING_LIBRARIES,
        *_TABLE_LIBRARIES,
        *_DRAWING_LIBRARIES,
        *_EXPORT_LIBRARIES,
    )
    return StageKeys(
        estimate=estimate,
        poses=poses,
        quality=compute_digest(poses, given["p_cutoff"], given["quality"], finished, judging),
        previews=compute_digest(poses, seen, model.alpha, finished, *clock),
        labeled=compute_digest(
            poses, asdict(style), given["output_frame_rate"], given["labels"], finished, *dated
        ),
        exports=compute_digest(poses, names, exported, exporter, tasks.__version__, *clock),
    )


def compute_network_digest(project: Path) -> str:
    """Digest of how a project's network is built and run; its weights are known by the model.

    Args:
        project: A DeepLabCut project that `tasks.pose.model.archive` made.
    """
    files = sorted(path for path in project.glob("dlc-models*/**/*.yaml"))
    # Paths of this machine stand in them.
    texts = [path.read_text(encoding="utf-8").replace(str(project), "") for path in files]
    return compute_digest([str(path.relative_to(project)) for path in files], texts)


def compute_digest(*parts: Any) -> str:
    """Digest of values that JSON can hold: 64 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache
def compute_code_digest(module: str, *libraries: str) -> str:
    """Digest of a module's code, of all of this package that it imports, and of libraries."""
    sources = {name: _digest_module(name) for name in sorted(_find_imported_modules(module))}
    return compute_digest(sources, {name: _library_version(name) for name in libraries})


def _library_version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""


def _find_imported_modules(module: str) -> set[str]:
    """A module of this package and all others of it that it needs, wherever it imports them."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found | _MODULES_WITHOUT_EFFECT:
            found.add(name)
            waiting.extend(_find_direct_imports(name))
    return found


def _find_direct_imports(module: str) -> Iterator[str]:
    """The modules of this package that a module imports, by their whole names."""
    for statement in _tokenize_statements(module):
        words = [word for word in statement if word not in _INDENTATION_TOKENS.values()]
        if words[:1] == ["from"]:
            where = words.index("import")
            source, names = "".join(words[1:where]), words[where + 1 :]
            candidates = (source, *(f"{source}.{name}" for name in names))
            yield from (name for name in candidates if name in _list_modules())


@lru_cache
def _list_modules() -> frozenset[str]:
    """The whole names of the modules that count."""
    files = (path for name in _COUNTED_FOLDERS for path in (_TASKS_FOLDER / name).rglob("*.py"))
    paths = (path.relative_to(_TASKS_FOLDER).with_suffix("") for path in files)
    return frozenset(".".join((_ROOT_PACKAGE, *path.parts)) for path in paths)


def _source_of(module: str) -> Path:
    return _TASKS_FOLDER.joinpath(*module.split(".")[1:]).with_suffix(".py")


@lru_cache
def _digest_module(module: str) -> str:
    """Digest of a module's code without what does nothing: comments, blanks and docstrings."""
    return compute_digest(_tokenize_statements(module))


@lru_cache
def _tokenize_statements(module: str) -> tuple[tuple[str, ...], ...]:
    """A module's statements as their words; Python's own syntax trees fail between threads."""
    with tokenize.open(_source_of(module)) as file:
        found: list[tuple[str, ...]] = []
        words: list[str] = []
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.NEWLINE and _is_docstring(words):
                words.pop()
            elif token.type == tokenize.NEWLINE:
                found.append(tuple(words))
                words = []
            elif token.type not in _IGNORED_TOKENS:
                words.append(_INDENTATION_TOKENS.get(token.type, token.string))
    return tuple(found)


_IGNORED_TOKENS = {tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER}
_INDENTATION_TOKENS = {tokenize.INDENT: "indent", tokenize.DEDENT: "dedent"}


def _is_docstring(words: list[str]) -> bool:
    """Return whether a statement is text alone, such as a docstring."""
    return words[-1].endswith(('"', "'")) and set(words[:-1]) <= set(_INDENTATION_TOKENS.values())
