"""Pages and passes, one by one; that together they lose nothing: test_model."""

from __future__ import annotations

import json

import pytest

from tap_oracle_txlog.rules.id_ranges import Run
from tap_oracle_txlog.rules.position import NotUniqueError, PageDidNotAdvanceError, Position
from tap_oracle_txlog.rules.questions import Answer, Keys, Rows, RowsAt
from tap_oracle_txlog.rules.scan import Scan
from tap_oracle_txlog.rules.watermark import LastPass, Watermark
from tests.tap.rules.scans import (
    AT_THE_BEGINNING,
    a_scan,
    at,
    progress,
    remembered,
    resumed,
    row,
    rows,
    take,
)

# Pages


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


def test_late_count_of_any_age_are_not_sent_again_by_the_comparison() -> None:
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


def test_where_a_stretch_turns_out_to_be_empty_the_gap_before_it_is_looked_at() -> None:
    scan = a_scan(5)
    take(scan, rows((1, 1), (50, 3), (50, 4)))
    following = a_scan(100, scan.progress)
    take(following, [])
    take(following, rows((1, 1), (5, 4)))
    take(following, [])  # both rows have left the stretch of the 50th second
    take(following, rows((1, 1), (5, 4)))
    assert take(following, rows((5, 4))) == [True]
    take(following, rows((30, 3)))
    assert take(following, rows((30, 3))) == [True]


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
