"""Hostile archives: each is refused in a sentence or repaired, and nothing else happens.

All are opened in one child process under an audit hook, with limits on memory and processor time.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile_cases import HostileCase
from tests.support.hostile_configs import config_cases, yaml_cases
from tests.support.hostile_weights import weights_cases
from tests.support.hostile_zips import zip_cases
from tests.support.model_zips import PROJECT_CONFIG, format_yaml, model_files, write_zip
from tests.support.paths import ROOT

ALL = zip_cases() + yaml_cases() + config_cases() + weights_cases()
CASES = {case.name: case for case in ALL}

MOST_BYTES = 600 * 2**20
MOST_SECONDS = 15
"""Processor time; the tests' own machine may be slow, and a bomb takes minutes."""

LONGEST = 600

WARM_UP = {
    "good": model_files(),
    "utf-16": model_files()
    | {"config.yaml": format_yaml(PROJECT_CONFIG).decode().encode("utf-16")},
    "latin-1": model_files() | {"config.yaml": format_yaml(PROJECT_CONFIG) + b"# \xe4"},
}


@dataclass
class Opened:
    """What the child reported of each case, and what lay around it afterwards."""

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    root = tmp_path_factory.mktemp("hostile")
    found = Opened()
    names = {f"{index:03}": case for index, case in enumerate(CASES.values())}
    for name, files in WARM_UP.items():
        write_zip(folder_of(root, name) / "m.zip", files)
    for name, case in names.items():
        case.build(folder_of(root, name) / "m.zip")
    for name in ("home", "here", "tmp"):
        (root / name).mkdir()
    found.before = tree(root)
    run(root, [*WARM_UP, *names], found)
    found.after = tree(root)
    found.results = {names[n].name: r for n, r in found.results.items() if n in names}
    return found


def folder_of(root: Path, name: str) -> Path:
    folder = root / "cases" / name
    (folder / "scratch").mkdir(parents=True)
    return folder


def run(root: Path, names: list[str], found: Opened) -> None:
    """Let a child open every archive; where one ends it, go on with the next in a new child."""
    env = os.environ | {
        "HOME": str(root / "home"),
        "TMPDIR": str(root / "tmp"),
        "MPLCONFIGDIR": str(root.parent),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    left = names
    while len(left) > len(WARM_UP):
        command = [sys.executable, "-m", "tests.watch.child", str(root / "cases")]
        done = subprocess.run(  # noqa: PLW1510 - what becomes of it is looked at
            [*command, str(len(WARM_UP))],
            input="\n".join(left),
            capture_output=True,
            text=True,
            cwd=root / "here",
            env=env,
            timeout=500,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found.results |= {line["name"]: line for line in lines}
        if len(lines) < len(left):
            why = f"status {done.returncode}: {done.stderr[-300:]}"
            found.results[left[len(lines)]] = {"outcome": "died", "message": why}
        left = [*WARM_UP, *left[max(len(lines) + 1, len(WARM_UP)) :]]


def tree(root: Path) -> dict[str, str]:
    """Every file and folder but the scratch projects, with what tells whether it changed."""
    found = {}
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        if here.name == "scratch" and here.parent.parent == root / "cases":
            folders[:] = [name for name in folders if name != "project"]
        for name in folders + files:
            status = (here / name).lstat()
            stamp = f"{status.st_mode} {status.st_size} {status.st_mtime_ns}"
            own = name != "scratch" and (here / name).is_file()
            found[str((here / name).relative_to(root))] = stamp if own else "folder"
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=str)
def test_nothing_but_a_sentence_comes_of_it(case: HostileCase, opened: Opened) -> None:
    result = opened.results[case.name]
    expected = "refused" if case.outcome == "refused" else "opened"
    assert result["outcome"] == expected, result
    assert result["seen"] == []
    assert result["bytes"] < MOST_BYTES
    assert result["seconds"] < MOST_SECONDS
    sentences = [result["message"]] if expected == "refused" else result["repairs"]
    for sentence in sentences:
        assert sentence.isprintable()
        assert len(sentence) < LONGEST
    if case.outcome != "opened":
        assert any(case.says in sentence for sentence in sentences), sentences


def test_nothing_is_written_anywhere_near(opened: Opened) -> None:
    assert opened.after == opened.before


def test_every_attack_has_a_name_of_its_own() -> None:
    assert len(CASES) == len(ALL) >= 40


EVENTS = {
    "open": "open({outside!r}, 'w').close()",
    "os.mkdir": "os.mkdir({outside!r})",
    "os.symlink": "os.symlink('/etc', {outside!r})",
    "os.rename": "os.rename({inside!r}, {outside!r})",
    "os.remove": "os.remove({link!r})",
    "subprocess.Popen": "subprocess.run(['true'])",
    "os.system": "os.system('true')",
    "os.fork": "os.fork() or os._exit(0)",
    "socket.getaddrinfo": "socket.getaddrinfo('localhost', 1)",
    "socket.connect": "socket.socket().connect_ex(('127.0.0.1', 1))",
    "pickle.find_class": "pickle.loads(b'cos\\ngetpid\\n.')",
    "import": "import antigravity_that_is_not_here",
    "compile": "compile('1', 'x', 'eval')",
}


@pytest.mark.parametrize("event", EVENTS)
def test_the_watch_would_see_it(event: str, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "file").write_text("x")
    places = {"outside": tmp_path / "new", "inside": inside / "file", "link": tmp_path / "gone"}
    action = EVENTS[event].format(**{name: str(path) for name, path in places.items()})
    program = (
        "from tests.watch.hook import Watch; watch = Watch()\n"
        "import os, pickle, socket, subprocess\n"
        f"code = compile({action!r}, 'attack', 'exec')\n"
        f"watch.allowed, watch.on = {str(inside)!r}, True\n"
        f"try: open({str(inside / 'fine')!r}, 'w').close(); assert not watch.seen; exec(code)\n"
        "except (OSError, ImportError): pass\n"
        "watch.on = False; print(*watch.seen, sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert any(line.startswith(event) for line in done.stdout.splitlines()), done.stdout
