"""How a command ends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from flows.__main__ import main
from tasks.command_line.exit_status import END_SIGNALS, Interrupted, handle_end_signals


@pytest.fixture(autouse=True)
def hang_up_is_heard() -> Iterator[None]:
    """A suite that `nohup` has started ignores SIGHUP, and what is tested would too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", END_SIGNALS)
def test_a_signal_that_a_library_swallows_is_not_lost(number: int) -> None:
    with handle_end_signals() as signals:
        signals.raise_if_any()
        with suppress(BaseException):
            signal.raise_signal(number)
        with pytest.raises(Interrupted):
            signals.raise_if_any()
        assert signals.first == number


def test_a_signal_that_has_another_handler_counts_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.command_line.exit_status.END_TIMEOUT_S", 0.01)
    ended = threading.Event()
    with handle_end_signals() as signals:
        signals.last_resort = ended.set
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.raise_signal(signal.SIGTERM)
        assert ended.wait(60)
        assert signals.first == signal.SIGTERM


def test_afterwards_signals_are_what_they_were() -> None:
    before = [signal.getsignal(number) for number in END_SIGNALS]
    with handle_end_signals():
        assert [signal.getsignal(number) for number in END_SIGNALS] != before
    assert [signal.getsignal(number) for number in END_SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_what_nohup_has_started_goes_on_after_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with handle_end_signals() as signals:
            signal.raise_signal(signal.SIGHUP)
            assert not signals.has_come
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("number", "status", "told"),
    [
        (signal.SIGINT, 130, "error: interrupted; run"),
        (signal.SIGTERM, 143, "error: interrupted by SIGTERM; run"),
        (signal.SIGHUP, 129, "error: interrupted by SIGHUP; run"),
    ],
)
def test_the_exit_status_is_that_of_shells(
    number: int,
    status: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("flows.__main__._inspect_model", lambda *_: signal.raise_signal(number))
    assert main(["inspect", "--model", "m.zip"]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(told)
