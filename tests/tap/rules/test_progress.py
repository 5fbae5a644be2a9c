"""Progress survives the state: within bounds, through JSON, from older versions and other hands."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import accumulate
from operator import itemgetter
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.errors import DataError
from tap_oracle_txlog.rules.id_ranges import IdRanges
from tap_oracle_txlog.rules.id_sets import IdSet
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.progress import Progress
from tap_oracle_txlog.rules.questions import Rows
from tap_oracle_txlog.rules.timestamps import Instant, from_nanoseconds, nanoseconds, parse
from tests.tap.rules.scans import KEY, NOON, TABLE, a_scan, at, progress, resumed, row, rows, take

# The state is bounded


def a_long_pass(ids: list[int | str]) -> Progress:
    scan = a_scan(5)
    take(scan, [row(6 + n / 1_000, row_id) for n, row_id in enumerate(ids)])
    return scan.progress


@pytest.mark.parametrize("step", [1, 2, 10, 1_000_003])
def test_300_000_ids_of_equal_distance_fit_into_the_state(step: int) -> None:
    kept = a_long_pass(list(range(step, 300_001 * step, step)))
    assert len(json.dumps(kept.to_bookmark())) < 64_000
    assert kept.left_out == 0


def test_what_does_not_fit_into_the_state_is_left_out_and_counted() -> None:
    random = Random(1)
    ids: list[int | str] = list(accumulate(random.randrange(1, 9) for _ in range(300_000)))
    kept = a_long_pass(ids)
    assert len(json.dumps(kept.to_bookmark())) < 80_000
    assert 0 < kept.left_out < 300_000
    again = resumed(json.loads(json.dumps(kept.to_bookmark())))
    assert again.emitted.count == 300_000 - kept.left_out
    assert again.complete == kept.complete


# Bookmarks


@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.integers() | st.text(max_size=8)),
        unique_by=(lambda one: one[0], lambda one: one[1]),
    ),
    st.sampled_from([int, str]),
    st.sets(st.integers()),
    st.integers(0, 100),
)
def test_a_bookmark_brings_back_the_progress_through_json(
    places: list[tuple[int, int | str]], kind: type, nulls: set[int], watermark: int
) -> None:
    page = [Position(from_nanoseconds(10**18 + n), i) for n, i in sorted(places, key=itemgetter(0))]
    scan = a_scan(watermark, replace(progress(), null_ids=IdSet(IdRanges.of(nulls))))
    take(scan, [one for one in page if isinstance(one.id, kind)], more=True)
    before = scan.progress
    assert resumed(json.loads(json.dumps(before.to_bookmark()))) == before


def test_a_bookmark_is_readable_by_people() -> None:
    scan = a_scan(5)
    take(scan, rows((1, 1), (6, 1001), (6, 1002), (7, 1004)))
    written = scan.progress.to_bookmark()
    parts = written.pop("emitted")
    assert isinstance(parts, list)
    part = parts[0]
    assert {name: part[name] for name in ("since", "before", "ids")} == {
        "since": "2026-11-22T12:00:00.000000000",
        "before": "2026-11-22T12:00:15.000000000",
        "ids": "1,1001-1002,1004",
    }
    assert written == {
        "replication_key": "EVENT_TIMESTAMP",
        "replication_key_value": "2026-11-22T12:00:04.999999999",
        "complete_before": "2026-11-22T12:00:05.000000000",
        "position": {"at": "2026-11-22T12:00:01.000000000", "id": 1},
        "frontier": {"at": "2026-11-22T12:00:07.000000000", "id": 1004},
        "remembered": {"at": "2026-11-22T11:00:00.000000000", "id": None},
        "last_pass": {
            "clock": "2026-11-22T12:01:40.000000000",
            "watermark": "2026-11-22T12:00:05.000000000",
        },
        "table": "SPC.TXLOG_EVENTS",
        "v": 2,
    }


VERSION_1 = {
    "replication_key": KEY,
    "replication_key_value": at(5),
    "position": {"at": at(5), "id": None},
    "emitted": "3-4,9",
    "null_ids": "70",
    "last_pass": {"clock": at(100), "watermark": at(5)},
    "table": TABLE,
    "v": 1,
}


def test_a_state_of_version_1_is_read_without_loss_or_repeat() -> None:
    before = resumed(VERSION_1)
    assert before.complete == before.frontier == Position.before(at(5))
    assert before.null_ids.ids_text == "70"
    scan = a_scan(6, before)
    assert scan.question == Rows(Position.before(at(5)), None)
    assert take(scan, rows((5.5, 3), (6, 20)), more=True) == [False, True]
    again = a_scan(6, resumed(json.loads(json.dumps(scan.progress.to_bookmark()))))
    take(again, [])  # nothing was late
    assert take(again, rows((7, 4), (8, 9), (9, 21))) == [False, False, True]
    assert again.progress.to_bookmark()["v"] == 2
    assert "beyond" not in again.progress.to_bookmark()


def test_the_mark_of_a_run_that_did_not_come_to_its_end_is_let_be() -> None:
    scan = a_scan(5)
    take(scan, rows((1, 1), (6, 2)))
    assert resumed(scan.progress.to_bookmark() | {"reading": True, "late": 3}) == scan.progress


@pytest.mark.parametrize(
    "nothing", [None, {}, {"replication_key": KEY}, {"replication_key_value": None}]
)
def test_without_a_bookmark_it_begins_at_the_start(nothing: dict[str, object] | None) -> None:
    begun = Progress.from_bookmark(nothing, start=at(3), replication_key=KEY, table=TABLE)
    assert begun == progress(Position.before(at(3)))


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ("2026-11-22T12:00:05.5", at(5.5)),
        ("2026-11-22T12:00:05.123456789123", from_nanoseconds(nanoseconds(at(5)) + 123_456_789)),
        ("2026-11-22T12:00:05+00:00", at(5)),
        ("2026-11-22T13:00:05+01:00", at(5)),
        ("2026-11-22 12:00:05", at(5)),
    ],
)
def test_the_plain_bookmark_of_the_sdk_is_a_closed_bound(value: str, bound: Instant) -> None:
    plain: dict[str, object] = {"replication_key": KEY, "replication_key_value": value}
    assert resumed(plain) == progress(Position.before(bound))


def test_a_plain_bookmark_in_utc_is_converted_to_the_clock_of_the_column() -> None:
    plain: dict[str, object] = {
        "replication_key": KEY,
        "replication_key_value": "2026-11-22T12:00Z",
    }
    assert resumed(plain, ZoneInfo("Europe/Berlin")).complete.at == parse("2026-11-22T13:00")


def test_members_that_the_sdk_adds_are_let_be() -> None:
    bookmark = progress(row(1, 1)).to_bookmark() | {
        "starting_replication_value": "x",
        "note": 1,
    }
    assert resumed(bookmark) == progress(row(1, 1))


def test_a_time_changed_by_hand_is_followed_and_everything_after_it_comes_again() -> None:
    scan = a_scan(5)
    take(scan, rows((1, 1), (6, 2)))
    bookmark = scan.progress.to_bookmark()
    bookmark["replication_key_value"] = "2026-11-22T12:00:02"
    assert resumed(bookmark) == progress(Position.before(at(2)))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (
            {"replication_key": "CREATED_AT"},
            "its replication_key is CREATED_AT, not EVENT_TIMESTAMP",
        ),
        ({"table": "SPC.OTHER"}, "its table is SPC.OTHER, not SPC.TXLOG_EVENTS"),
        ({"v": 3}, "its version 3 is not known"),
        ({"v": "1"}, "v"),
        ({"replication_key_value": "soon"}, "'soon' is not a time"),
        ({"replication_key_value": 17}, "replication_key_value"),
        ({"position": {"at": "2026-11-22", "id": 1}}, "'2026-11-22' is not of the form"),
        ({"position": {"at": NOON, "id": 1.5}}, "position.id"),
        ({"position": [NOON, 1]}, "position"),
        ({"emitted": "9-1", "replication_key_value": NOON, "v": 1}, "9-1"),
        ({"emitted": [{"since": NOON, "before": NOON}]}, "is not before"),
        ({"emitted": [{"since": NOON, "before": at(9), "ids": "x"}]}, "'x' is not a range"),
        ({"emitted": [{"since": NOON, "before": at(9), "ids": "z:x"}]}, "compressed ids"),
        ({"emitted": [{"since": NOON, "before": at(9), "checks": "x"}]}, "checks of rows"),
        ({"emitted": [{"since": NOON, "before": at(9)}] * 2}, "not in order"),
        ({"emitted": [{"since": NOON}]}, "before"),
        ({"complete_before": "soon"}, "'soon' is not of the form"),
        ({"emitted": None}, "emitted"),
        ({"null_ids": "x"}, "'x' is not a range"),
        ({"last_pass": {"clock": "x", "watermark": NOON}}, "last_pass"),
    ],
)
def test_a_bookmark_that_is_not_ours_or_damaged_is_refused_with_the_remedy(
    change: dict[str, object], cause: str
) -> None:
    bookmark = progress(Position.before(NOON)).to_bookmark() | change
    with pytest.raises(DataError, match=r"cannot use the bookmark of SPC\.TXLOG_EVENTS") as refused:
        resumed(bookmark)
    assert cause in refused.value.reason
    assert "remove it and set start_date" in refused.value.remedy
