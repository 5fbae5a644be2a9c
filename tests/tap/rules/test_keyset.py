"""Position, page, pass and bookmark, one by one; that together they lose nothing: test_model."""

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
from tap_oracle_txlog.rules.emitted import IdSet
from tap_oracle_txlog.rules.id_ranges import IdRanges, Run
from tap_oracle_txlog.rules.null_keys import NullKeyScan
from tap_oracle_txlog.rules.progress import PageDidNotAdvanceError, Position, Progress
from tap_oracle_txlog.rules.scan import Answer, Keys, NotUniqueError, Rows, RowsAt, Scan
from tap_oracle_txlog.rules.timestamps import (
    BEGINNING,
    Instant,
    from_nanoseconds,
    nanoseconds,
    parse,
)
from tap_oracle_txlog.rules.watermark import LastPass, Watermark

KEY, TABLE = "EVENT_TIMESTAMP", "SPC.TXLOG_EVENTS"
NOON = parse("2026-11-22T12:00")
AT_THE_BEGINNING = Position.before(BEGINNING)


def at(second: float) -> Instant:
    return from_nanoseconds(nanoseconds(NOON) + round(second * 1_000_000_000))


def rows(*places: tuple[float, int | str]) -> list[Position]:
    return [row(second, row_id) for second, row_id in places]


def row(second: float, row_id: int | str) -> Position:
    return Position(at(second), row_id)


def progress(complete: Position = AT_THE_BEGINNING) -> Progress:
    return Progress.starting(KEY, TABLE, complete)


def resumed(bookmark: dict[str, object] | None, zone: ZoneInfo | None = None) -> Progress:
    return Progress.from_bookmark(
        bookmark, start=BEGINNING, replication_key=KEY, table=TABLE, zone=zone
    )


def a_scan(watermark: float, before: Progress | None = None, until: float | None = None) -> Scan:
    chosen = Watermark(at(watermark), at(100), "watermark", "the database clock")
    end = None if until is None else at(until)
    return Scan(before or progress(), chosen, end)


def take(scan: Scan, positions: list[Position], *, more: bool = False) -> list[bool]:
    return scan.take(Answer(positions, more))


def remembered(progress: Progress) -> list[int | str]:
    """The ids that are remembered, of all stretches."""
    ids = [segment.ids for segment in progress.emitted.segments]
    whole = [n for one in ids for low, high in one.ranges.ranges() for n in range(low, high + 1)]
    return [*whole, *sorted(str(n) for one in ids for n in one.others)]


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
    with pytest.raises((PageDidNotAdvanceError, NotUniqueError)):
        take(scan, page)
    assert scan.progress == before


def test_a_page_of_text_ids_that_comes_twice_is_an_error_and_not_a_loop() -> None:
    scan = a_scan(10)
    page = rows((1, "b"), (1, "B"))  # the order of ids is that of the database's collation
    take(scan, page, more=True)
    with pytest.raises(PageDidNotAdvanceError):
        take(scan, page)


@pytest.mark.parametrize("twin", [row(2, 7), row(3, 7)])
def test_rows_that_share_an_id_are_an_error_also_at_the_edge_of_a_page(twin: Position) -> None:
    scan = a_scan(10)
    with pytest.raises(NotUniqueError, match="holds 7 in more than one row") as refused:
        scan.take(Answer(rows((1, 6), (2, 7)), more=True, following=twin))
    assert "unique" in refused.value.remedy


def test_ties_are_cut_between_two_pages_without_loss() -> None:
    scan = a_scan(10)
    assert take(scan, rows((1, 1), (1, 2)), more=True) == [True, True]
    assert scan.question == Rows(row(1, 2), None)
    assert scan.progress.complete == row(1, 2)
    assert scan.progress.complete_before == at(1)  # a row of that instant may be missing
    assert take(scan, rows((1, 3), (2, 4))) == [True, True]


def test_a_pass_over_nothing_ends_where_it_began() -> None:
    scan = a_scan(10)
    assert take(scan, []) == []
    assert scan.is_done
    assert scan.progress.complete == scan.progress.frontier == AT_THE_BEGINNING


# Passes


def test_reading_goes_on_behind_the_newest_row_and_never_beyond_it() -> None:
    scan = a_scan(50)
    take(scan, rows((1, 1), (4, 2)))
    assert scan.progress.complete == scan.progress.frontier == row(4, 2)
    assert scan.progress.complete_before == at(50)
    following = a_scan(60, scan.progress)
    assert following.question == Rows(row(4, 2), None)
    assert take(following, rows((5, 3))) == [True]
    assert following.late.below == 1


def test_what_is_out_beyond_the_watermark_is_left_out_of_the_next_question() -> None:
    scan = a_scan(5)
    take(scan, rows((4, 1), (6, 2), (7, 3)))
    assert (scan.progress.complete, scan.progress.frontier) == (row(4, 1), row(7, 3))
    following = a_scan(6.5, scan.progress)
    assert following.question == Rows(row(4, 1), at(7.000000001), [Run(1, 3)])
    assert take(following, rows((5.5, 9))) == [True]
    assert following.question == Rows(row(7, 3), None)
    assert take(following, rows((8, 4))) == [True]
    assert remembered(following.progress) == [1, 2, 3, 4, 9]
    assert following.late.rows == 2


def test_a_look_at_what_is_new_makes_nothing_complete() -> None:
    scan = a_scan(5)
    take(scan, rows((4, 1), (6, 2)))
    look = Scan(scan.progress, None)
    assert look.question == Rows(row(6, 2), None)
    take(look, rows((7, 3)))
    assert look.is_done
    assert look.progress.complete == row(4, 1)
    assert look.progress.complete_before == at(5)
    assert look.progress.frontier == row(7, 3)


def test_late_rows_of_any_age_are_not_sent_again_by_the_comparison() -> None:
    look = Scan(progress(), None)
    take(look, rows((1, 1)))
    scan = a_scan(10_000, look.progress)
    assert take(scan, rows((0.5, 2), (1, 3))) == [True, True]
    assert getattr(scan.question, "until", None) == at(15)
    take(scan, rows((0.5, 2), (1, 1), (1, 3)))
    assert scan.question == Rows(row(1, 3), None)


def test_a_stretch_that_the_watermark_has_passed_is_compared_and_then_left() -> None:
    scan = a_scan(5)
    take(scan, rows((6, 1), (7, 2), (20, 3)))
    following = a_scan(16, scan.progress)
    take(following, [])
    assert getattr(following.question, "until", None) == at(15)
    take(following, rows((6, 1), (7, 2)))
    assert following.progress.complete == Position.before(at(15))
    assert following.question == Rows(row(20, 3), None)


@pytest.mark.parametrize(
    ("standing", "sent"),
    [
        (rows((6, 1)), []),  # one is gone
        (rows((6, 1), (7, 2), (8, 9)), [9]),  # one was late just then
        (rows((6, 1), (8, 2)), [2]),  # one has got another time
        (rows((7, 1), (8, 2)), [1, 2]),
    ],
)
def test_a_comparison_tells_what_is_gone_new_or_moved(
    standing: list[Position], sent: list[int]
) -> None:
    scan = a_scan(5)
    take(scan, rows((6, 1), (7, 2), (20, 3)))
    following = a_scan(16, resumed(json.loads(json.dumps(scan.progress.to_bookmark()))))
    take(following, [])
    take(following, standing)
    if sent:
        assert isinstance(following.question, RowsAt)
        assert [one.id for one in following.question.positions] == sent
        new = take(following, list(following.question.positions))
        assert new == [True] * len(sent)
    assert following.question == Rows(row(20, 3), None)
    assert following.moved == sum(one in {1, 2} for one in sent)


def test_an_id_that_comes_at_another_time_is_an_error_while_its_row_stands() -> None:
    scan = a_scan(5)
    take(scan, rows((6, 1), (7, 2)))
    following = a_scan(5, scan.progress)
    take(following, [])  # what is late
    take(following, [])  # keys before the first stretch
    assert take(following, rows((40, 2))) == [False]
    assert take(following, rows((6, 1), (7, 2))) == [False, False]
    assert following.question == RowsAt([row(7, 2), row(40, 2)])
    with pytest.raises(NotUniqueError):
        take(following, rows((7, 2), (40, 2)))


def test_an_id_that_comes_at_another_time_is_sent_again_when_its_row_is_gone() -> None:
    scan = a_scan(5)
    take(scan, rows((6, 1), (7, 2)))
    following = a_scan(5, scan.progress)
    take(following, [])  # what is late
    take(following, [])  # keys before the first stretch
    assert take(following, rows((40, 2))) == [False]
    take(following, rows((6, 1)))
    assert take(following, rows((40, 2))) == [True]
    assert following.moved == 1
    assert following.is_done


def test_a_row_with_the_id_of_one_in_the_future_is_noticed_before_that_is_reached() -> None:
    scan = a_scan(5)
    take(scan, rows((1, 1), (10_000, 2)))
    following = a_scan(60, scan.progress)
    assert following.question == Rows(row(1, 1), at(10_000.000000001), [Run(1, 2)])
    take(following, [])
    take(following, rows((1, 1)))
    assert repr(following.question) == repr(Keys(Position.before(at(15)), at(60)))
    take(following, rows((40, 2)))
    take(following, rows((10_000, 2)))
    with pytest.raises(NotUniqueError):
        take(following, rows((40, 2), (10_000, 2)))


def test_a_row_that_was_moved_from_the_future_into_a_gap_is_sent_again() -> None:
    scan = a_scan(5)
    take(scan, rows((1, 1), (10_000, 2)))
    following = a_scan(60, scan.progress)
    take(following, [])
    take(following, rows((1, 1)))
    take(following, rows((40, 2)))
    take(following, [])  # nothing stands at the old place
    take(following, rows((40, 2)))
    assert take(following, rows((40, 2))) == [True]
    assert following.progress.complete == Position.before(at(60))


def test_a_far_future_row_is_sent_once_and_the_frontier_does_not_follow_it() -> None:
    scan = a_scan(5)
    far = row(1_000_000, 2)
    assert take(scan, [row(1, 1), far]) == [True, True]
    assert scan.progress.frontier == row(1, 1)
    following = a_scan(6, scan.progress)
    assert getattr(following.question, "until", None) == at(100 + 86_400)
    assert take(following, rows((5, 3))) == [True]
    for standing in ([far], []):
        assert "Keys" in repr(following.question)
        take(following, standing)
    assert following.is_done


def test_a_finished_pass_is_complete_up_to_its_watermark_without_any_row() -> None:
    scan = a_scan(5)
    take(scan, [])
    assert scan.progress.complete_before == at(5)
    assert scan.progress.last_pass == LastPass(at(100), at(5))
    assert scan.progress.to_bookmark()["replication_key_value"] == at(4.999999999)


def test_what_is_complete_never_moves_back_while_clocks_go_on() -> None:
    scan = a_scan(5, progress(row(8, 1)))
    take(scan, rows((9, 2)))
    assert scan.progress.complete == row(8, 1)


def test_after_the_clock_went_back_rows_are_looked_for_behind_where_it_was_complete() -> None:
    scan = a_scan(5, progress(row(1, 1)))
    take(scan, rows((2, 2), (3, 3)))
    assert scan.progress.complete == row(3, 3)
    back = Watermark(at(2), at(3), "watermark", "the database clock", went_back=97)
    following = Scan(scan.progress, back)
    assert following.progress.complete == row(1, 1)
    assert following.progress.complete_before == at(2)
    assert following.question == Rows(row(1, 1), at(3.000000001), [Run(2, 3)])


def test_after_the_clock_went_back_what_the_state_had_no_room_for_comes_again() -> None:
    scan = a_scan(60, progress(row(1, 1)))
    take(scan, rows((2, 2), (31, 3)))
    again = resumed(json.loads(json.dumps(scan.progress.to_bookmark(size=200))))
    assert remembered(again) == [3]
    back = Scan(again, Watermark(at(2), at(3), "watermark", "the database clock", went_back=97))
    assert back.question == Rows(row(1, 1), at(31.000000001), [Run(3, 3)])
    assert take(back, rows((2, 2), (2.5, 9))) == [True, True]


def test_a_slice_is_complete_at_its_end_and_not_at_the_watermark() -> None:
    scan = a_scan(50, until=10)
    take(scan, rows((9, 1)), more=True)
    assert not scan.progress.covers(at(10))
    take(scan, [])
    assert scan.progress.complete == Position.before(at(10))
    assert scan.progress.covers(at(10))
    assert scan.progress.emitted.count == 0


def test_a_slice_that_ends_in_the_future_stays_open() -> None:
    scan = a_scan(5, until=10)
    take(scan, rows((9, 1)))
    assert not scan.progress.covers(at(10))
    assert remembered(scan.progress) == [1]


def test_text_ids_are_remembered_in_the_process_and_in_the_state() -> None:
    scan = a_scan(5)
    assert take(scan, rows((1, "x"), (6, "z"))) == [True, True]
    for before in (scan.progress, resumed(json.loads(json.dumps(scan.progress.to_bookmark())))):
        following = a_scan(5, before)
        assert "Keys" in repr(following.question)  # no statement can name them all
        take(following, rows((1, "x"), (6, "z"), (6, "a")))
        assert following.question == RowsAt(rows((6, "a")))


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


# Rows without a key


def test_rows_without_a_key_are_emitted_once_in_the_order_of_their_ids() -> None:
    scan = NullKeyScan(progress())
    assert scan.admit(rows((0, 3), (0, 8))) == [True, True]
    assert scan.after_id == 8
    scan.finish()
    following = NullKeyScan(scan.progress)
    assert following.after_id is None
    assert following.admit(rows((0, 3), (0, 5), (0, 8))) == [False, True, False]
    assert following.progress.null_ids.ids_text == "3,5,8"


def test_rows_that_have_got_a_key_or_are_gone_are_forgotten() -> None:
    scan = NullKeyScan(replace(progress(), null_ids=IdSet(IdRanges.decode("1-5"))))
    scan.admit(rows((0, 4)))
    scan.finish()
    assert scan.progress.null_ids.ids_text == "4"


def test_a_page_of_rows_without_key_must_move_forward_too() -> None:
    scan = NullKeyScan(progress())
    scan.admit(rows((0, 3)))
    with pytest.raises(PageDidNotAdvanceError):
        scan.admit(rows((0, 3)))


def test_a_pass_over_keys_leaves_the_ids_without_key_alone() -> None:
    before = replace(progress(), null_ids=IdSet(IdRanges.decode("1-5")))
    scan = a_scan(5, before)
    take(scan, rows((1, 7)))
    assert scan.progress.null_ids == before.null_ids


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
