"""A config is complete and sound, or it is refused by the name of the setting."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from jsonschema import Draft202012Validator

from tap_oracle_txlog.config import check
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.rules.timestamps import BEGINNING, instant
from tap_oracle_txlog.settings import OURS, AllSettings, TapSettings
from tap_oracle_txlog.source_settings import SourceSettings

if TYPE_CHECKING:
    from tap_oracle_txlog.rules.slices import Slice

SCHEMA: dict[str, Any] = {"type": "object", "properties": OURS}
DEFAULTS = {name: found["default"] for name, found in OURS.items() if "default" in found}
VIENNA = ZoneInfo("Europe/Vienna")
SECRET = "s3cr3t-Pa55"


def made(**config: Any) -> TapSettings:  # noqa: ANN401  # any setting
    return TapSettings.from_config(DEFAULTS | config)


def backfill(**config: Any) -> tuple[Slice, ...]:  # noqa: ANN401  # any setting
    return made(**config).backfill(None)


def refusal(**config: Any) -> str:  # noqa: ANN401  # any setting
    def read() -> None:
        check(config, SCHEMA, OURS)
        AllSettings.from_config(config)

    with pytest.raises(ConfigurationError) as refused:
        read()
    return str(refused.value)


def test_every_setting_is_described_for_about() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for name, found in OURS.items():
        assert found["title"], name
        assert found["description"].endswith("."), name


def test_what_carries_a_password_is_marked_as_secret() -> None:
    secrets = {name for name, found in OURS.items() if found.get("secret")}
    passwords = {name for name in OURS if name.endswith("password")}
    assert secrets == passwords | {"sqlalchemy_url", "ledger_url"}


def test_the_defaults_are_a_sound_config_and_read_the_tail_from_the_beginning() -> None:
    check(DEFAULTS, SCHEMA, OURS)
    assert (made().start(None), made().backfill(None)) == (BEGINNING, ())
    assert AllSettings.from_config(DEFAULTS) == AllSettings.from_config({})


def test_blank_values_are_as_if_not_set_but_zero_is_not() -> None:
    blank = {"page_size": "", "null_key": None, "start_date": "", "lookback_seconds": 0}
    assert made(**blank) == made(lookback_seconds=0) != made()


@pytest.mark.parametrize("name", ["table", "program_name", "ledger_table"])
def test_what_says_whose_data_it_is_must_not_be_empty(name: str) -> None:
    assert f"setting `{name}` is empty" in refusal(**{name: ""})


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("max_record_per_run", "max_records_per_run"),
        ("sourcetimezone", "source_timezone"),
        ("lookback", "lookback_seconds"),
        ("start", "start_date"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(wrong: str, near: str) -> None:
    said = refusal(**{wrong: 1})
    assert f"unknown setting `{wrong}`" in said
    assert f"Did you mean `{near}`?" in said


def test_an_unknown_name_that_is_near_to_none_is_refused_with_a_way_to_find_out() -> None:
    assert "--about" in refusal(zzz=1)


@pytest.mark.parametrize(
    ("config", "allowed"),
    [
        ({"page_size": SECRET}, "a whole number, at least 1"),
        ({"page_size": 1.5}, "a whole number"),
        ({"page_size": True}, "a whole number"),
        ({"page_size": 0}, "at least 1"),
        ({"lookback_seconds": -1}, "at least 0"),
        ({"late_commit_strategy": SECRET}, "auto | watermark | lookback"),
        ({"columns": 7}, "array or null"),
        ({"columns": [1]}, "array"),
        ({"thick_mode": SECRET}, "true or false"),
    ],
)
def test_a_wrong_value_is_refused_by_what_is_allowed_and_not_shown(
    config: dict[str, Any], allowed: str
) -> None:
    said = refusal(**config)
    assert f"`{next(iter(config))}" in said
    assert allowed in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("program_name", f"{SECRET}\udcff"),  # as Python reads a byte that is not UTF-8
        ("page_size", "1\udcff"),
        ("log_level", "info\udcff"),
        ("user", "\udcff"),
        ("columns", ["ID", f"{SECRET}\ud800"]),
        ("columns", '["\\ud800"]'),
    ],
)
def test_text_that_cannot_be_encoded_is_refused_by_name(name: str, value: object) -> None:
    said = refusal(**{name: value})
    assert f"setting `{name}` is not valid text" in said
    assert SECRET not in said


@pytest.mark.parametrize("value", [{"\ud800": SECRET}, '{"a": ["\\ud800"]}'])
def test_nor_may_a_setting_of_the_sdk_have_such_text(value: object) -> None:
    schema = {"properties": {"stream_maps": {"type": ["object", "null"]}}}
    with pytest.raises(ConfigurationError, match="`stream_maps` is not valid text"):
        check({"stream_maps": value}, schema, ())


@pytest.mark.parametrize(
    ("text", "zone", "start"),
    [
        ("2026-07-01", None, "2026-07-01T00:00:00.000000000"),
        ("2026-07-01T12:30:00Z", None, "2026-07-01T12:30:00.000000000"),
        ("2026-07-01 12:30:00.000001+02:00", None, "2026-07-01T10:30:00.000001000"),
        ("2026-07-01T12:30:00Z", VIENNA, "2026-07-01T14:30:00.000000000"),
        ("2026-07-01T12:30:00", VIENNA, "2026-07-01T12:30:00.000000000"),
    ],
)
def test_start_date_is_put_into_the_clock_of_the_replication_key(
    text: str, zone: ZoneInfo | None, start: str
) -> None:
    assert made(start_date=text).start(zone) == instant(start)


@pytest.mark.parametrize("end", ["2026-01-01", "2025-12-31T23:59:59Z"])
def test_a_backfill_that_ends_before_it_begins_is_refused(end: str) -> None:
    with pytest.raises(ConfigurationError, match="`end_date`"):
        backfill(start_date="2026-01-01", end_date=end)


def test_a_backfill_without_an_interval_is_one_slice() -> None:
    (whole,) = backfill(end_date="2026-01-01")
    assert whole == (BEGINNING, instant("2026-01-01T00:00:00.000000000"))


def test_slices_cover_a_backfill_without_gap_or_overlap() -> None:
    config = {"start_date": "2026-01-01", "end_date": "2026-01-02T12:00", "slice_interval": "7h"}
    slices = backfill(**config)
    assert slices[0].start == instant("2026-01-01T00:00:00.000000000")
    assert slices[-1].end == instant("2026-01-02T12:00:00.000000000")
    assert all(one.end == other.start for one, other in pairwise(slices))
    assert len(slices) == 6


@pytest.mark.parametrize(
    "config",
    [
        {"slice_interval": "1d"},
        {"slice_interval": "soon", "start_date": "2026-01-01", "end_date": "2026-01-02"},
        {"slice_interval": "1s", "end_date": "2026-01-02"},
    ],
)
def test_an_interval_that_cuts_nothing_is_refused(config: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="slice_interval"):
        backfill(**config)


@pytest.mark.parametrize(("given", "seconds"), [(0, 0), ("0.5", 0.5), (7, 7)])
def test_a_poll_interval_may_come_as_text_as_meltano_gives_it(
    given: float | str, seconds: float
) -> None:
    assert made(poll_interval_seconds=given).extraction.poll_interval == seconds


@pytest.mark.parametrize("given", ["often", "-0.1", -1, "nan", "inf"])
def test_a_poll_interval_that_is_no_length_of_time_is_refused(given: float | str) -> None:
    with pytest.raises(ConfigurationError, match="`poll_interval_seconds` is not a number"):
        made(poll_interval_seconds=given)


@pytest.mark.parametrize("name", ["Mars/Base", "../etc/passwd", "Europe", "x\0y"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="`source_timezone`"):
        _ = SourceSettings.from_config({"source_timezone": name}).zone


@pytest.mark.parametrize("config", [{}, {"source_timezone": ""}, {"source_timezone": None}])
def test_times_are_utc_where_no_zone_is_set(config: dict[str, Any]) -> None:
    assert SourceSettings.from_config(config).zone is None
