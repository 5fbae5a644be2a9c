"""``--digest``: digests of buckets of time, as Singer messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tap_oracle_txlog.rules.digests import digest_of
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import Instant
from tests.support.events import Event, stamp

if TYPE_CHECKING:
    from tests.support.events import EventTable
    from tests.tap.command import Tap

DAY = ("--from", "2026-01-01", "--to", "2026-01-02")


def test_buckets_have_the_digests_of_their_rows(tap: Tap, table: EventTable) -> None:
    seconds = [0, 1, 3_599, 3_600, 7_200, 50_000]
    table.add(*(Event(n, stamp(second, n)) for n, second in enumerate(seconds)), Event(99, None))
    run = tap.run("--digest", "1h", *DAY)
    assert run.code == 0, run.stderr
    assert run.types == ["STATE", "SCHEMA", *["RECORD"] * 24, "STATE"]
    assert [record["rows"] for record in run.records] == [3, 1, 1, *[0] * 10, 1, *[0] * 10]
    assert run.records[0]["since"] == "2026-01-01T00:00:00.000000000"
    for before, after in zip(run.records, run.records[1:], strict=False):
        assert before["before"] == after["since"]
    at = [Instant(f"{stamp(second, n).replace(' ', 'T')}000") for n, second in enumerate(seconds)]
    expected = digest_of(map(Position, at[:3], range(3)))
    assert run.records[0]["digest"] == str(expected.total)
    assert run.schema["stream"] == "TXLOG_EVENTS_digests"
    assert run.schema["key_properties"] == ["since"]
    reading = [one["bookmarks"]["TXLOG_EVENTS_digests"].get("reading") for one in run.states]
    assert reading == [True, None]


@pytest.mark.parametrize("end", [(), ("--to", "2999-01-01")])
def test_buckets_end_at_the_watermark(tap: Tap, table: EventTable, end: tuple[str, ...]) -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    late = now - timedelta(seconds=30)
    table.add(Event(1, str(now - timedelta(minutes=30))), Event(2, str(late)))
    begun = "-1h" if not end else str(now - timedelta(hours=1))
    run = tap.run("--digest", "1d", "--from", begun, *end)
    assert [record["rows"] for record in run.records] == [1]
    assert run.records[0]["before"] < late.isoformat()


def test_dates_on_the_command_line_go_before_settings(tap: Tap, table: EventTable) -> None:
    table.add(*(Event(n, stamp(n)) for n in range(10)))
    settings = {"start_date": "2026-01-01T00:00:03", "end_date": "2026-01-01T00:00:09"}
    assert tap.run(**settings).ids == [3, 4, 5, 6, 7, 8]
    assert tap.run("--to", "2026-01-01T00:00:05", **settings).ids == [3, 4]
    ledger = {"state_from_ledger": True, "ledger_url": "sqlite:///none/ledger.db"}
    assert tap.run("--from", "2026-01-01T00:00:07", **settings, **ledger).ids == [7, 8]
    name = "TAP_ORACLE_TXLOG_"
    config = {f"{name}{key.upper()}": value for key, value in {**tap.config, **settings}.items()}
    run = tap.run("--config", "ENV", "--from", "2026-01-01T00:00:08", env=config)
    assert run.ids == [8]


@pytest.mark.parametrize(
    ("options", "settings", "why"),
    [
        ((), {}, "start_date` is missing: --digest has to begin somewhere. Set it, or --from"),
        (DAY, {"source_timezone": "Europe/Vienna"}, "--digest works with times in UTC only"),
        (("--from", "2999-01-01"), {}, "--digest 1h: 2999-01-01T00:00:00.000000000 is not before"),
        (("--from", "0001-01-01"), {}, "there may be 1 to 10,000 parts"),
    ],
)
def test_what_cannot_be_cut_is_one_line(
    tap: Tap, options: tuple[str, ...], settings: dict[str, str], why: str
) -> None:
    run = tap.run("--digest", "1h", *options, **settings)
    assert run.code == 2
    (line,) = run.logged("ERROR")
    assert why in line
    assert run.types == ["STATE", "SCHEMA"], "and it does not end as if all were there"


@pytest.mark.parametrize("length", ["often", "0s", ""])
def test_a_length_that_is_none_is_one_line_before_anything_is_asked(tap: Tap, length: str) -> None:
    run = tap.run("--digest", length, *DAY, sqlalchemy_url="mysql+pymysql://127.0.0.1:1/none")
    assert (run.code, run.stdout) == (2, b"")
    (line,) = run.logged("ERROR")
    assert f"--digest {length}: {length!r} is not a duration" in line


def test_dates_in_the_wrong_order_are_told_as_they_are_written_on_the_command_line(
    tap: Tap,
) -> None:
    run = tap.run("--from", "2026-02-01", "--to", "2026-01-01")
    assert run.code == 2
    (line,) = run.logged("ERROR")
    assert "settings `start_date` (--from) and `end_date` (--to)" in line
    assert line.endswith("Set an end_date after start_date; it is exclusive")
