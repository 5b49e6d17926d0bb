"""How a command ends."""

import signal
from contextlib import suppress

import pytest

from tasks.command_line.exit_status import remember_interrupts


def test_an_interrupt_that_a_library_swallows_is_not_lost() -> None:
    with remember_interrupts() as raise_if_interrupted:
        raise_if_interrupted()
        with suppress(BaseException):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()


def test_afterwards_ctrl_c_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with remember_interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
