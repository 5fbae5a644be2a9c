"""Signals: they end what is waiting at once, and what is being written at its end."""

from __future__ import annotations

import signal
import threading

import pytest

from tap_oracle_txlog.stop import Stop, Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def in_main_thread() -> None:
    """Elsewhere nothing is installed, and a signal would end the test run."""
    assert threading.current_thread() is threading.main_thread()


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_ends_what_is_waiting(signum: signal.Signals) -> None:
    with Stop().installed(), pytest.raises(Stopped) as stopped:
        signal.raise_signal(signum)
    assert stopped.value.signum == signum


def test_no_error_handler_takes_the_end_for_an_error() -> None:
    assert not issubclass(Stopped, Exception)


def write_a_line(stop: Stop, *signals: signal.Signals, done: list[str]) -> None:
    with stop.held_back():
        for signum in signals:
            signal.raise_signal(signum)
        done.append("the line")


def test_what_is_held_back_is_finished_first() -> None:
    stop = Stop()
    done: list[str] = []
    with stop.installed(), pytest.raises(Stopped):
        write_a_line(stop, signal.SIGTERM, done=done)
    assert done == ["the line"]


def test_an_error_in_what_is_held_back_is_not_lost_in_the_end() -> None:
    stop = Stop()

    def fail() -> None:
        with stop.held_back():
            signal.raise_signal(signal.SIGTERM)
            raise BrokenPipeError

    with stop.installed(), pytest.raises(BrokenPipeError):
        fail()


def test_the_second_signal_changes_nothing() -> None:
    stop = Stop()
    with stop.installed():
        with pytest.raises(Stopped) as stopped:
            write_a_line(stop, signal.SIGINT, signal.SIGTERM, done=[])
        assert stopped.value.signum == signal.SIGINT
        signal.raise_signal(signal.SIGTERM)  # also not on the way out


def test_without_a_signal_nothing_is_raised_and_all_is_as_before() -> None:
    before = [signal.getsignal(signum) for signum in SIGNALS]
    stop = Stop()
    with stop.installed():
        with stop.held_back():
            pass
        assert [signal.getsignal(signum) for signum in SIGNALS] != before
    assert [signal.getsignal(signum) for signum in SIGNALS] == before


def test_outside_the_main_thread_nothing_is_installed() -> None:
    before = [signal.getsignal(signum) for signum in SIGNALS]
    seen: list[object] = []

    def work() -> None:
        with Stop().installed():
            seen.extend(signal.getsignal(signum) for signum in SIGNALS)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert seen == before
