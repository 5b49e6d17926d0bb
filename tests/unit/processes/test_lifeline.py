"""A process that this one starts ends with it, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.processes.lifeline import start_module
from tasks.processes.process_table import read_process_stat
from tests.support.paths import ROOT

WAITING = "tests.unit.processes.waiting"


def wait_for_pid(marker: Path) -> int:
    while not (marker.exists() and marker.read_text()):
        time.sleep(0.02)
    return int(marker.read_text())


def is_alive(pid: int) -> bool:
    stat = read_process_stat(pid)
    return stat is not None and not stat.is_zombie


@pytest.mark.parametrize("kind", ["obedient", "deaf"])
def test_it_ends_when_its_starter_is_killed(tmp_path: Path, kind: str) -> None:
    marker = tmp_path / "marker"
    # Started by a thread that ends at once, which must not count.
    program = f"""
import os, threading, time
from tasks.processes.lifeline import start_module
start = lambda: start_module({WAITING!r}, [{str(marker)!r}, {kind!r}], os.environ)
threading.Thread(target=start).start()
time.sleep(600)
"""
    starter = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    pid = wait_for_pid(marker)
    assert is_alive(pid)
    starter.kill()
    starter.wait()
    while is_alive(pid):
        time.sleep(0.05)


def test_it_is_a_process_like_another(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    child = start_module(WAITING, [str(marker), "obedient"], os.environ)
    assert wait_for_pid(marker) == child.pid
    child.terminate()
    assert child.wait(60) == -signal.SIGTERM


def test_what_the_module_ends_with_is_its_exit_status() -> None:
    assert start_module("json.tool", ["no-such-file"], os.environ).wait(60) != 0
