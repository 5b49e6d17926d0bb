"""docs/models.md, rendered from the outcomes of the last comparisons."""

import json
import re
from pathlib import Path
from typing import Any

from tests.models.catalog import CASES, ModelCase
from tests.models.refusals import read_refusals
from tests.support.paths import ROOT

DOCS_FILE = ROOT / "docs" / "models.md"
RESULTS_FILE = Path(__file__).with_name("results.json")
Outcomes = dict[str, dict[str, Any]]
_BLOCK = re.compile(r"(<!-- models: [^>]*-->\n)(.*?)(<!-- end of models -->)", re.DOTALL)
_SMALLEST_PIXELS, _SMALLEST_LIKELIHOOD = 1e-4, 1e-6


def load_outcomes() -> Outcomes:
    """Outcomes of the last comparisons, by the model's name."""
    found: Outcomes = json.loads(RESULTS_FILE.read_text()) if RESULTS_FILE.exists() else {}
    return found


def save_outcomes(outcomes: Outcomes) -> None:
    """Write the outcomes where `load_outcomes` finds them."""
    RESULTS_FILE.write_text(json.dumps(outcomes, indent=2, sort_keys=True) + "\n")


def read_outcome(path: Path) -> dict[str, object]:
    """Read an outcome that `tests.models.compare` wrote; infinite differences become text."""
    found = json.loads(path.read_text(), parse_constant=str)
    return dict(found)


def insert_table(text: str) -> str:
    """The page with the tables of all models, and of what is refused."""
    made = f"{render_tables(load_outcomes())}\n{render_refusals()}"
    return _BLOCK.sub(lambda match: f"{match[1]}\n{made}\n{match[3]}", text)


def render_tables(outcomes: Outcomes) -> str:
    """Render all models as Markdown, family by family."""
    parts = [_render_sum(outcomes)]
    for family in dict.fromkeys(case.family for case in CASES):
        rows = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
        rows += [_render_row(case, outcomes) for case in CASES if case.family == family]
        parts.append(f"## {family[0].upper()}{family[1:]}\n\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def render_refusals() -> str:
    """Render what is refused, with the real refusals."""
    rows = ["| model | refusal |", "|---|---|"]
    rows += [f"| {what} | {_escape(text)} |" for what, text in read_refusals().items()]
    return "## Refused at once\n\n" + "\n".join(rows) + "\n"


_COLUMNS = (
    *("model", "builds", "inspected", "runs", "poses", "animals", "tracked"),
    *("points", "pixels", "likelihood", "speed"),
)


def _render_sum(outcomes: Outcomes) -> str:
    known = [outcomes[case.name] for case in CASES if case.name in outcomes]
    same = [one for one in known if one["outcome"] == "same"]
    if not same:
        return f"{len(known)} of {len(CASES)} models have been compared."
    pixels = max(one["pixels"] for one in same)
    likelihood = max(one["likelihood"] for one in same)
    versions = ", ".join(sorted({one["deeplabcut"] for one in same}))
    return (
        f"{len(known)} of {len(CASES)} models have been compared with DeepLabCut {versions}. "
        f"{len(same)} have the same poses; the largest differences are {_format_number(pixels)} "
        f"pixels and {_format_number(likelihood)} of likelihood."
    )


def _render_row(case: ModelCase, outcomes: Outcomes) -> str:
    found = outcomes.get(case.name)
    if found is None:
        return f"| {case.name} |  |  |  | not run |  |  |  |  |  |  |"
    runs, animals = found.get("pixels") is not None, found.get("animals") or 0
    message = _escape(found.get("message", ""))
    cells = [case.name, _yes(animals), _yes(found.get("inspected")), _yes(runs)]
    cells += [f"{found['outcome']}: {message}" if message else found["outcome"]]
    cells += [str(animals or ""), _yes(found.get("tracked")) if runs else ""]
    if runs:
        cells += [
            str(found["points"]),
            _format_difference(found["pixels"], _SMALLEST_PIXELS),
            _format_difference(found["likelihood"], _SMALLEST_LIKELIHOOD),
            _format_speed(found),
        ]
    else:
        cells += [""] * 4
    return f"| {' | '.join(cells)} |"


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _format_difference(value: Any, smallest: float) -> str:
    if isinstance(value, str):
        return "other points"
    return f"under {_format_number(smallest)}" if value < smallest else _format_number(value)


def _format_number(value: float) -> str:
    return f"{float(f'{value:.1g}'):f}".rstrip("0").rstrip(".")


def _format_speed(found: dict[str, Any]) -> str:
    theirs, ours = found.get("theirs"), found.get("ours")
    return f"{theirs / ours:.1f}×" if theirs and ours and ours > 0 else "–"


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
