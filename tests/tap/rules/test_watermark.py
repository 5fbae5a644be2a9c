"""The watermark is never later than what the open transactions, the clocks and look-back allow."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.errors import AccessDeniedError, ConfigurationError
from tap_oracle_txlog.rules.late_count import Late, LateCount
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import Instant, from_nanoseconds, nanoseconds, parse
from tap_oracle_txlog.rules.watermark import (
    LastPass,
    NoneOpen,
    NotReadable,
    Oldest,
    choose_watermark,
)

if TYPE_CHECKING:
    from tap_oracle_txlog.rules.watermark import OpenTransactions, Strategy, Watermark

CLOCK = parse("2026-11-22T12:00:00")
NO_RIGHT = NotReadable("ORA-00942 on V$TRANSACTION", "GRANT SELECT ON V_$TRANSACTION")
NO_VIEW = NotReadable("sqlite has no such view", "use lookback", right_missing=False)
INSTANTS = st.integers(0, nanoseconds(parse("2100-01-01"))).map(from_nanoseconds)
SECONDS = st.floats(0, 10_000)


@given(INSTANTS, INSTANTS, SECONDS, SECONDS)
def test_it_stays_behind_clock_and_oldest_transaction_by_skew_and_lookback(
    clock: Instant, oldest: Instant, lookback: float, skew: float
) -> None:
    watermark = choose_watermark(
        clock, Oldest(oldest), strategy="auto", lookback=lookback, skew=skew
    )
    exact = nanoseconds(min(clock, oldest)) - int((Fraction(lookback) + Fraction(skew)) * 10**9)
    assert exact - 2_000 <= nanoseconds(watermark.at) <= max(0, exact)
    assert watermark.clock == clock


@pytest.mark.parametrize(
    ("strategy", "known", "at", "kept"),
    [
        ("auto", Oldest(parse("2026-11-22T11:00:00")), "10:54:58", "watermark"),
        ("auto", NoneOpen(), "11:54:58", "watermark"),
        ("auto", NO_RIGHT, "11:54:58", "lookback"),
        ("watermark", Oldest(parse("2026-11-22T11:00:00")), "10:54:58", "watermark"),
        ("watermark", NoneOpen(), "11:54:58", "watermark"),
        ("lookback", Oldest(parse("2026-11-22T11:00:00")), "11:54:58", "lookback"),
        ("lookback", NO_RIGHT, "11:54:58", "lookback"),
    ],
)
def test_each_strategy_uses_what_it_is_told_to_use(
    strategy: Strategy, known: OpenTransactions, at: str, kept: str
) -> None:
    watermark = choose_watermark(CLOCK, known, strategy=strategy, lookback=300, skew=2)
    assert watermark.at == parse(f"2026-11-22T{at}")
    assert watermark.strategy == kept


def test_the_fall_to_lookback_is_reported_where_it_is_one() -> None:
    def fallen(strategy: Strategy, known: OpenTransactions) -> NotReadable | None:
        return choose_watermark(CLOCK, known, strategy=strategy, lookback=1, skew=0).fallen_from

    assert fallen("auto", NO_RIGHT) is NO_RIGHT
    assert fallen("auto", NoneOpen()) is None
    assert fallen("lookback", NO_RIGHT) is None


@pytest.mark.parametrize(
    ("known", "error"), [(NO_RIGHT, AccessDeniedError), (NO_VIEW, ConfigurationError)]
)
def test_a_watermark_that_cannot_be_kept_is_refused_with_the_remedy(
    known: NotReadable, error: type[Exception]
) -> None:
    with pytest.raises(error, match=known.remedy.replace("$", r"\$")) as refused:
        choose_watermark(CLOCK, known, strategy="watermark", lookback=300, skew=2)
    assert known.why in str(refused.value)


def test_it_says_what_holds_it_back_and_by_how_much() -> None:
    holder = Oldest(parse("2026-11-22T11:00:00"), "SPC.APP, session 12,3456")
    held = choose_watermark(CLOCK, holder, strategy="auto", lookback=300, skew=2)
    assert (held.held_by, held.lag) == ("SPC.APP, session 12,3456", 3_902)
    nameless = choose_watermark(CLOCK, Oldest(held.at), strategy="auto", lookback=300, skew=2)
    assert nameless.held_by == "an open transaction"
    free = choose_watermark(CLOCK, NoneOpen(), strategy="auto", lookback=300, skew=2)
    assert (free.held_by, free.lag) == ("the database clock", 302)


def test_a_transaction_from_the_future_does_not_move_it_beyond_the_clock() -> None:
    ahead = Oldest(parse("2026-11-22T12:00:01"))
    watermark = choose_watermark(CLOCK, ahead, strategy="auto", lookback=0, skew=0)
    assert (watermark.at, watermark.held_by) == (CLOCK, "the database clock")


def test_it_is_in_the_clock_of_the_column() -> None:
    watermark = choose_watermark(
        CLOCK, NoneOpen(), strategy="auto", lookback=0, skew=0, zone=ZoneInfo("Europe/Berlin")
    )
    assert watermark.at == watermark.clock == parse("2026-11-22T13:00:00")


LAST = LastPass(clock=parse("2026-11-22T12:00:00"), watermark=parse("2026-11-22T11:55:00"))


def page(*times: str) -> list[Position]:
    return [Position(parse(f"2026-11-22T{at}"), row) for row, at in enumerate(times)]


def test_rows_that_the_last_pass_should_have_seen_are_counted_as_late() -> None:
    late = LateCount(LAST)
    late.count(page("11:58:30", "11:59:00", "12:00:00"))
    late.count(page("12:00:01"))
    late.count([])
    assert (late.rows, late.most_seconds, late.margin_seconds, late.below) == (2, 90, 210, 0)


def test_rows_below_the_watermark_of_the_last_pass_are_counted_apart() -> None:
    late = LateCount(LAST)
    late.count(page("11:00:00", "11:54:59", "11:59:00"))
    assert (late.rows, late.below, late.most_seconds, late.margin_seconds) == (3, 2, 3_600, 240)
    assert late.added_to(None).margin == 0, "those are missed"


def test_a_state_counts_what_came_late_in_whole_seconds_and_never_too_well() -> None:
    late = LateCount(LAST)
    late.count(page("11:58:30.4", "11:59:00"))
    assert late.added_to(None) == Late(rows=2, seconds=90, margin=210)
    assert late.added_to(Late(40, 3_600, 1)) == Late(rows=42, seconds=90, margin=210)


@pytest.mark.parametrize(
    ("known", "held_by"),
    [
        (NoneOpen(), "clock"),
        (NO_RIGHT, "clock"),
        (Oldest(parse("2026-11-22T11:00:00")), "transaction"),
        (Oldest(parse("2026-11-22T13:00:00")), "clock"),
    ],
)
def test_a_pass_tells_what_held_its_watermark_and_the_window(
    known: OpenTransactions, held_by: str
) -> None:
    watermark = choose_watermark(CLOCK, known, strategy="auto", lookback=300, skew=1.5)
    told = watermark.as_last_pass
    assert (told.held_by, told.window) == (held_by, 302)


def test_no_row_is_late_before_a_pass_has_been_finished() -> None:
    late = LateCount(None)
    late.count(page("11:57:00"))
    assert late.rows == 0
    assert not late.nearly_missed(300)


@pytest.mark.parametrize(("at", "warns"), [("11:55:59", True), ("11:56:00", False)])
def test_a_row_that_used_up_four_fifths_of_the_window_is_worth_a_warning(
    at: str, *, warns: bool
) -> None:
    late = LateCount(LAST)
    late.count(page(at))
    assert late.nearly_missed(300) is warns


@pytest.mark.parametrize(("clock", "watermark"), [("yesterday", CLOCK), (CLOCK, "2026-11-22")])
def test_a_last_pass_has_real_times(clock: str, watermark: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        LastPass(Instant(clock), Instant(watermark))


# Clocks that change


def chosen(
    clock: str,
    known: OpenTransactions,
    last: LastPass | None = None,
    other: str | None = None,
    *,
    skew: float = 0,
) -> Watermark:
    return choose_watermark(
        parse(f"2026-11-22T{clock}"),
        known,
        strategy="auto",
        lookback=0,
        skew=skew,
        last=last,
        other_clock=None if other is None else parse(f"2026-11-22T{other}"),
    )


def began(at: str, identity: str = "", offset: int | None = None) -> Oldest:
    return Oldest(parse(f"2026-11-22T{at}"), identity=identity, host_offset=offset)


def test_a_transaction_that_is_still_the_same_has_not_begun_later() -> None:
    before = chosen("12:00:00", began("09:00:00", "1.2.3"))
    same = chosen("12:00:01", began("10:00:00", "1.2.3"), before.as_last_pass)
    other = chosen("12:00:01", began("10:00:00", "1.2.4"), before.as_last_pass)
    nameless = chosen("12:00:01", began("10:00:00"), before.as_last_pass)
    assert same.at == parse("2026-11-22T09:00:00")
    assert other.at == nameless.at == parse("2026-11-22T10:00:00")
    again = chosen("12:00:02", began("10:00:00", "1.2.3"), same.as_last_pass)
    assert again.at == same.at


def test_after_the_hosts_clock_went_back_a_transaction_counts_as_begun_an_hour_earlier() -> None:
    before = chosen("12:00:00", NoneOpen(7_200))
    held = chosen("12:00:10", began("11:30:00", "a", 3_600), before.as_last_pass)
    assert held.at == parse("2026-11-22T10:30:00")
    later = chosen("12:30:00", began("12:20:00", "b", 3_600), held.as_last_pass)
    assert later.at == parse("2026-11-22T11:20:00")
    over = chosen("14:00:00", began("13:30:00", "c", 3_600), later.as_last_pass)
    assert over.at == parse("2026-11-22T13:30:00")


def test_after_the_hosts_clock_went_back_twice_it_may_have_begun_before_both_changes() -> None:
    before = chosen("12:00:00", NoneOpen(10_800))
    between = chosen("12:00:10", NoneOpen(7_200), before.as_last_pass)
    held = chosen("12:00:20", began("13:30:00", "a", 3_600), between.as_last_pass)
    assert held.at == parse("2026-11-22T11:30:00")
    over = chosen("15:00:00", began("14:30:00", "b", 3_600), held.as_last_pass)
    assert over.at == parse("2026-11-22T14:30:00")


def test_a_start_in_the_future_is_one_before_the_hosts_clock_went_back() -> None:
    before = chosen("12:00:00", NoneOpen(7_200))
    held = chosen("12:00:10", began("12:40:00", "a", 3_600), before.as_last_pass)
    assert held.at == parse("2026-11-22T11:40:00")


@pytest.mark.parametrize("seconds", [0, 1, 2])
def test_it_may_have_begun_just_then_on_a_node_that_is_ahead(seconds: int) -> None:
    before = chosen("12:00:00", NoneOpen(7_200), skew=2)
    began_then = began(f"13:00:{10 + seconds:02}", "a", 3_600)
    held = chosen("12:00:10", began_then, before.as_last_pass, skew=2)
    later = chosen("12:30:00", began_then, held.as_last_pass, skew=2)
    assert later.at <= parse(f"2026-11-22T12:00:{8 + seconds:02}")


def test_a_host_clock_that_goes_on_changes_nothing() -> None:
    before = chosen("12:00:00", NoneOpen(3_600))
    held = chosen("12:00:10", began("10:30:00", "a", 7_200), before.as_last_pass)
    assert held.at == parse("2026-11-22T10:30:00")


@pytest.mark.parametrize(
    ("clock", "other", "back"),
    [
        ("12:00:00", None, 0),
        ("11:45:00", None, 900),
        ("11:45:00", "15:00:00", 900),
        ("12:10:00", "15:25:00", 900),  # made up for since; only the other clock tells
        ("12:10:00", "15:10:02", 0),  # as far as the nodes may be apart
        ("12:10:00", "15:10:03", 3),
        ("12:10:00", "15:00:00", 0),
    ],
)
def test_a_database_clock_that_went_back_is_noticed(
    clock: str, other: str | None, back: float
) -> None:
    before = chosen("12:00:00", NoneOpen(), other="15:00:00")
    assert chosen(clock, NoneOpen(), before.as_last_pass, other).went_back == back


def test_a_pass_in_which_the_other_clock_told_nothing_does_not_hide_that() -> None:
    before = chosen("12:00:00", NoneOpen(), other="15:00:00")
    between = chosen("12:05:00", NoneOpen(), before.as_last_pass)
    assert between.went_back == 0
    assert chosen("12:10:00", NoneOpen(), between.as_last_pass, "15:25:00").went_back == 900
