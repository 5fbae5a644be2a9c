"""What people see of a long read."""

from __future__ import annotations

import io
import logging
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.reading import Emission
from tap_oracle_txlog.reading_report import ReadingReport
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.progress import Progress
from tap_oracle_txlog.rules.timestamps import Instant, instant, plus
from tap_oracle_txlog.rules.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Sequence

START = instant("2026-01-01T00:00:00.000000000")
#: The pass reads the hundred minutes behind it.
WATERMARK = Watermark(plus(START, 6_000), plus(START, 6_300), "lookback", "the window")
LOGGER = "tap_oracle_txlog.reading_report"


def emission(minute: float, *, ends_pass: bool = False) -> Emission[Progress]:
    at = Position.before(plus(START, minute * 60))
    return Emission((), Progress.starting("T", "E", at), ends_pass)


def said(
    caplog: pytest.LogCaptureFixture,
    pages: Sequence[tuple[float, Emission[Progress]]],
    *,
    watermark: Watermark | None = WATERMARK,
    until: Instant | None = None,
) -> list[str]:
    """The lines about pages, each with the second at which it is out."""
    caplog.clear()
    now = 0.0
    with caplog.at_level(logging.INFO, LOGGER), ReadingReport("E", clock=lambda: now) as report:
        for now, page in pages:  # noqa: B007 - the clock reads it
            report.emitted(page, watermark, until)
    return [record.message for record in caplog.records if record.name == LOGGER]


def test_a_long_read_tells_how_far_it_is_every_ten_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = said(caplog, [(minute, emission(minute)) for minute in range(36)])
    assert lines == [
        f"reading E: {share} % of the time up to 2026-01-01T01:40:00, now at 2026-01-01T00:{share}"
        f":00, about {100 - share}.0 s left"
        for share in (10, 20, 30)
    ]


def test_a_backfill_is_measured_up_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    pages = [(0, emission(0)), (10, emission(10))]
    assert "reading E: 50 % of" in said(caplog, pages, until=plus(START, 1_200))[0]
    assert "reading E: 10 % of" in said(caplog, pages, until=plus(START, 9_000))[0]


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([(0, emission(0)), (9, emission(50))], id="short"),
        pytest.param([(0, emission(0)), (99, emission(100))], id="beyond the watermark"),
        pytest.param([(0, emission(0)), (99, emission(0))], id="one time"),
        pytest.param(
            [(second, emission(second, ends_pass=True)) for second in range(0, 99, 9)],
            id="following",
        ),
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_wait_for(
    caplog: pytest.LogCaptureFixture, pages: Sequence[tuple[float, Emission[Progress]]]
) -> None:
    assert said(caplog, pages) == []
    assert said(caplog, pages, watermark=None) == []


@given(st.lists(st.tuples(st.floats(0, 40), st.floats(0, 120)), max_size=30))
def test_shares_and_times_make_sense_whatever_the_times_are(
    steps: list[tuple[float, float]],
) -> None:
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    now = 0.0
    try:
        with ReadingReport("E", clock=lambda: now) as report:
            for step, minute in steps:
                now += step
                report.emitted(emission(minute), WATERMARK, None)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    shares = [int(re.findall(r"(\d+) %", line)[0]) for line in found]
    assert all(0 <= share <= 100 for share in shares)
    assert not any("-" in line.partition("about")[2] for line in found)


def test_a_terminal_shows_a_bar_that_goes_when_the_pass_ends() -> None:
    terminal = io.StringIO()
    with ReadingReport("E", clock=lambda: 0.0, terminal=terminal) as report:
        report.emitted(emission(0), WATERMARK, None)
        assert report._bar is not None
        report._bar.delay = 0
        report._bar.mininterval = 0
        report.emitted(emission(25), WATERMARK, None)
        assert "reading E:  25 %|" in terminal.getvalue()
        assert "at 2026-01-01T00:25:00" in terminal.getvalue()
        report.emitted(emission(100, ends_pass=True), WATERMARK, None)
        assert terminal.getvalue().endswith("\r")
