"""Drawing options in config.yaml: the skeleton, its color, and opacity."""

from typing import Any

from tasks.messages import format_list, format_value
from tasks.pose.model.problems import ModelFindings

DEFAULT_OPACITY = 0.7
"""DeepLabCut's own."""


def read_skeleton(
    value: Any, parts: tuple[str, ...], findings: ModelFindings
) -> tuple[tuple[str, str], ...]:
    """Pairs of known body parts; DeepLabCut's template holds others, which it never draws."""
    pairs = value if isinstance(value, list) else []
    known = [p for p in pairs if isinstance(p, list) and len(p) == 2]  # noqa: PLR2004
    if others := [p for p in pairs if p not in known]:
        findings.repairs.append(
            f"config.yaml: skeleton: {format_list(others)} left out; DeepLabCut's labeled movie "
            "fails where an entry is no pair of body parts"
        )
    return tuple((str(a), str(b)) for a, b in known if str(a) in parts and str(b) in parts)


def read_color(value: Any, findings: ModelFindings) -> str:
    """A matplotlib color; black where it is none."""
    from matplotlib.colors import is_color_like, to_hex  # noqa: PLC0415

    if value is None:
        return "black"
    if is_color_like(value):
        return value if isinstance(value, str) else str(to_hex(value))
    findings.repairs.append(f"skeleton_color {format_value(value)} is no color; black is used")
    return "black"


def read_opacity(value: Any) -> float:
    """Opacity of dots, 0-1; DeepLabCut's own where it is none."""
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if usable and 0 <= value <= 1 else DEFAULT_OPACITY
