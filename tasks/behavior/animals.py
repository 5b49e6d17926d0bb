"""Assignment of an annotations table's columns to animals."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.behavior.behavior_settings import AVERAGE_X, AVERAGE_Y, BehaviorSettings
from tasks.errors import BadInput
from tasks.messages import format_list, format_value

_LIKELIHOOD = " likelihood"


@dataclass(frozen=True)
class Animal:
    """One animal of a table.

    Attributes:
        name: The individual; empty where there is one animal and no prefix.
        keypoints: The keypoints that are averaged, and what their columns begin with; empty where
            the position is a column of the table.
    """

    name: str
    keypoints: dict[str, str]

    def column(self, name: str) -> str:
        """A column's name with the individual in front of it."""
        return f"{self.name} {name}" if self.name else name


def find_animals(
    columns: Sequence[str], individuals: Sequence[str], settings: BehaviorSettings, table: str
) -> list[Animal]:
    """Find the animals of a table, and the keypoints of each that are averaged.

    Args:
        columns: The table's columns.
        individuals: What a pose run says of them; empty for a single animal.
        settings: Which individuals and keypoints, and which columns hold the position.
        table: What to call the table in messages.

    Raises:
        BadInput: A keypoint or an individual is not there, nothing is left to average, or there
            are no likelihoods.
    """
    names = settings.individuals or list(individuals)
    by_animal = _split_by_animal(_find_keypoints(columns), names)
    if names:
        _check_individuals(names, by_animal, columns, table)
    found = []
    for name in names or [""]:
        keypoints = by_animal.get(name, {})
        animal = Animal(name, keypoints)
        columns_of_position = [animal.column(c) for c in (settings.x_column, settings.y_column)]
        if not settings.uses_average or not keypoints:
            _check_position(columns_of_position, columns, settings, table)
            found.append(Animal(name, {}))
        else:
            found.append(Animal(name, _choose_keypoints(keypoints, settings, table)))
    return found


def _find_keypoints(columns: Sequence[str]) -> list[str]:
    """Find the prefix of each keypoint's columns: ``nose``, or ``mouse1 nose``."""
    there = set(columns)
    names = [c.removesuffix(_LIKELIHOOD) for c in columns if c.endswith(_LIKELIHOOD)]
    return [name for name in names if {f"{name} x", f"{name} y"} <= there]


def _split_by_animal(keypoints: list[str], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Each animal's keypoints; those that are nobody's are parts of the arena."""
    if not names:
        return {"": {name: name for name in keypoints}}
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for keypoint in keypoints:
        owners = [name for name in names if keypoint.startswith(f"{name} ")]
        if owners:
            owner = max(owners, key=len)
            found[owner][keypoint.removeprefix(f"{owner} ")] = keypoint
    return found


def _check_individuals(
    names: Sequence[str],
    by_animal: dict[str, dict[str, str]],
    columns: Sequence[str],
    table: str,
) -> None:
    missing = [
        name
        for name in names
        if not by_animal[name] and not any(c.startswith(f"{name} ") for c in columns)
    ]
    if missing:
        raise BadInput(
            f"individuals: {table} has no columns that begin with {format_list(missing)}; its "
            f"columns are {format_list(columns)}"
        )


def _check_position(
    wanted: list[str], columns: Sequence[str], settings: BehaviorSettings, table: str
) -> None:
    if set(wanted) <= set(columns):
        return
    if settings.uses_average:
        raise BadInput(
            f"{table}: expected keypoints with a likelihood (columns such as 'nose x', 'nose y', "
            f"'nose likelihood') or the columns {AVERAGE_X} and {AVERAGE_Y}, found "
            f"{format_list(columns)}"
        )
    missing = [name for name in wanted if name not in columns]
    raise BadInput(
        f"{table}: there is no column {format_list(missing)} for the position; choose x_column "
        f"and y_column from {format_list(columns)}"
    )


def _choose_keypoints(
    keypoints: dict[str, str], settings: BehaviorSettings, table: str
) -> dict[str, str]:
    for option in ("keypoints", "keypoints_to_exclude"):
        for name in getattr(settings, option):
            if name not in keypoints:
                known = ", ".join(format_value(one) for one in keypoints)
                raise BadInput(
                    f"{option}: {table} has no keypoint called {format_value(name)}; it has {known}"
                )
    chosen = settings.keypoints or list(keypoints)
    left = [name for name in chosen if name not in settings.keypoints_to_exclude]
    if not left:
        raise BadInput("keypoints_to_exclude: no keypoint is left to average; exclude fewer")
    if settings.min_keypoints is not None and settings.min_keypoints > len(left):
        raise BadInput(
            f"min_keypoints: it asks for {settings.min_keypoints}, but {len(left)} are averaged; "
            "ask for fewer"
        )
    return {name: keypoints[name] for name in left}
