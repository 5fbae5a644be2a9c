"""What a target learns of the tap's passes from STATEs, and what it does not make up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.metrics.passes import Passes, PassesSoFar

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def text(seconds: float) -> str:
    """That many seconds after noon, as our tap writes it."""
    at = NOON + timedelta(seconds=seconds)
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "000"


def bookmark(
    complete: float = 0, late: tuple[int, int, int] | None = None, zone: float = 0, **clocks: object
) -> dict[str, Any]:
    """One of our tap, whose clock is ``zone`` seconds ahead of UTC."""
    of_pass = {
        "clock": text(302 + zone),
        "watermark": text(zone),
        "utc": text(302),
        "held_by": "clock",
        "window": 302,
        **clocks,
    }
    found = {"replication_key_value": text(complete + zone), "last_pass": of_pass}
    if late is not None:
        found["came_late"] = dict(zip(("rows", "seconds", "margin"), late, strict=True))
    return found


def told(*bookmarks: dict[str, Any]) -> Passes:
    so_far = PassesSoFar()
    for one in bookmarks:
        so_far.note({"bookmarks": {"T": one}})
        so_far.release({"bookmarks": {"T": one}})
    return so_far.passes


def test_a_pass_of_our_tap_tells_all() -> None:
    assert told({}, bookmark()) == Passes(
        complete=NOON.timestamp(), lag=302, held_by="clock", window=302, late_rows=0
    )


def test_the_newest_pass_counts_although_it_has_not_ended() -> None:
    one = bookmark()
    one["clocks"] = {**one["last_pass"], "watermark": text(-3_000), "held_by": "transaction"}
    assert (told({}, one).lag, told({}, one).held_by) == (3_302, "transaction")


def test_a_pass_of_an_earlier_run_is_not_shown_as_one_of_this_run() -> None:
    assert told(bookmark(), bookmark()).lag is None
    assert told(bookmark(), bookmark(), bookmark(clock=text(900))).lag == 900


def test_of_several_tables_the_one_that_is_furthest_behind_is_shown() -> None:
    so_far = PassesSoFar()
    so_far.note({"bookmarks": {"OLD": bookmark(watermark=text(-9_000))}})
    held = bookmark(watermark=text(-600), held_by="transaction", utc=text(1))
    tables = {"OLD": bookmark(watermark=text(-9_000)), "A": held, "B": bookmark()}
    so_far.note({"bookmarks": tables})
    assert (so_far.passes.lag, so_far.passes.held_by) == (902, "transaction")


def test_a_column_in_another_zone_does_not_move_the_time() -> None:
    assert told({}, bookmark(complete=7, zone=3_600)).complete == NOON.timestamp() + 7


def test_what_an_earlier_build_of_the_tap_does_not_say_is_not_known() -> None:
    old = bookmark()
    for name in ("held_by", "window", "utc"):
        del old["last_pass"][name]
    old["late"] = 7
    assert told({}, old) == Passes(lag=302, late_rows=0)


@pytest.mark.parametrize(
    ("value", "complete"),
    [
        ("2026-11-22T12:00:00+00:00", NOON.timestamp()),
        ("2026-11-22T14:00:00+02:00", NOON.timestamp()),
        ("2026-11-22T12:00:00Z", NOON.timestamp()),
        ("2026-11-22T12:00:00", None),  # nobody says in which zone
        ("0001-01-01T00:00:00Z", None),
        ("42", None),
        (42, None),
        (None, None),
    ],
    ids=repr,
)
def test_of_another_tap_only_the_complete_time_is_known(
    value: object, complete: float | None
) -> None:
    assert told({"replication_key_value": value}) == Passes(complete=complete)


@pytest.mark.parametrize("last_pass", ["yesterday", {"clock": 3}, [], {"clock": "x"}])
def test_a_member_of_another_form_is_not_ours(last_pass: object) -> None:
    assert told({"replication_key_value": text(0), "last_pass": last_pass}) == Passes()


def test_the_slowest_stream_or_slice_decides() -> None:
    so_far = PassesSoFar()
    slices = [{"context": {"start": n}, **bookmark(complete=n)} for n in (50, 20)]
    so_far.release({"bookmarks": {"A": {"partitions": slices}, "B": bookmark(complete=30)}})
    assert so_far.passes.complete == NOON.timestamp() + 20
    so_far.release({"bookmarks": {"A": bookmark(complete=60)}})
    assert so_far.passes.complete == NOON.timestamp() + 30


def test_a_table_that_is_not_read_any_more_does_not_decide() -> None:
    so_far = PassesSoFar()
    both = {"A": bookmark(complete=60), "OLD": bookmark(complete=1)}
    so_far.release({"bookmarks": both, "retired": [{"stream": "OLD"}]})
    assert so_far.passes.complete == NOON.timestamp() + 60


def test_what_has_not_left_is_not_complete() -> None:
    so_far = PassesSoFar()
    so_far.release({"bookmarks": {"T": bookmark(complete=1)}})
    so_far.note({"bookmarks": {"T": bookmark(complete=2)}})
    assert so_far.passes.complete == NOON.timestamp() + 1


def test_streams_without_times_do_not_hide_those_with_one() -> None:
    so_far = PassesSoFar()
    so_far.release({"bookmarks": {"A": {"replication_key_value": "7"}, "B": bookmark(), "C": {}}})
    assert so_far.passes.complete == NOON.timestamp()


def test_the_worst_of_the_run_is_kept_and_what_came_before_it_is_not_its_own() -> None:
    before = (5, 900, 0)
    assert told(bookmark(late=before), bookmark(late=before)).late_seconds is None
    passes = told(*(bookmark(late=one) for one in (before, (7, 40, 262), (7, 40, 262), (8, 9, 30))))
    assert (passes.late_rows, passes.late_seconds, passes.late_margin) == (3, 40, 30)


def test_without_a_bookmark_at_first_all_that_comes_late_is_of_this_run() -> None:
    assert told({}, bookmark(late=(2, 40, 262))).late_rows == 2


@given(st.lists(st.integers(0, 5), min_size=1))
def test_late_rows_are_those_between_the_first_state_and_the_last(added: list[int]) -> None:
    totals = [sum(added[: n + 1]) for n in range(len(added))]
    passes = told(*(bookmark(late=(total, 1, 1)) for total in totals))
    assert passes.late_rows == sum(new - old for old, new in pairwise(totals))
