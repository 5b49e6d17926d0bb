"""The table of what child processes run is complete, and a child is started before anything."""

import re
import subprocess
import sys

from tasks.pose import child_functions
from tasks.pose.child_libraries import load_for_estimation, load_for_finishing
from tests.support.paths import ROOT


def test_every_call_of_a_run_s_child_is_of_a_function_in_the_table() -> None:
    called = {
        name
        for room in ("run", "output", "spread")
        for path in (ROOT / "tasks" / room).rglob("*.py")
        for name in re.findall(
            r"(?:process|estimator)\.call\(\s*([\w.]+)", path.read_text(encoding="utf-8")
        )
    }
    assert called == set(child_functions.__all__)


def test_children_load_what_takes_seconds_before_their_first_call() -> None:
    assert "deeplabcut.pose_estimation_pytorch.apis.utils" in load_for_estimation.__code__.co_names
    assert {"pyarrow.parquet", "scipy.signal"} <= set(load_for_finishing.__code__.co_names)


def test_a_child_is_started_before_its_libraries_are_loaded_here() -> None:
    """The estimator is started first of all; Prefect is loaded beside it."""
    code = (
        "import sys, tasks.run.estimator; "
        "print(*{'numpy', 'pandas', 'torch', 'deeplabcut', 'prefect'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
