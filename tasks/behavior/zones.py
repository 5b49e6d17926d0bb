"""Zones of the arena: read IDEAS' zones file, and measure the time that an animal spends there."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.behavior.behavior_settings import BehaviorSettings
from tasks.behavior.locomotion import Locomotion
from tasks.behavior.perspective import flatten_positions
from tasks.behavior.segments import BoolArray, FloatArray, Segments, find_runs
from tasks.errors import BadInput
from tasks.messages import format_list, format_value

ELLIPSE_CORNERS = 256
"""Corners of the polygon that stands for an ellipse; its area is 0.01 % too small."""

MAX_ZONES = 1000
_MIN_CORNERS = 3
_RECTANGLE_CORNERS = 4


@dataclass(frozen=True)
class Zone:
    """A zone.

    Attributes:
        name: Its name.
        corners: (corners, 2), pixels of the picture, in order around it.
    """

    name: str
    corners: FloatArray


@dataclass(frozen=True)
class ZoneVisits:
    """An animal's visits to one zone.

    Attributes:
        inside: (frames,), whether it was inside; False where its position is unknown.
        seconds: Time inside.
        share: Of the time in which its position is known.
        entries: Stays that begin inside the recording with the animal seen outside before.
        exits: Stays that end with the animal seen outside.
        stays: Seconds of each stay that is long enough to count.
        mean_speed: Pixels per second inside; None where it is not known.
        area: Square pixels, of the flattened floor where there are corners.
        score: Share of time over the zone's share of the area of all zones together.
    """

    inside: BoolArray
    seconds: float
    share: float | None
    entries: int
    exits: int
    stays: tuple[float, ...]
    mean_speed: float | None
    area: float
    score: float | None


def parse_zones(data: bytes, where: str) -> list[Zone]:
    """Read a CSV of zones as IDEAS writes it.

    Columns are ``Name``, ``Type`` (ellipse, rectangle, polygon), ``X 0``, ``Y 0``, ``X 1`` …, and
    for ellipses ``Major Axis``, ``Minor Axis`` (whole lengths) and ``Angle`` (degrees, from the x
    axis towards the y axis, which points down); blanks around names and the case do not matter.

    Args:
        data: The file's bytes.
        where: What to call it in messages.

    Raises:
        BadInput: It is no such file, or a zone in it has no area.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{where}: expected a CSV of zones in UTF-8; {error}") from error
    cleaned = [{str(k).strip().casefold(): _clean(v) for k, v in row.items()} for row in rows]
    if not cleaned or not {"name", "type", "x 0", "y 0"} <= set(cleaned[0]):
        raise BadInput(
            f"{where}: expected a CSV with the columns ID, Name, Type, X 0, Y 0, … and a row for "
            "each zone; export the zones again"
        )
    if len(cleaned) > MAX_ZONES:
        raise BadInput(f"{where}: expected at most {MAX_ZONES} zones, found {len(cleaned)}")
    zones = [_read_zone(row, f"{where}, row {i}") for i, row in enumerate(cleaned, start=2)]
    names = [zone.name for zone in zones]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadInput(f"{where}: two zones are called {format_list(twice)}; rename one")
    return zones


def _clean(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _read_zone(row: Mapping[str, str], where: str) -> Zone:
    name, kind = row["name"] or row.get("id", ""), row["type"].casefold()
    if not name:
        raise BadInput(f"{where}: the zone has no name; give it one")
    points = _read_points(row, where)
    if kind == "ellipse":
        corners = _trace_ellipse(row, points, where)
    elif kind == "rectangle" and len(points) == 2:  # noqa: PLR2004 - opposite corners
        (a, b), (c, d) = points
        corners = np.array([[a, b], [c, b], [c, d], [a, d]])
    elif kind in {"rectangle", "polygon"} and len(points) >= _MIN_CORNERS:
        if kind == "rectangle" and len(points) != _RECTANGLE_CORNERS:
            raise BadInput(f"{where}: expected 2 or 4 corners of a rectangle, found {len(points)}")
        corners = np.array(points)
    else:
        raise BadInput(
            f"{where}: expected an ellipse, a rectangle or a polygon with at least 3 corners, "
            f"found the type {format_value(row['type'])} with {len(points)}"
        )
    from shapely import Polygon  # noqa: PLC0415 - not for a form

    shape = Polygon(corners)
    if not (shape.is_valid and shape.area > 0):
        raise BadInput(
            f"{where}: the zone {format_value(name)} crosses itself or has no area; draw it again"
        )
    return Zone(name, corners)


def _read_points(row: Mapping[str, str], where: str) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    while row.get(f"x {len(points)}") or row.get(f"y {len(points)}"):
        n = len(points)
        points.append((_read_number(row, f"x {n}", where), _read_number(row, f"y {n}", where)))
    return points


def _read_number(row: Mapping[str, str], name: str, where: str) -> float:
    try:
        value = float(row.get(name, ""))
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        found = format_value(row.get(name, "nothing"))
        raise BadInput(f"{where}: expected a number in {name.title()}, found {found}")
    return value


def _trace_ellipse(
    row: Mapping[str, str], points: Sequence[tuple[float, float]], where: str
) -> FloatArray:
    if not points:
        raise BadInput(f"{where}: expected the center of an ellipse in X 0 and Y 0")
    major, minor = (_read_number(row, f"{name} axis", where) for name in ("major", "minor"))
    if major <= 0 or minor <= 0:
        raise BadInput(f"{where}: expected axes above 0, found {major:g} and {minor:g}")
    angle = np.deg2rad(_read_number(row, "angle", where) if row.get("angle") else 0.0)
    turn = np.linspace(0, 2 * np.pi, ELLIPSE_CORNERS, endpoint=False)
    x, y = major / 2 * np.cos(turn), minor / 2 * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    corners: FloatArray = np.array(points[0]) + np.column_stack(
        [x * cos - y * sin, x * sin + y * cos]
    )
    return corners


def measure_zones(
    zones: Sequence[Zone], movement: Locomotion, segments: Segments, settings: BehaviorSettings
) -> dict[str, ZoneVisits]:
    """Measure what an animal did in each zone, as docs/behavior.md defines it.

    Args:
        zones: The zones, in pixels of the picture.
        movement: The positions that speed was computed from (flattened, where there are corners).
        segments: The recording's segments.
        settings: The corners, and the shortest stay.
    """
    import shapely  # noqa: PLC0415

    shapes = {
        zone.name: shapely.Polygon(flatten_positions(zone.corners, settings)) for zone in zones
    }
    everything = shapely.union_all(list(shapes.values())).area
    known: BoolArray = np.array(np.isfinite(movement.positions).all(axis=1))
    total = float(segments.durations[known].sum())
    points = shapely.points(movement.positions[known])
    found = {}
    for name, shape in shapes.items():
        shapely.prepare(shape)
        inside: BoolArray = np.zeros(len(known), dtype=np.bool_)
        inside[known] = shapely.covers(shape, points)
        seconds = float(segments.durations[inside].sum())
        share = seconds / total if total else None
        stays, entries, exits = _find_stays(inside, known, segments, settings.min_stay)
        found[name] = ZoneVisits(
            inside,
            seconds,
            share,
            entries,
            exits,
            tuple(stays),
            _mean_speed(inside, movement, segments),
            float(shape.area),
            share / (shape.area / everything) if share is not None else None,
        )
    return found


def _find_stays(
    inside: BoolArray, known: BoolArray, segments: Segments, min_stay: float
) -> tuple[list[float], int, int]:
    """Seconds of the stays that count, and how many of them begin, and end, in sight."""
    codes = np.where(known, inside.astype(np.int64), 2) + 3 * segments.numbers
    starts, ends = find_runs(codes)
    total = np.append(0.0, np.cumsum(segments.durations))
    stays, entries, exits = [], 0, 0
    for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        seconds = float(total[end] - total[start])
        if codes[start] % 3 != 1 or seconds < min_stay:
            continue
        stays.append(seconds)
        outside = codes[start] - 1  # of the same segment
        entries += i > 0 and codes[starts[i - 1]] == outside
        exits += i + 1 < len(starts) and codes[starts[i + 1]] == outside
    return stays, int(entries), int(exits)


def _mean_speed(inside: BoolArray, movement: Locomotion, segments: Segments) -> float | None:
    moving = inside & np.isfinite(movement.lengths)
    seconds = float(segments.steps[moving].sum())
    return float(movement.lengths[moving].sum()) / seconds if seconds else None


def render_zone_table(
    visits: Mapping[str, ZoneVisits], scale: float | None
) -> list[dict[str, Any]]:
    """Rows of ``zones.csv``, one for each zone."""
    rows = []
    for name, one in visits.items():
        row: dict[str, Any] = {
            "zone": name,
            "time (s)": one.seconds,
            "share of known time": one.share,
            "stays": len(one.stays),
            "entries": one.entries,
            "exits": one.exits,
            "mean stay (s)": float(np.mean(one.stays)) if one.stays else None,
            "longest stay (s)": max(one.stays, default=None),
            "mean speed (px/s)": one.mean_speed,
            "area (px2)": one.area,
            "score": one.score,
        }
        if scale is not None:
            row["mean speed (cm/s)"] = None if one.mean_speed is None else one.mean_speed / scale
            row["area (cm2)"] = one.area / scale**2
        rows.append(row)
    return rows
