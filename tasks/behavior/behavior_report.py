"""`report.html` of a behavior run, with a text that can go into a methods section."""

from collections.abc import Mapping
from pathlib import Path

from tasks.behavior.behavior_record import BehaviorRecord
from tasks.behavior.behavior_settings import (
    BehaviorSettings,
    BetweenThresholds,
    KeypointWeights,
    SpeedDifference,
)
from tasks.pose.results.report import MAX_PICTURE_BYTES, load_template, to_data_url


def render_behavior_report(record: BehaviorRecord, previews: Mapping[str, list[Path]]) -> str:
    """Render the report of a behavior run.

    Args:
        record: The run.
        previews: The figures of each delivered table, by its name.

    Returns:
        An HTML page that loads nothing from elsewhere.
    """
    left, shown = MAX_PICTURE_BYTES, {}
    for table in record.tables:
        paths = previews.get(table.name, [])
        size = sum(path.stat().st_size for path in paths)
        shown[table.name] = {path.name: to_data_url(path) for path in paths} if size <= left else {}
        left -= size if size <= left else 0
    template = load_template("behavior_report.html.j2", Path(__file__).parent)
    methods = describe_methods(record.request.settings)
    return str(template.render(record=record, shown=shown, methods=methods))


def describe_methods(settings: BehaviorSettings) -> str:
    """Describe in sentences what was computed, as a methods section would."""
    return " ".join(
        [*_describe_position(settings), *_describe_speed(settings), *_describe_states(settings)]
    )


def _describe_position(settings: BehaviorSettings) -> list[str]:
    sentences = []
    if settings.uses_average:
        sentences.append(
            "The animal's position was the mean of its keypoints with a likelihood of at least "
            f"{settings.likelihood_threshold:g}"
            + (
                ", weighted by likelihood."
                if settings.weights is KeypointWeights.LIKELIHOOD
                else ", equally weighted."
            )
        )
        if settings.median_filter_length > 1:
            sentences.append(
                f"Each keypoint was median filtered over {settings.median_filter_length} frames, "
                "with windows that shrink at the edges of a segment."
            )
        if settings.interpolate:
            sentences.append(f"Gaps of up to {settings.max_gap:g} s were filled linearly in time.")
        sentences.append(
            "Frames with fewer than "
            + (str(settings.min_keypoints) if settings.min_keypoints else "half of the")
            + " keypoints have no position."
        )
    else:
        sentences.append(
            f"The animal's position was read from {settings.x_column} and {settings.y_column}."
        )
    if settings.corners is not None:
        sentences.append(
            "Positions were mapped onto the arena's floor by the perspective transform of four "
            f"corners of a rectangle of {settings.corners.width_cm:g} × "
            f"{settings.corners.height_cm:g} cm."
        )
    if settings.smooth_position:
        sentences.append(
            "Positions were smoothed by a Gaussian with a standard deviation of "
            f"{settings.smooth_position:g} s, normalized over known frames."
        )
    return sentences


def _describe_speed(settings: BehaviorSettings) -> list[str]:
    central = settings.speed_difference is SpeedDifference.CENTRAL
    sentences = [
        (
            "Speed was the norm of the second-order central difference of the position"
            if central
            else "Speed was the displacement from the frame before, divided by the time since it"
        )
        + "; nothing was computed across breaks in time of more than "
        f"{settings.max_gap:g} s, or across movies that do not follow each other."
    ]
    if settings.filter_speed:
        sentences.append(
            "Speed was smoothed by a Gaussian with a standard deviation of "
            f"{settings.speed_filter_size:g} frames, normalized over known frames."
        )
    return sentences


def _describe_states(settings: BehaviorSettings) -> list[str]:
    if not settings.has_thresholds:
        return []
    given = [t for t in (settings.max_rest_speed, settings.min_movement_speed) if t is not None]
    unit = settings.threshold_units.value
    between = (
        "in between, the state before was kept (hysteresis)."
        if settings.between is BetweenThresholds.HOLD
        else "in between, the state was other."
    )
    sentences = [
        f"The animal rested up to {given[0]:g} {unit} and moved from {given[-1]:g} {unit} on; "
        + between
    ]
    if settings.min_rest or settings.min_movement:
        sentences.append(
            f"Bouts of rest shorter than {settings.min_rest:g} s and of movement shorter than "
            f"{settings.min_movement:g} s took the state around them, the shortest first."
        )
    sentences.append(
        "Frames without a known speed have no state, and count as none; unknown stretches of up to "
        f"{settings.max_gap:g} s between two bouts of one state belong to it."
    )
    return sentences
