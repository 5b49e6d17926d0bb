"""The command line, typed as a user does."""

import os
import subprocess
import sys

from tests.paths import ROOT


def command(*words: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m flows``; its outcome, whatever that is."""
    return subprocess.run(
        [sys.executable, "-m", "flows", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
    )
