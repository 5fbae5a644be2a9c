"""SIGKILL of the tap at any moment: what the next run reads is what no STATE has covered."""

from __future__ import annotations

import json
import random
from itertools import islice
from typing import TYPE_CHECKING, Any

from tests.integration.tap_process import TapProcess
from tools.oracle_stand_in.events import numbered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.forking import ForkServer
    from tools.oracle_stand_in.server import StandIn

ROWS, KILLS = 100_000, 30


class Target:
    """A target that takes note of rows, and trusts them once a STATE has followed them."""

    def __init__(self) -> None:
        self.state: dict[str, Any] | None = None
        self.confirmed: list[int] = []
        self.pending: list[int] = []

    def take(self, lines: Iterator[bytes]) -> None:
        for message in map(json.loads, lines):
            if message["type"] == "RECORD":
                self.pending.append(message["record"]["ID"])
            elif message["type"] == "STATE":
                self.state = message["value"]
                self.confirmed += self.pending
                self.pending.clear()


def test_a_tap_killed_at_thirty_moments_loses_no_row_and_repeats_only_those_behind_a_state(
    oracle: StandIn, taps: ForkServer, tmp_path: Path
) -> None:
    """Half of the rows are complete, the others lie beyond the watermark.

    Moments are numbers of lines read from a pipe that holds a few thousand, so that the tap is
    never far ahead: it is hit in the middle of pages, between pages, and while it starts.
    """
    table = oracle.database.tables["SPC.TXLOG_EVENTS"]
    table.generate(ROWS, numbered)  # four in each millisecond
    oracle.database.clock = lambda: f"2026-01-01T00:00:{ROWS // 2 // 4_000:02}.000000000"
    config = oracle.login | {"page_size": 1_000, "lookback_seconds": 0, "clock_skew_seconds": 0}
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    target = Target()
    for kill in range(KILLS + 1):
        target.pending.clear()  # the rows that are going to be repeated
        state = tmp_path / "state.json"
        state.write_text(json.dumps(target.state))
        options = ["--state", str(state)] if target.state else []
        until = moments.randrange(2 * ROWS // KILLS) if kill < KILLS else None
        with TapProcess(taps, tmp_path, config, *options) as tap:
            lines = tap.lines()
            target.take(islice(lines, until))
            tap.kill()
            if moments.random() < 0.5:
                target.take(lines)  # what the pipe still holds
    assert not target.pending
    assert len(target.confirmed) == ROWS
    assert target.confirmed == list(range(ROWS))
