"""Install each next tool in a separate environment, run its lines on results, and write the docs.

Usage: python -m tests.next_tools [NAME …]

Without names, all tools are run. What came out is kept in outcomes.json beside this file, which
docs/next-tools.md is written from. Environments stay in TMPDIR for the next time.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.next_tools.results import write_results
from tests.next_tools.tools import TOOLS, NextTool
from tests.support.paths import ROOT

DOCS_FILE = ROOT / "docs" / "next-tools.md"
OUTCOMES_FILE = Path(__file__).with_name("outcomes.json")
_BLOCK = re.compile(r"(<!-- tools: [^>]*-->\n)(.*?)(<!-- end of tools -->)", re.DOTALL)
_INSTALL_TIMEOUT_S, _RUN_TIMEOUT_S = 900, 600
_UV = Path(os.environ.get("UV", ROOT / ".tools" / "bin" / "uv")).absolute()


def main(*names: str) -> int:
    """Run tools and write what came out; returns how many failed."""
    outcomes = load_outcomes()
    chosen = [tool for tool in TOOLS if tool.package and (not names or tool.name in names)]
    place = Path(tempfile.gettempdir()) / "dlcflow-next-tools"
    results = place / "results"
    shutil.rmtree(results, ignore_errors=True)
    write_results(results)
    for tool in chosen:
        outcomes[tool.name] = try_tool(tool, place, results)
        print(f"{tool.name}: {outcomes[tool.name]['outcome']}", flush=True)
        OUTCOMES_FILE.write_text(json.dumps(outcomes, indent=2, sort_keys=True) + "\n")
    DOCS_FILE.write_text(insert_tools(DOCS_FILE.read_text(encoding="utf-8")), encoding="utf-8")
    return sum(outcomes[tool.name]["outcome"] != "runs" for tool in chosen)


def load_outcomes() -> dict[str, dict[str, str]]:
    """What came out the last time, by the tool's name."""
    found: dict[str, dict[str, str]] = json.loads(OUTCOMES_FILE.read_text())
    return found


def try_tool(tool: NextTool, place: Path, results: Path) -> dict[str, str]:
    """Install a tool and run its lines where the results are."""
    environment = place / re.sub(r"[^a-z0-9]+", "-", tool.name.lower())
    python = environment / "bin" / "python"
    try:
        # Not in this checkout, whose pyproject.toml leaves out packages that a tool may need.
        if not python.exists():
            create = [_UV, "venv", "--quiet", "--python", "3.11", environment]
            _run(create, _INSTALL_TIMEOUT_S, cwd=place)
        install = [_UV, "pip", "install", "--quiet", "--python", python, *tool.package.split()]
        _run(install, _INSTALL_TIMEOUT_S, cwd=place)
    except subprocess.SubprocessError as error:
        return {"version": "", "outcome": f"cannot be installed: {_last_line(error)}"}
    version = _run(
        [
            python,
            "-c",
            f"from importlib.metadata import version; print(version({tool.distribution!r}))",
        ],
        _RUN_TIMEOUT_S,
    ).strip()
    script = results / "script.py"
    script.write_text(f"{tool.lines}\n{tool.check}\n")
    try:
        _run([python, script.name], _RUN_TIMEOUT_S, cwd=results)
    except subprocess.SubprocessError as error:
        return {"version": version, "outcome": f"fails: {_last_line(error)}"}
    return {"version": version, "outcome": "runs"}


def _run(command: list[Any], timeout: int, cwd: Path | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)),
        check=True,
        timeout=timeout,
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    return done.stdout


def _last_line(error: subprocess.SubprocessError) -> str:
    text = str(getattr(error, "stderr", "") or error).strip().splitlines()
    # Without the file of this machine that an import error names.
    return text[-1].partition(" (/")[0][:200] if text else type(error).__name__


def insert_tools(text: str) -> str:
    """The docs with the table and lines of all tools, and what came out."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{render_tools()}\n{match[3]}", text)


def render_tools() -> str:
    """Render all tools as Markdown."""
    outcomes = load_outcomes()
    rows = ["| tool | version | what it takes | tried |", "|---|---|---|---|"]
    for tool in TOOLS:
        known = outcomes.get(tool.name, {"version": "", "outcome": "not tried yet"})
        tried = f"no: {tool.not_run}" if tool.not_run else _escape(known["outcome"])
        rows.append(f"| {tool.name} | {known['version'] or '–'} | {tool.takes} | {tried} |")
    parts = ["\n".join(rows)]
    for tool in TOOLS:
        lines = f"```python\n{tool.lines}\n```" if tool.lines else ""
        parts.append("\n\n".join(filter(None, (f"### {tool.name}", lines, tool.traps))))
    return "\n\n".join(parts) + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
