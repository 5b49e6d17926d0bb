"""From an annotations table to behavior, as files: runs in a child process."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.behavior.animal_results import AnimalBehavior, AnimalSummary
from tasks.behavior.animals import Animal, find_animals
from tasks.behavior.annotations_file import AnnotationsFile
from tasks.behavior.average_keypoints import average_keypoints
from tasks.behavior.behavior_settings import AVERAGE_X, AVERAGE_Y, BehaviorSettings
from tasks.behavior.behavior_summary import (
    DEFINITIONS,
    compare_path_with_smoothed,
    list_keypoint_warnings,
    list_look_reasons,
    propose_threshold,
    summarize_by_movie,
)
from tasks.behavior.bouts import build_bout_table
from tasks.behavior.locomotion import measure_locomotion
from tasks.behavior.perspective import compute_scale, flatten_positions
from tasks.behavior.segments import FloatArray, IntegerArray, Segments, find_segments
from tasks.behavior.states import (
    STATE_NAMES,
    UNKNOWN,
    SpeedThresholds,
    find_thresholds,
    label_states,
)
from tasks.behavior.zones import measure_zones, parse_zones, render_zone_table
from tasks.pose.tables.quality import Verdict

TABLE_STEM, BOUTS_FILE, SUMMARY_FILE, ZONES_FILE = (
    "behavior",
    "bouts.csv",
    "locomotion.json",
    "zones.csv",
)
RESULT_FILE_BEGINNINGS = (f"{TABLE_STEM}.", BOUTS_FILE, SUMMARY_FILE, ZONES_FILE, "labeled-")
"""Prefixes of the names of a table's results, labeled movies included, figures not."""

FIGURE_ENDINGS = (".svg", ".png")
"""Published names; the table's ends in its format."""


@dataclass(frozen=True)
class BehaviorResult:
    """Results of one table.

    Attributes:
        frames: Rows.
        files: The files, by published name.
        previews: The figures, by published name.
        animals: The figures of each animal.
        verdict: Pass or look.
        reasons: Why to look.
        warnings: What the user should know, one sentence each.
        scale: Pixels per cm.
    """

    frames: int
    files: dict[str, Path]
    previews: dict[str, Path]
    animals: tuple[AnimalSummary, ...]
    verdict: Verdict
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    scale: float | None


def analyze_annotations(
    path: Path,
    name: str,
    folder: Path,
    settings: BehaviorSettings,
    individuals: Sequence[str],
    zones: bytes | None,
    *,
    with_previews: bool = True,
) -> BehaviorResult:
    """Average keypoints, measure locomotion, and write the results.

    Args:
        path: The annotations table.
        name: What to call it in messages.
        folder: Where the files go; it exists.
        settings: The settings.
        individuals: What the pose run says of the animals; empty for a single one.
        zones: The zones file's bytes.
        with_previews: Whether to draw the figures.

    Raises:
        BadInput: The table or a setting cannot be used.
    """
    table = AnnotationsFile(path, name)
    found_zones = parse_zones(zones, str(settings.zones)) if zones is not None else []
    animals = find_animals(table.columns, individuals, settings, name)
    table.check_columns([settings.time_column], "time_column")
    times = table.read_floats(settings.time_column) / settings.time_unit.per_second
    movies = _read_or(table, "Movie number", np.zeros(table.rows, np.int64))
    numbers = _read_or(table, "Frame number", np.arange(table.rows))
    segments = find_segments(times, movies, settings.max_gap)
    scale = compute_scale(settings)
    thresholds = find_thresholds(settings, scale)
    warnings = _list_table_warnings(table, times, segments, settings)
    from tasks.pose.previews.draw import build_file_suffixes  # noqa: PLC0415 - matplotlib

    names = [animal.name for animal in animals]
    suffixes = build_file_suffixes(names) if with_previews else dict.fromkeys(names)
    parts = []
    for animal in animals:
        found = _analyze_animal(animal, table, segments, movies, settings, thresholds, found_zones)
        parts.append(
            _finish_animal(
                found, segments, movies, numbers, thresholds, scale, folder, suffixes[animal.name]
            )
        )
    reasons = tuple(reason for part in parts for reason in part.reasons)
    result = BehaviorResult(
        frames=table.rows,
        files=_write_tables(table, parts, settings, folder),
        previews={name: path for part in parts for name, path in part.previews.items()},
        animals=tuple(part.summary for part in parts),
        verdict=Verdict.LOOK if reasons else Verdict.PASS,
        reasons=reasons,
        warnings=(*warnings, *(warning for part in parts for warning in part.warnings)),
        scale=scale,
    )
    result.files[SUMMARY_FILE] = _write_summary(result, settings, folder / SUMMARY_FILE)
    return result


@dataclass(frozen=True)
class _FinishedAnimal:
    """One animal's share of the results."""

    summary: AnimalSummary
    columns: dict[str, Any]
    bouts: Any
    zones: list[dict[str, Any]]
    previews: dict[str, Path]
    reasons: list[str]
    warnings: list[str]


def _finish_animal(
    found: AnimalBehavior,
    segments: Segments,
    movies: IntegerArray,
    numbers: IntegerArray,
    thresholds: SpeedThresholds | None,
    scale: float | None,
    folder: Path,
    suffix: str | None,
) -> _FinishedAnimal:
    """Sum one animal up, judge it, and draw its figures."""
    from tasks.behavior.behavior_figures import draw_behavior  # noqa: PLC0415 - matplotlib

    name, movement, average = found.animal.name, found.movement, found.average
    everything, by_movie = summarize_by_movie(segments, movement, found.states, scale, movies)
    bouts = None
    if found.states is not None:
        bouts = build_bout_table(found.states, segments, movement, movies, numbers, scale)
        bouts.insert(0, "individual", name)
    ratio = compare_path_with_smoothed(movement, segments)
    summary = AnimalSummary(
        name,
        tuple(found.animal.keypoints),
        everything,
        tuple(by_movie),
        thresholds,
        None if thresholds else propose_threshold(movement.speed),
        ratio,
    )
    previews = {}
    if suffix is not None:
        previews = draw_behavior(found, segments, summary, scale, folder, suffix)
    who = f"{name}: " if name else ""
    per_bout = None if bouts is None else bouts["frames"].to_numpy()
    look = list_look_reasons(everything, per_bout, ratio, averaged=average is not None)
    warnings = list_keypoint_warnings(average.low) if average else []
    if not thresholds:
        warnings.append(_describe_proposal(summary.proposed_threshold))
    return _FinishedAnimal(
        summary,
        _build_columns(found, scale),
        bouts,
        [{"individual": name} | row for row in render_zone_table(found.zones, scale)],
        previews,
        [f"{who}{reason}" for reason in look],
        [f"{who}{warning}" for warning in warnings],
    )


def _write_tables(
    table: AnnotationsFile, parts: list[_FinishedAnimal], settings: BehaviorSettings, folder: Path
) -> dict[str, Path]:
    """Write the table with its new columns, the bouts and the zones."""
    columns = {name: values for part in parts for name, values in part.columns.items()}
    form = settings.annotations_format
    target = folder / f"{TABLE_STEM}.{form.value}"
    table.write_with(columns, target, form)
    paths = {target.name: target}
    several = len(parts) > 1
    for name, tables in (
        (BOUTS_FILE, [part.bouts for part in parts if part.bouts is not None]),
        (ZONES_FILE, [part.zones for part in parts if part.zones]),
    ):
        if tables:
            paths[name] = _write_csv(tables, folder / name, several=several)
    return paths


def _read_or(table: AnnotationsFile, column: str, default: IntegerArray) -> IntegerArray:
    return table.read_integers(column) if column in table.columns else default


def _list_table_warnings(
    table: AnnotationsFile, times: FloatArray, segments: Segments, settings: BehaviorSettings
) -> list[str]:
    warnings = []
    if untimed := int((~np.isfinite(times)).sum()):
        warnings.append(f"{untimed} of {table.rows} frames have no time, and count nowhere")
    back = int((np.diff(times[np.isfinite(times)]) <= 0).sum())
    if back:
        warnings.append(f"time stands still or goes back at {back} frames; each ends a segment")
    if len(segments.starts) > 1:
        warnings.append(
            f"the recording has {len(segments.starts)} segments: nothing is filtered, filled or "
            f"differentiated over gaps of more than {settings.max_gap:g} s, or between movies"
        )
    return warnings


def _describe_proposal(proposed: float | None) -> str:
    if proposed is None:
        return (
            "no threshold is given, so there are no states; the histogram of speed has no valley "
            "that would propose one"
        )
    return (
        "no threshold is given, so there are no states; the histogram of speed has a valley at "
        f"{proposed:.3g} px/s"
    )


def _analyze_animal(
    animal: Animal,
    table: AnnotationsFile,
    segments: Segments,
    movies: IntegerArray,
    settings: BehaviorSettings,
    thresholds: SpeedThresholds | None,
    zones: Sequence[Any],
) -> AnimalBehavior:
    average = None
    if animal.keypoints:
        average = average_keypoints(animal.keypoints, table.read_floats, segments, settings)
        raw = np.column_stack([average.x, average.y])
    else:
        names = [animal.column(c) for c in (settings.x_column, settings.y_column)]
        raw = np.column_stack([table.read_floats(name) for name in names])
        raw[~np.isfinite(raw).all(axis=1)] = np.nan
    movement = measure_locomotion(flatten_positions(raw, settings), segments, movies, settings)
    states = label_states(movement.speed, segments, thresholds, settings) if thresholds else None
    visits = measure_zones(zones, movement, segments, settings) if zones else {}
    return AnimalBehavior(animal, average, raw, movement, states, visits)


def _build_columns(found: AnimalBehavior, scale: float | None) -> dict[str, Any]:
    """The new columns of one animal, in the order of the documentation."""
    import pyarrow as pa  # noqa: PLC0415

    columns: dict[str, Any] = {}
    if average := found.average:
        columns |= {
            AVERAGE_X: average.x,
            AVERAGE_Y: average.y,
            "Average keypoint count": average.count,
            "Average keypoint interpolated": average.interpolated,
        }
    columns["Speed (px/s)"] = found.movement.speed
    if scale is not None:
        columns["Speed (cm/s)"] = found.movement.speed / scale
    columns["Distance (px)"] = found.movement.distance
    if found.states is not None:
        codes = pa.array(
            np.where(found.states == UNKNOWN, 0, found.states).astype(np.int8),
            mask=found.states == UNKNOWN,
        )
        columns["state"] = pa.DictionaryArray.from_arrays(codes, list(STATE_NAMES))
    known = np.isfinite(found.movement.positions).all(axis=1)
    for name, visits in found.zones.items():
        columns[f"In zone {name}"] = pa.array(visits.inside, mask=~known)
    return {found.animal.column(name): values for name, values in columns.items()}


def _write_csv(tables: Sequence[Any], target: Path, *, several: bool) -> Path:
    import pandas as pd  # noqa: PLC0415

    table = pd.concat([pd.DataFrame(one) for one in tables], ignore_index=True)
    if not several:
        table = table.drop(columns="individual")
    table.to_csv(target, index=False, lineterminator="\n")
    return target


def _write_summary(result: BehaviorResult, settings: BehaviorSettings, target: Path) -> Path:
    told = {
        "schema_version": 1,
        "definitions": DEFINITIONS,
        "settings": settings.model_dump(mode="json"),
        "pixels_per_cm": result.scale,
        "verdict": result.verdict.value,
        "reasons": result.reasons,
        "warnings": result.warnings,
        "animals": [
            {
                "individual": one.name or None,
                "keypoints": one.keypoints,
                "thresholds_px_s": one.thresholds
                and {"rest": one.thresholds.rest, "movement": one.thresholds.movement},
                "proposed_threshold_px_s": one.proposed_threshold,
                "path_to_smoothed_path": one.path_ratio,
                "all": one.everything.model_dump(mode="json", exclude={"movie"}),
                "movies": [movie.model_dump(mode="json") for movie in one.movies],
            }
            for one in result.animals
        ],
    }
    target.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return target
