"""Position, page, pass and bookmark, one by one; that together they lose nothing: test_model."""

from __future__ import annotations

import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.errors import DataError
from tap_oracle_txlog.id_ranges import IdRanges, Memory
from tap_oracle_txlog.keyset import PageDidNotAdvanceError, Position, Progress, Scan
from tap_oracle_txlog.timestamps import BEGINNING, Instant, from_nanoseconds, nanoseconds, parse
from tap_oracle_txlog.watermark import LastPass, Watermark

KEY, TABLE = "EVENT_TIMESTAMP", "SPC.TXLOG_EVENTS"
NOON = parse("2026-11-22T12:00")
INSTANTS = st.integers(0, nanoseconds(parse("2100-01-01"))).map(from_nanoseconds)
AT_THE_BEGINNING = Position.before(BEGINNING)
IDS = st.none() | st.integers() | st.text(max_size=8)


def ranges_of(ids: set[int]) -> IdRanges:
    return IdRanges.of(ids)


RANGES = st.sets(st.integers(-20, 20) | st.integers()).map(ranges_of)


def at(second: float) -> Instant:
    return from_nanoseconds(nanoseconds(NOON) + int(second * 1_000_000_000))


def rows(*places: tuple[float, int | str]) -> list[Position]:
    return [row(second, row_id) for second, row_id in places]


def row(second: float, row_id: int | str) -> Position:
    return Position(at(second), row_id)


def progress(complete: Position = AT_THE_BEGINNING, emitted: str = "") -> Progress:
    return Progress(KEY, TABLE, complete, IdRanges.decode(emitted))


def resumed(bookmark: dict[str, object] | None, zone: ZoneInfo | None = None) -> Progress:
    return Progress.from_bookmark(
        bookmark, start=BEGINNING, replication_key=KEY, table=TABLE, zone=zone
    )


def a_scan(
    watermark: float,
    before: Progress | None = None,
    until: float | None = None,
    max_ranges: int = 9,
) -> Scan:
    chosen = Watermark(at(watermark), at(100), "watermark", "the database clock")
    end = None if until is None else at(until)
    return (before or progress()).scan(chosen, until=end, max_ranges=max_ranges)


# Positions and pages


@given(st.lists(st.tuples(st.sampled_from([1.0, 2.0]), st.integers(0, 3)), min_size=2, max_size=2))
def test_positions_follow_each_other_by_time_and_then_by_id(
    places: list[tuple[float, int]],
) -> None:
    one, other = rows(*places)
    assert one.follows(other) == (places[0] > places[1])
    assert one.follows(Position.before(one.at))
    assert not Position.before(one.at).follows(one)
    assert not Position.before(one.at).follows(Position.before(one.at))


@pytest.mark.parametrize(
    "page",
    [
        rows((1, 5)),  # the row it was asked to begin behind
        rows((1, 4), (2, 1)),
        rows((0, 9), (2, 1)),
        rows((2, 2), (2, 1)),
        rows((2, 1), (2, 1)),
        rows((3, 1), (2, 2)),
        rows((2, "b"), (2, "b")),
        rows((2, "b"), (1, "c")),
    ],
)
def test_a_page_that_does_not_move_forward_is_an_error_and_not_a_loop(page: list[Position]) -> None:
    scan = a_scan(10, progress(row(1, 5)))
    before = scan.progress
    with pytest.raises(PageDidNotAdvanceError, match="does not move strictly forward"):
        scan.admit(page)
    assert scan.progress == before


def test_a_page_of_text_ids_that_comes_twice_is_an_error_and_not_a_loop() -> None:
    scan = a_scan(10)
    page = rows((1, "b"), (1, "B"))  # the order of ids is that of the database's collation
    scan.admit(page)
    with pytest.raises(PageDidNotAdvanceError):
        scan.admit(page)


def test_ties_are_cut_between_two_pages_without_loss() -> None:
    scan = a_scan(10)
    assert scan.admit(rows((1, 1), (1, 2))) == [True, True]
    assert scan.after == scan.progress.complete == row(1, 2)
    assert scan.admit(rows((1, 3), (2, 1))) == [True, True]


def test_an_empty_page_changes_nothing() -> None:
    scan = a_scan(10)
    assert scan.admit([]) == []
    assert scan.progress == progress()


# Passes


def test_the_bookmark_follows_the_rows_up_to_the_watermark_and_no_further() -> None:
    scan = a_scan(5)
    scan.admit(rows((1, 1), (4, 2)))
    assert scan.progress == progress(row(4, 2))
    scan.admit(rows((5, 3), (7, 5)))
    assert scan.progress == progress(Position.before(at(5)), "3,5")


def test_rows_beyond_the_watermark_are_read_again_and_emitted_once() -> None:
    scan = a_scan(5)
    scan.admit(rows((4, 1), (6, 2), (7, 3)))
    scan.finish()
    following = a_scan(6.5, scan.progress)
    assert following.admit(rows((5.5, 9), (6, 2), (7, 3), (8, 4))) == [True, False, False, True]
    assert following.progress.emitted.encode() == "3-4"
    assert following.late.rows == 2


def test_a_future_row_is_emitted_once_and_does_not_poison_the_bookmark() -> None:
    scan = a_scan(5)
    assert scan.admit(rows((1, 1), (1_000_000, 2))) == [True, True]
    scan.finish()
    following = a_scan(6, scan.progress)
    assert following.after.at == at(5)
    assert following.admit(rows((5, 3), (1_000_000, 2))) == [True, False]


def test_a_finished_pass_is_complete_up_to_its_watermark_without_any_row() -> None:
    scan = a_scan(5)
    scan.finish()
    assert scan.progress.complete == Position.before(at(5))
    assert scan.progress.last_pass == LastPass(at(100), at(5))


def test_the_bookmark_never_moves_back() -> None:
    scan = a_scan(5, progress(row(8, 1)))
    scan.admit(rows((9, 2)))
    scan.finish()
    assert scan.progress.complete == row(8, 1)


def test_ids_of_purged_rows_leave_the_state_with_the_pass() -> None:
    scan = a_scan(5, progress(Position.before(at(4)), "1-9"))
    scan.admit(rows((6, 2)))
    assert scan.progress.emitted.encode() == "1-9"
    scan.finish()
    assert scan.progress.emitted.encode() == "2"


def test_a_slice_is_complete_at_its_end_and_not_at_the_watermark() -> None:
    scan = a_scan(50, until=10)
    scan.admit(rows((9, 1)))
    assert not scan.progress.covers(at(10))
    scan.finish()
    assert scan.progress.complete == Position.before(at(10))
    assert scan.progress.covers(at(10))
    assert scan.progress.emitted.encode() == ""


def test_a_slice_that_ends_in_the_future_stays_open() -> None:
    scan = a_scan(5, until=10)
    scan.admit(rows((9, 1)))
    scan.finish()
    assert not scan.progress.covers(at(10))
    assert scan.progress.emitted.encode() == "1"


def test_what_the_state_cannot_hold_is_emitted_and_said() -> None:
    scan = a_scan(0, max_ranges=1)
    memory = scan.memory
    assert scan.admit(rows((1, 1), (2, 3), (3, 5))) == [True, True, True]
    assert (memory, scan.memory) == (Memory.EXACT, Memory.TOO_MANY_RANGES)
    assert len(scan.progress.emitted) == 1


def test_text_ids_are_exact_below_the_watermark_and_come_again_beyond_it() -> None:
    scan = a_scan(5)
    assert scan.admit(rows((1, "x"), (2, "y"))) == [True, True]
    memory = scan.memory
    scan.admit(rows((6, "z")))
    assert (memory, scan.memory) == (Memory.EXACT, Memory.IDS_NOT_INTEGERS)
    scan.finish()
    following = a_scan(5, scan.progress)
    assert following.admit(rows((6, "z"))) == [True]
    assert following.late.rows == 0


# Rows without a key


def test_rows_without_a_key_are_emitted_once_in_the_order_of_their_ids() -> None:
    scan = progress().null_key_scan()
    assert scan.admit(rows((0, 3), (0, 8))) == [True, True]
    assert scan.after_id == 8
    scan.finish()
    following = scan.progress.null_key_scan()
    assert following.after_id is None
    assert following.admit(rows((0, 3), (0, 5), (0, 8))) == [False, True, False]
    assert following.progress.null_ids.encode() == "3,5,8"


def test_rows_that_have_got_a_key_or_are_gone_are_forgotten() -> None:
    scan = Progress(
        KEY, TABLE, Position.before(at(0)), null_ids=IdRanges.decode("1-5")
    ).null_key_scan()
    scan.admit(rows((0, 4)))
    scan.finish()
    assert scan.progress.null_ids.encode() == "4"


def test_a_page_of_rows_without_key_must_move_forward_too() -> None:
    scan = progress().null_key_scan()
    scan.admit(rows((0, 3)))
    with pytest.raises(PageDidNotAdvanceError):
        scan.admit(rows((0, 3)))


def test_a_pass_over_keys_leaves_the_ids_without_key_alone() -> None:
    before = Progress(KEY, TABLE, Position.before(at(0)), null_ids=IdRanges.decode("1-5"))
    scan = a_scan(5, before)
    scan.admit(rows((1, 7)))
    scan.finish()
    assert scan.progress.null_ids == before.null_ids


# Bookmarks


@given(INSTANTS, IDS, RANGES, RANGES, st.none() | st.builds(LastPass, INSTANTS, INSTANTS))
def test_a_bookmark_brings_back_the_progress_through_json(
    complete: Instant,
    row_id: int | str | None,
    emitted: IdRanges,
    nulls: IdRanges,
    last: LastPass | None,
) -> None:
    before = Progress(KEY, TABLE, Position(complete, row_id), emitted, nulls, last)
    assert resumed(json.loads(json.dumps(before.to_bookmark()))) == before


def test_a_bookmark_is_readable_by_people() -> None:
    scan = a_scan(5)
    scan.admit(rows((1, 1), (6, 1001), (6, 1002), (7, 1004)))
    scan.finish()
    assert scan.progress.to_bookmark() == {
        "replication_key": "EVENT_TIMESTAMP",
        "replication_key_value": "2026-11-22T12:00:05.000000000",
        "position": {"at": "2026-11-22T12:00:05.000000000", "id": None},
        "emitted": "1001-1002,1004",
        "last_pass": {
            "clock": "2026-11-22T12:01:40.000000000",
            "watermark": "2026-11-22T12:00:05.000000000",
        },
        "table": "SPC.TXLOG_EVENTS",
        "v": 1,
    }


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
    bookmark = progress(row(9, 1), "4-8").to_bookmark()
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
        ({"v": 2}, "its version 2 is not known"),
        ({"v": "1"}, "v"),
        ({"replication_key_value": "soon"}, "'soon' is not a time"),
        ({"replication_key_value": 17}, "replication_key_value"),
        ({"position": {"at": "2026-11-22", "id": 1}}, "'2026-11-22' is not of the form"),
        ({"position": {"at": NOON, "id": 1.5}}, "position.id"),
        ({"position": [NOON, 1]}, "position"),
        ({"emitted": "9-1"}, "9-1"),
        ({"emitted": None}, "emitted"),
        ({"null_ids": "x"}, "'x' is not a range"),
        ({"last_pass": {"clock": "x", "watermark": NOON}}, "last_pass"),
    ],
)
def test_a_bookmark_that_is_not_ours_or_damaged_is_refused_with_the_remedy(
    change: dict[str, object], cause: str
) -> None:
    bookmark = progress(Position.before(NOON), "4-8").to_bookmark() | change
    with pytest.raises(DataError, match=r"cannot use the bookmark of SPC\.TXLOG_EVENTS") as refused:
        resumed(bookmark)
    assert cause in refused.value.reason
    assert "remove it and set start_date" in refused.value.remedy
