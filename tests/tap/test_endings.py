"""Ways to end: signals, kills, a target that hangs up. What was written is whole and resumable."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.events import Event, EventTable, stamp

if TYPE_CHECKING:
    from tests.tap.command import Run, Tap

ROWS = 12_000
PAGE = 4_000  # more than a pipe takes


@pytest.fixture
def table(table: EventTable) -> EventTable:
    """Full of rows."""
    table.add(*(Event(number, stamp(number // 3, number), "x" * 200) for number in range(ROWS)))
    return table


def assert_resumable(tap: Tap, run: Run) -> None:
    """A run from the last STATE loses no row, and repeats those behind that STATE only."""
    states = [place for place, kind in enumerate(run.types) if kind == "STATE"]
    assert run.bookmark["reading"] is True
    repeated = sum(kind == "RECORD" for kind in run.types[states[-1] :])
    resumed = tap.run_from(run.states[-1])
    assert run.ids[: len(run.ids) - repeated] + resumed.ids == list(range(ROWS))
    assert run.ids[len(run.ids) - repeated :] == resumed.ids[:repeated]
    assert repeated <= PAGE


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ([signal.SIGTERM], 143),
        ([signal.SIGINT, signal.SIGTERM], 130),  # one Ctrl+C under Meltano
    ],
)
@pytest.mark.parametrize("env", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
def test_a_signal_in_mid_load_ends_behind_a_whole_line_with_its_exit_code(
    tap: Tap, table: EventTable, signals: list[int], code: int, env: dict[str, str]
) -> None:
    assert table.path.exists()
    with tap.start(env, page_size=PAGE) as running:
        running.read_until(b'"RECORD"', PAGE + 1)
        running.hold_up()
        for signum in signals:
            running.process.send_signal(signum)
        run = running.rest()
    assert run.code == code
    assert run.stdout.endswith(b"\n")
    assert PAGE < len(run.ids) <= 2 * PAGE
    assert run.logged("ERROR") == []
    assert "Traceback" not in run.stderr
    assert_resumable(tap, run)


def test_a_kill_in_mid_load_loses_nothing_that_is_not_in_the_last_state(
    tap: Tap, table: EventTable
) -> None:
    assert table.path.exists()
    with tap.start(page_size=PAGE) as running:
        running.read_until(b'"RECORD"', PAGE + 1)
        running.hold_up()
        running.process.kill()
        run = running.rest()
    assert run.code == -signal.SIGKILL
    assert_resumable(tap, run)


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"]
)
def test_a_signal_ends_the_wait_between_two_polls(
    tap: Tap, table: EventTable, signum: int, code: int
) -> None:
    table.execute("DELETE FROM TXLOG_EVENTS WHERE ID >= 100")
    with tap.start(poll_interval_seconds=3_600) as running:
        running.read_until(b'"last_pass"')
        running.process.send_signal(signum)
        run = running.rest()
    assert run.code == code
    assert run.ids == list(range(100))
    assert tap.run_from(run.states[-1]).ids == []


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_the_table_is_looked_up_is_no_error(
    tap: Tap, signum: int, code: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = {
            "sqlalchemy_url": None,
            "table": "SPC.OTHER",
            "dsn": f"127.0.0.1:{silent.getsockname()[1]}/X",
            "user": "u",
            "password": "p",
        }
        with tap.start(**config) as running:
            silent.settimeout(30)
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)  # it is waiting for an answer now
                running.process.send_signal(signum)
                run = running.rest()
    assert run.code == code
    assert run.logged("ERROR") == []
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("page_size", [3, PAGE])
def test_a_target_that_hangs_up_is_one_line_and_exit_code_1(
    tap: Tap, table: EventTable, page_size: int
) -> None:
    assert table.path.exists()
    with tap.start(page_size=page_size) as running:
        running.read_until(b'"STATE"')
        run = running.close_stdout()
    (said,) = run.logged("ERROR")
    assert said.startswith("the target closed the pipe")
    assert run.code == 1
    assert "Traceback" not in run.stderr
    assert "Exception ignored" not in run.stderr
