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
_BLOCK = re.compile(r"(<!-- (models|summary): [^>]*-->\n)(.*?)(<!-- end of \2 -->)", re.DOTALL)
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


def insert_tables(text: str) -> str:
    """The page with its summary, the tables of all models, and what is refused."""
    outcomes = load_outcomes()
    made = {
        "summary": f"{render_summary(outcomes)}\n",
        "models": f"{render_tables(outcomes)}\n{render_refusals()}",
    }
    return _BLOCK.sub(lambda match: f"{match[1]}\n{made[match[2]]}\n{match[4]}", text)


def render_summary(outcomes: Outcomes) -> str:
    """Render which models work, and how exactly, in two sentences."""
    known = {case: outcomes[case.name] for case in CASES if case.name in outcomes}
    same = {case: one for case, one in known.items() if one["outcome"] == "same"}
    others = [f"{case.name} {one['outcome']}" for case, one in known.items() if case not in same]
    if not same:
        return f"{len(known)} of {len(CASES)} models have been compared."
    versions = " and ".join(sorted({one["deeplabcut"] for one in same.values()}))
    rest = f" ({', '.join(others)})" if others else ""
    first = (
        f"Of {len(CASES)} models, which are every network and detector that DeepLabCut {versions} "
        f"can build with PyTorch and the kinds of its TensorFlow engine, {len(known)} have been "
        f"compared, and {len(same)} have the poses of `analyze_videos`{rest}."
    )
    pixels = max(one["pixels"] for one in same.values())
    likelihoods = [
        max((one["likelihood"] for case, one in same.items() if case.is_simcc is simcc), default=0)
        for simcc in (False, True)
    ]
    return (
        f"{first} The largest difference of any point in any frame was {_format_number(pixels)} "
        f"pixels, and {_format_number(likelihoods[0])} of likelihood "
        f"({_format_number(likelihoods[1])} in RTMPose networks, where rounding moves it more)."
    )


def render_tables(outcomes: Outcomes) -> str:
    """Render all models as Markdown, family by family."""
    parts = []
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
    *("points, places", "pixels", "likelihood", "speed"),
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
            _format_points(found),
            _format_difference(found["pixels"], _SMALLEST_PIXELS),
            _format_difference(found["likelihood"], _SMALLEST_LIKELIHOOD),
            _format_speed(found),
        ]
    else:
        cells += [""] * 4
    return f"| {' | '.join(cells)} |"


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _format_points(found: dict[str, Any]) -> str:
    return ", ".join(str(found[key]) for key in ("points", "places") if found.get(key))


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
