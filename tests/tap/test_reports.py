"""What a run says about its passes."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from tap_oracle_txlog.reports import QUIET_SECONDS, Reports
from tap_oracle_txlog.rules.timestamps import instant, plus
from tap_oracle_txlog.rules.watermark import Watermark

if TYPE_CHECKING:
    import pytest

CLOCK = instant("2026-01-01T00:00:00.000000000")
WATERMARK = Watermark(CLOCK, CLOCK, "lookback", "the window")


def test_a_run_that_follows_the_table_says_what_has_changed_or_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    reports = Reports(300, 2, lambda: now)
    told = []
    with caplog.at_level(logging.INFO, "tap_oracle_txlog.reports"):
        for now, held_by in (
            *((0.0, "the window"), (1.0, "the window"), (2.0, "SID 7"), (3.0, "SID 7")),
            *((4.0, "the window"), (3 + QUIET_SECONDS, "the window")),
            (4 + QUIET_SECONDS, "the window"),
        ):
            caplog.clear()
            reports.watermark(replace(WATERMARK, at=plus(CLOCK, now), held_by=held_by))
            told += [now for record in caplog.records if "limited by" in record.message]
    assert told == [0, 2, 4, 4 + QUIET_SECONDS]
