"""The command line, typed as a user does, and other processes."""

import os
import subprocess
import sys

from tests.support.paths import ROOT


def run_command(*words: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m flows``; its outcome, whatever that is."""
    return subprocess.run(
        [sys.executable, "-m", "flows", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | environment,
    )


def start_waiting_process(program: str) -> tuple["subprocess.Popen[str]", str]:
    """Start Python with a program that prints a line and then waits for the end of its input.

    Returns:
        The process, and the line.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()
