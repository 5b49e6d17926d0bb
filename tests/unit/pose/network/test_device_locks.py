"""One estimation at a time on each device, across processes, and none left held by a dead one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.environment_variables import DEVICE_LOCKS
from tasks.pose.network import device_locks
from tasks.pose.network.device_locks import (
    Device,
    find_idle_device,
    lease_device,
)
from tests.support.paths import ROOT

FIRST, SECOND = Device("cuda:0", "gpu-first"), Device("cuda:1", "gpu-second")
HOLD = """
import sys
from tasks.pose.network.device_locks import Device, lease_device
with lease_device([Device("cuda:0", sys.argv[1])], None, lambda: print("waiting", flush=True)):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DEVICE_LOCKS.name, str(tmp_path / "slots"))
    monkeypatch.setattr(device_locks, "POLL_INTERVAL_S", 0.01)
    return tmp_path / "slots"


def never() -> None:
    pytest.fail("a free device was waited for")


def holder(device: Device) -> "subprocess.Popen[str]":
    """Another process that holds a device until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, device.slot],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_free_device_is_taken_at_once() -> None:
    with lease_device([FIRST], None, never) as held:
        assert held == FIRST


def test_the_preferred_device_is_taken_where_it_is_free() -> None:
    with lease_device([FIRST, SECOND], "cuda:1", never) as held:
        assert held == SECOND


def test_another_device_is_taken_where_the_preferred_one_is_held() -> None:
    with (
        lease_device([SECOND], None, never),
        lease_device([FIRST, SECOND], "cuda:1", never) as held,
    ):
        assert held == FIRST


def test_a_held_device_is_waited_for_and_the_wait_is_told() -> None:
    other = holder(FIRST)
    told = []

    def waiting() -> None:
        told.append("waiting")
        if len(told) == 3:
            other.communicate()

    with lease_device([FIRST], None, waiting) as held:
        assert held == FIRST
        assert other.poll() == 0
    assert len(told) >= 3


def test_a_killed_process_holds_nothing() -> None:
    other = holder(FIRST)
    assert find_idle_device([FIRST, SECOND]) == SECOND
    other.send_signal(signal.SIGKILL)
    other.communicate()
    with lease_device([FIRST], None, never):
        pass


def test_a_slot_is_free_again_when_the_work_fails() -> None:
    with pytest.raises(ValueError, match="broken"), lease_device([FIRST], None, never):
        raise ValueError("broken")
    with lease_device([FIRST], None, never):
        pass


def test_an_idle_device_is_found_and_not_taken() -> None:
    assert find_idle_device([FIRST, SECOND]) == FIRST
    with lease_device([FIRST], None, never):
        assert find_idle_device([FIRST, SECOND]) == SECOND
        with lease_device([SECOND], None, never):
            assert find_idle_device([FIRST, SECOND]) == FIRST


def test_all_users_may_share_the_slots(folder: Path) -> None:
    with lease_device([FIRST], None, never):
        (file,) = folder.iterdir()
        assert folder.stat().st_mode & 0o7777 == 0o1777
        assert file.stat().st_mode & 0o777 == 0o644
