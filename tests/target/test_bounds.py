"""What an input may take: a line that is too long ends the run, and no input keeps a signal out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typing_extensions import override

from tests.support.target import COMMAND, environment, event, record, schema, state
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tests.support.target import Running, Target

LIMIT = 1 << 16
KILOBYTES = 1024 if sys.platform == "darwin" else 1
#: Python, its libraries, and a few lines of 64 MiB.
MEGABYTES = 450

# In a small process of its own: a child starts with the peak of the one that it was forked from.
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.parametrize("more", [1, 1 << 20], ids=["just", "by far"])
def test_a_line_that_is_too_long_ends_the_run_after_what_came_before_it(
    target: Target, more: int
) -> None:
    head = len(json.dumps(record(ID=3, DATA="")))
    fits, longer = (record(ID=3, DATA="x" * (LIMIT - head + one)) for one in (0, more))
    run = target.run(schema(), event(1), fits, state(3), longer, event(5), max_line_bytes=LIMIT)
    assert run.code == 5
    assert "line 5 of the input is longer than `max_line_bytes` (65,536 bytes)" in run.error
    assert target.ids() == [1, 3]
    assert run.states == [json.dumps(state(3)["value"])]
    assert target.ledger()["PIPELINE"]["ERROR_MESSAGE"] == run.error


DEEP = "[" * 100_000 + "]" * 100_000
ODD = {
    "nesting": DEEP,
    "open nesting": "[" * 100_000,
    "digits": "9" * 5000,
    "exponent": f"1E{'9' * 20}",
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("place", ["record", "mapped", "schema", "state", "nowhere"])
def test_nesting_and_numbers_have_a_limit_that_is_told_in_one_line(
    target: Target, value: str, place: str
) -> None:
    line = {
        "state": '{"type":"STATE","value":{"a":VALUE}}',
        "schema": '{"type":"SCHEMA","stream":"B","schema":{"properties":{"a":{"default":VALUE}}}}',
        "nowhere": "VALUE",
    }.get(place, '{"type":"RECORD","stream":"EVENTS","record":{"ID":2,"DATA":VALUE}}')
    maps = {"EVENTS": {"ID": "ID"}} if place == "mapped" else {}
    bad = line.replace("VALUE", value)
    run = target.run(schema(), event(1), state(1), bad, event(3), stream_maps=maps)
    assert run.code == 5
    assert "line 4 " in run.error
    assert "unexpected" not in run.error
    assert target.ids() == [1]
    assert run.states == [json.dumps(state(1)["value"])]


def test_an_input_without_an_end_takes_no_more_memory_than_a_line(command: Target) -> None:
    config = Path(command.home / "config.json")
    config.write_text(json.dumps(command.config))
    with Path("/dev/zero").open("rb") as endless:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, COMMAND, "--config", config],
            stdin=endless,
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
    code, kilobytes = map(int, done.stdout.split())
    assert code == 5
    assert "line 1 of the input is longer than `max_line_bytes` (67,108,864 bytes)" in done.stderr
    assert kilobytes / KILOBYTES / 1024 < MEGABYTES


class Endless(threading.Thread):
    """Writes ``piece`` into the input of a target until nobody reads it any more."""

    def __init__(self, running: Running, piece: bytes) -> None:
        super().__init__()
        assert running.stdin is not None
        self._fd, self._piece = running.stdin, piece * (4096 // len(piece))
        self.written = 0
        self.start()

    @override
    def run(self) -> None:
        with suppress(BrokenPipeError):
            while True:
                self.written += os.write(self._fd, self._piece)


RECORD = b'{"type":"RECORD","stream":"EVENTS","record":{"ID":2}}\n'


@pytest.mark.parametrize("piece", [b"x", b"\n", RECORD], ids=["line", "blanks", "records"])
@pytest.mark.parametrize("maps", [{}, {"EVENTS": {"ID": "ID"}}], ids=["plain", "maps"])
def test_a_signal_is_noticed_whatever_comes_in(
    target: Target, piece: bytes, maps: dict[str, object]
) -> None:
    running = target.start(
        stream_maps=maps, validate_records=False, max_line_bytes=1 << 40, shutdown_timeout=1
    )
    running.feed(schema(keys=()), record(ID=1), state(1))
    running.until_states(1)
    endless = Endless(running, piece)
    wait_until(lambda: endless.written > 1 << 20, what="more is read than a pipe holds")
    running.signal(signal.SIGTERM)
    assert running.end().code == 128 + signal.SIGTERM
    endless.join(10)
    assert not endless.is_alive()


@pytest.mark.parametrize(("levels", "code"), [(190, 0), (210, 5), (900, 5), (980, 5)])
def test_a_state_has_a_depth_that_everything_can_be_done_with(
    target: Target, levels: int, code: int
) -> None:
    value = '{"a": ' * levels + "1" + "}" * levels
    deep = f'{{"type": "STATE", "value": {value}}}'
    run = target.run(schema(), event(1), deep)
    assert run.code == code
    if code:
        assert run.error.startswith("line 3 of the input is a STATE that cannot be used: ")
        assert run.error.endswith(" is nested too deeply. Fix the tap; earlier records are safe")
    assert target.ids() == [1]
