"""Lengths of time as people write them."""

from __future__ import annotations

import pytest

from tap_oracle_txlog.rules.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1_800),
        ("1h", 3_600),
        ("1d", 86_400),
        ("2w", 1_209_600),
        ("PT1H", 3_600),
        ("PT90M", 5_400),
        ("PT1H30M5S", 5_405),
        ("P1D", 86_400),
        ("P1W", 604_800),
        ("P1DT12H", 129_600),
    ],
)
def test_a_duration_may_be_written_short_or_as_iso_8601(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "h",
        "0h",
        "-1h",
        "1.5h",
        "1h30m",
        "1H",
        "1 h",
        "P",
        "PT",
        "PT0S",
        "P1M",
        "P1Y",
        "1hour",
    ],
)
def test_a_duration_in_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)
