"""The loop: whatever a source does to it, every row comes out once, and people hear why."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.errors import DataError, SourceUnreachableError
from tap_oracle_txlog.extraction import NULL_KEYS_COUNTED, Extraction
from tap_oracle_txlog.reading import Emission, ExtractionSettings, NullKey, Pause
from tap_oracle_txlog.rules.id_ranges import IdRanges
from tap_oracle_txlog.rules.progress import Progress
from tap_oracle_txlog.rules.timestamps import BEGINNING, plus
from tap_oracle_txlog.rules.watermark import NotReadable, Oldest
from tap_oracle_txlog.source import PageTooLargeError
from tap_oracle_txlog.stop import Stopped
from tests.tap.listed import Database, at, lost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.source import Source

SETTINGS = ExtractionSettings(
    page_size=10,
    max_records=0,
    strategy="auto",
    lookback=60,
    skew=0,
    null_key="warn",
    poll_interval=0,
)
TOO_LARGE = PageTooLargeError(SourceUnreachableError("the page took too long", "Lower page_size"))


def filled(count: int, **more: object) -> Database:
    """``count`` rows; each second has two of them."""
    database = Database(**more)  # type: ignore[arg-type]  # fields by name
    for number in range(count):
        database.insert(number // 2, number)
    return database


def never(seconds: float) -> None:
    msg = f"nothing is to wait here, but {seconds} s were asked for"
    raise AssertionError(msg)


class Reading(Extraction):
    """Makes the pauses, as a run with one table does."""

    def read(
        self, progress: Progress, *, until: Instant | None = None
    ) -> Iterator[Emission[Progress]]:
        for step in self.emissions(progress, until=until):
            if isinstance(step, Pause):
                self.sleep(step.seconds)
            else:
                yield step

    sleep: Callable[[float], None]


def extraction(
    database: Database,
    settings: ExtractionSettings = SETTINGS,
    *,
    waits: Iterable[float] = (),
    sleep: Callable[[float], None] = never,
    clock: Callable[[], float] = lambda: 0.0,
) -> Reading:
    connect: Callable[[], Source] = database.connect
    reading = Reading(connect, settings, waits=lambda: waits, sleep=sleep, clock=clock)
    reading.sleep = sleep
    return reading


def beginning(bookmark: Mapping[str, object] | None = None) -> Progress:
    return Progress.from_bookmark(bookmark, start=BEGINNING, replication_key="KEY", table="T")


def keep(emissions: Iterable[Emission[Progress]], seen: list[Emission[Progress]]) -> None:
    """Put the emissions into ``seen``, where they are to be found also when the reading fails."""
    for emission in emissions:
        seen.append(emission)  # noqa: PERF402  # `extend` would keep none of them


def ids(emissions: Iterable[Emission[Progress]]) -> list[object]:
    return [row.record()["ID"] for emission in emissions for row in emission.rows]


def run(
    database: Database,
    settings: ExtractionSettings = SETTINGS,
    progress: Progress | None = None,
    *,
    until: Instant | None = None,
) -> tuple[list[object], Progress]:
    """One run from ``progress`` on: the ids that came out, and the progress behind them."""
    emissions = list(extraction(database, settings).read(progress or beginning(), until=until))
    return ids(emissions), emissions[-1].progress


def messages(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [entry.message for entry in caplog.records if entry.levelno == level]


# Losing the source


@given(
    st.integers(0, 25),
    st.integers(1, 7),
    st.sets(st.integers(0, 30), max_size=12),
)
def test_a_source_that_is_lost_at_any_question_costs_no_row_and_repeats_none(
    count: int, page_size: int, losses: set[int]
) -> None:
    database = filled(count)

    def trouble(_question: str) -> None:
        if len(database.asked) in losses:
            raise lost()

    database.trouble = trouble
    reading = extraction(
        database,
        replace(SETTINGS, page_size=page_size),
        waits=repeat(1.0, 99),
        sleep=lambda _seconds: None,
    )
    assert ids(reading.read(beginning())) == database.ids()
    reading.close()
    assert database.opened == database.closed


def test_after_a_loss_reading_goes_on_behind_the_last_row_and_under_the_same_watermark() -> None:
    database = filled(6)

    def trouble(question: str) -> None:
        if question == "page" and database.asked.count("page") == 2:
            raise lost()

    database.trouble = trouble
    reading = extraction(
        database, replace(SETTINGS, page_size=3), waits=[1], sleep=lambda _seconds: None
    )
    assert [ids([emission]) for emission in reading.read(beginning())] == [
        [0, 1, 2],
        [3, 4, 5],
    ]
    assert database.asked[3:7] == ["page", "page", "connect", "page"]
    assert database.asked.count("clock") == 1


def test_when_the_waits_are_used_up_the_error_is_the_one_of_the_source() -> None:
    def trouble(_question: str) -> None:
        raise lost()

    waited: list[float] = []
    database = Database(trouble=trouble)
    reading = extraction(database, waits=[0.5, 1, 2], sleep=waited.append)
    with pytest.raises(SourceUnreachableError, match=r"^cannot reach the list") as gone:
        list(reading.read(beginning()))
    assert (waited, len(database.asked)) == ([0.5, 1, 2], 4)
    assert gone.value.exit_code == 4


def test_each_loss_has_all_waits_of_its_own() -> None:
    database = filled(20)
    losing = iter(chain.from_iterable([[False, True, True]] * 99))

    def trouble(question: str) -> None:
        if question == "page" and next(losing):
            raise lost()

    database.trouble = trouble
    waited: list[float] = []
    reading = extraction(
        database, replace(SETTINGS, page_size=4), waits=[1, 2], sleep=waited.append
    )
    assert ids(reading.read(beginning())) == database.ids()
    assert waited == [1, 2] * 4


def test_every_wait_is_announced_with_its_cause_and_its_length(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = Database()

    def trouble(_question: str) -> None:
        if len(database.asked) == 1:
            raise lost()

    database.trouble = trouble
    list(extraction(database, waits=[2.5], sleep=lambda _seconds: None).read(beginning()))
    (said,) = messages(caplog, logging.WARNING)
    assert "cannot reach the list (gone)" in said
    assert "2.5 s" in said


def test_an_error_that_no_new_connection_mends_is_not_tried_again() -> None:
    def trouble(question: str) -> None:
        if question == "page":
            raise DataError("a value is broken", "Mend it")  # noqa: EM101, TRY003

    database = filled(3, trouble=trouble)
    with pytest.raises(DataError):
        list(extraction(database, waits=[1, 2]).read(beginning()))
    assert database.asked.count("page") == 1


# Pages that are too large, and the cap


def refuse_above(database: Database, limit: int) -> Callable[[str], None]:
    def trouble(question: str) -> None:
        if question == "page" and database.limits[-1] > limit:
            raise TOO_LARGE

    return trouble


def test_a_page_that_is_too_large_is_halved_until_it_is_served_and_stays_small() -> None:
    database = filled(30)
    database.trouble = refuse_above(database, 13)
    reading = extraction(database, replace(SETTINGS, page_size=100))
    assert ids(reading.read(beginning())) == database.ids()
    assert database.limits == [100, 50, 25, 12, 12, 12]


def test_the_cap_counts_when_a_page_is_halved() -> None:
    database = filled(30)
    database.trouble = refuse_above(database, 5)
    reading = extraction(database, replace(SETTINGS, page_size=10_000, max_records=16))
    assert len(ids(reading.read(beginning()))) == 16
    assert database.limits == [16, 8, 4, 4, 4, 4]


def test_a_single_row_that_is_too_large_ends_the_run_with_the_error_of_the_source() -> None:
    database = filled(3)
    database.trouble = refuse_above(database, 0)
    with pytest.raises(SourceUnreachableError, match="the page took too long"):
        list(extraction(database).read(beginning()))
    assert database.limits == [10, 5, 2, 1]


@given(st.integers(0, 30), st.integers(1, 9), st.integers(1, 12), st.booleans())
def test_capped_runs_are_never_longer_and_make_up_the_whole(
    count: int, page_size: int, cap: int, recent: bool
) -> None:
    database = filled(count, now=at(20 if recent else 3_000))  # recent: all behind the watermark
    settings = replace(SETTINGS, page_size=page_size, max_records=cap)
    progress = beginning()
    seen: list[object] = []
    while len(seen) < count:
        rows, progress = run(database, settings, beginning(progress.to_bookmark()))
        assert len(rows) == min(cap, count - len(seen))
        seen += rows
    assert seen == database.ids()
    assert run(database, settings, progress)[0] == []


# The watermark


def test_the_watermark_is_read_before_the_first_page_and_once_for_a_pass() -> None:
    database = filled(25)
    run(database)
    pages = ["page"] * 3
    assert database.asked == ["connect", "clock", "open_transactions", *pages, "null_keys"]


def test_a_row_that_is_committed_behind_the_reader_comes_with_the_next_pass() -> None:
    database = Database(now=at(110), transactions=Oldest(at(100)))
    for row_id, second in enumerate((101, 103, 105)):
        database.insert(second, row_id)

    def trouble(question: str) -> None:
        if question == "page" and database.asked.count("page") == 3:
            database.insert(102, 99)  # the open transaction commits behind the place of the reader

    database.trouble = trouble
    settings = replace(SETTINGS, page_size=1, lookback=0)
    rows, progress = run(database, settings)
    assert rows == [0, 1, 2]
    assert run(database, settings, progress)[0] == [99]


@pytest.mark.parametrize(
    ("right_missing", "level"), [(True, logging.WARNING), (False, logging.INFO)]
)
def test_the_fall_to_look_back_is_told_once_with_the_grant(
    caplog: pytest.LogCaptureFixture, right_missing: bool, level: int
) -> None:
    caplog.set_level(logging.INFO)
    blind = NotReadable("U may not read V$TRANSACTION", "GRANT SELECT ON it TO U", right_missing)
    following(filled(3, transactions=blind), polls=3)
    said = [text for text in messages(caplog, level) if "GRANT SELECT" in text]
    assert len(said) == 1
    assert "U may not read V$TRANSACTION" in said[0]
    assert "60 s" in said[0]


def test_each_pass_says_what_the_watermark_is_and_what_holds_it_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    holder = Oldest(at(100), "sid 213, user APP")
    run(Database(now=at(110), transactions=holder), replace(SETTINGS, lookback=0))
    (said,) = messages(caplog, logging.INFO)
    assert all(word in said for word in (at(100), "watermark", "10 s", "sid 213, user APP"))


def test_a_column_that_is_behind_the_clock_by_a_zone_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its rows come below what was called complete; one with an older time is not found."""
    database = Database(now=plus(at(0), 18_000))
    database.insert(0, 2)
    progress = run(database)[1]
    for second, number, found in ((1, 3, [3]), (1, 1, []), (2, 4, [4])):
        database.insert(second, number)
        new, progress = run(database, progress=progress)
        assert new == found
        said = [text for text in messages(caplog, logging.WARNING) if "below the watermark" in text]
        assert len(said) == len(found)
        caplog.clear()


# The end of a pass


@given(
    st.integers(0, 12),
    st.integers(1, 5),
    st.integers(0, 4),
    st.sampled_from(["warn", "emit", "fail"]),
)
def test_exactly_the_last_batch_of_each_pass_says_so(
    count: int, page_size: int, without_key: int, null_key: NullKey
) -> None:
    database = filled(count, without_key=list(range(100, 100 + without_key)))
    settings = replace(SETTINGS, page_size=page_size, null_key=null_key)
    for progress in (beginning(), beginning(run(filled(count))[1].to_bookmark())):
        seen: list[Emission[Progress]] = []
        fails = null_key == "fail" and without_key > 0
        with pytest.raises(DataError) if fails else nullcontext():
            keep(extraction(database, settings).read(progress), seen)
        ends = [emission.ends_pass for emission in seen]
        assert ends == [False] * (len(seen) - 1) + [not fails]


def test_with_polling_a_span_is_read_until_all_of_it_is_complete() -> None:
    """The look-back is 60 s, and the rows of seconds 100 and 101 come while it waits."""
    database = Database(now=at(100))
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        database.now = at(100 + 20 * len(waits))
        database.insert(99 + len(waits), len(waits))

    reading = extraction(database, replace(SETTINGS, poll_interval=20), sleep=sleep)
    emissions = list(reading.read(beginning(), until=at(102)))
    assert ids(emissions) == [1, 2]
    assert (len(waits), emissions[-1].progress.complete.at) == (4, at(102))


# Rows that come late


def test_late_count_are_delivered_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    database = Database(now=at(1_000))
    database.insert(990, 1)
    _, progress = run(database)
    for second, row_id in ((970, 2), (995, 3), (1_001, 4)):
        database.insert(second, row_id)
    database.now = at(1_002)
    assert run(database, progress=progress)[0] == [2, 3, 4]
    (said,) = [text for text in messages(caplog, logging.INFO) if "late" in text]
    assert "delivered 2 late-committed rows (up to 30.0 s late)" in said
    assert messages(caplog, logging.WARNING) == []


def test_a_row_that_was_nearly_missed_is_a_warning_to_widen_the_window(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = Database(now=at(1_000))
    _, progress = run(database)
    database.insert(941, 1)
    run(database, progress=progress)
    (said,) = messages(caplog, logging.WARNING)
    assert "1.0 s" in said
    assert "lookback_seconds" in said


def test_a_row_below_what_was_called_complete_is_read_and_told_with_the_settings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = filled(10)  # long ago, by the clock
    _, progress = run(database)
    database.insert(7, 99)
    rows, _ = run(database, progress=progress)
    assert rows == [99]
    (said,) = messages(caplog, logging.WARNING)
    assert "2993.0 s late" in said
    assert "source_timezone" in said
    assert "lookback_seconds" in said
    assert "run a backfill of their time (start_date, end_date; docs/backfill.md)" in said


def test_a_clock_that_goes_back_is_told_once_and_no_row_is_lost_or_repeated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = Database(now=at(1_000))
    database.insert(990, 1)
    settings = replace(SETTINGS, lookback=60)
    _, progress = run(database, settings)
    database.now = at(1_200)
    assert run(database, settings, progress)[0] == []
    _, progress = run(database, settings, progress)
    database.now = at(300)
    database.insert(299, 2)
    rows, progress = run(database, settings, progress)
    assert rows == [2]
    said = [text for text in messages(caplog, logging.WARNING) if "went back by" in text]
    assert len(said) == 1
    database.insert(301, 3)
    assert run(database, settings, progress)[0] == [3]


@pytest.mark.parametrize(("took", "measured"), [(0.9, True), (1.1, False)])
def test_the_clock_of_this_host_tells_only_where_the_databases_was_read_at_once(
    took: float, *, measured: bool
) -> None:
    database, now = filled(1, now=at(9)), [10.0]

    def trouble(question: str) -> None:
        now[0] += took if question == "clock" else 5

    database.trouble = trouble
    (last,) = extraction(database, clock=lambda: now[0]).read(beginning())
    assert last.progress.last_pass is not None
    assert (last.progress.last_pass.ahead is not None) == measured


def test_rows_that_got_another_time_are_sent_again_and_that_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = Database(now=at(100))
    for number in range(5):
        database.insert(90 + number, number)
    _, progress = run(database)
    database.rows.clear()
    for number in range(5):
        database.insert(95 + number, number)
    seen: list[object] = []
    for now in (110, 200, 300):
        database.now = at(now)
        rows, progress = run(database, SETTINGS, progress)
        seen += rows
    assert sorted(map(str, seen)) == list("01234")
    assert any("sent again" in text for text in messages(caplog, logging.WARNING))


@pytest.mark.parametrize("second", [92, 99])
def test_an_id_that_two_rows_have_is_an_error_that_names_the_setting(second: int) -> None:
    database = Database(now=at(100))
    for number in range(5):
        database.insert(90 + number, number)
    _, progress = run(database)
    database.insert(second, 3)
    database.now = at(300)
    with pytest.raises(DataError, match="id_column") as refused:
        run(database, SETTINGS, progress)
    assert refused.value.exit_code == 5


# Late checks: what the database pays for


def test_what_is_out_is_excluded_by_the_statement() -> None:
    database = filled(20, now=at(20))
    _, progress = run(database)
    run(database, progress=progress)
    (known,) = [known for known in database.known if known]
    assert list(known) == [(0, 19, 1)]


def test_ids_in_steps_are_one_run() -> None:
    database = Database(now=at(100))
    for number in range(50):
        database.insert(60 + number // 2, number * 10)
    _, progress = run(database)
    assert run(database, progress=progress)[0] == []
    assert [len(known) for known in database.known if known] == [2]  # one for each stretch


def test_ids_without_any_order_are_compared_by_their_keys() -> None:
    database = Database(now=at(100))
    for number in range(600):
        database.insert(60 + number // 15, number * number * 7 % 1_000_003)
    settings = replace(SETTINGS, page_size=1_000)
    _, progress = run(database, settings)
    database.insert(61, 500_000_000)
    assert run(database, settings, progress)[0] == [500_000_000]
    assert "late page" not in database.asked
    assert "rows_at" in database.asked


@pytest.mark.parametrize("page_size", [1, 2, 7, 1_000])
@pytest.mark.parametrize("fitting", [2, 3, None])
@pytest.mark.parametrize("capped", [False, True])
def test_late_count_are_all_fetched_however_few_come_at_a_time(
    page_size: int, fitting: int | None, capped: bool
) -> None:
    """They are large, pages have become small in a bad hour, or a run ends at its limit."""
    database = Database(now=at(100))
    for number in range(600):
        database.insert(60 + number // 15, number * number * 7 % 1_000_003)
    _, progress = run(database, replace(SETTINGS, page_size=1_000))
    late = [500_000_000 + number for number in range(20)]
    for row_id in late:
        database.insert(61, row_id)
    database.fitting = fitting
    found: list[object] = []
    for _ in range(20 if capped else 1):
        settings = replace(SETTINGS, page_size=page_size, max_records=3 if capped else 0)
        ids, progress = run(database, settings, progress)
        found += ids
    assert found == late


def test_late_count_cost_a_tenth_of_the_time_and_new_ones_are_looked_for_at_every_poll() -> None:
    database = filled(3, now=at(2))
    now = [0.0]

    def trouble(question: str) -> None:
        now[0] += 1.0 if question == "clock" else 0.0

    def sleep(seconds: float) -> None:
        now[0] += seconds
        database.insert(2, 100 + len(database.rows))
        if now[0] > 40:
            raise Enough(15)

    database.trouble = trouble
    settings = replace(SETTINGS, poll_interval=1)
    reading = extraction(database, settings, sleep=sleep, clock=lambda: now[0])
    seen: list[Emission[Progress]] = []
    with pytest.raises(Enough):
        keep(reading.read(beginning()), seen)
    reading.close()
    assert database.asked.count("clock") == 5
    assert database.asked.count("page") > 30
    assert len(ids(seen)) == len(database.rows) - 1  # but for the one of the last wait
    assert seen[-1].ends_pass


def test_a_page_that_is_full_says_that_the_pass_goes_on() -> None:
    emissions = list(extraction(filled(25)).read(beginning()))
    assert [emission.ends_pass for emission in emissions] == [False, False, True]


# Rows without a key


def test_rows_without_a_key_are_announced_with_their_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database = filled(2, without_key=[7, 9])
    assert run(database)[0] == [0, 1]
    (said,) = messages(caplog, logging.WARNING)
    assert said.startswith("2 rows with a NULL replication key")
    assert "null_key: emit" in said


def test_many_rows_without_a_key_are_not_all_counted(caplog: pytest.LogCaptureFixture) -> None:
    database = Database(without_key=list(range(NULL_KEYS_COUNTED + 1)))
    run(database, replace(SETTINGS, page_size=10_000))
    assert messages(caplog, logging.WARNING)[0].startswith(f"{NULL_KEYS_COUNTED} or more rows")


def test_null_key_fail_ends_the_run_behind_the_other_rows() -> None:
    database = filled(2, without_key=[7])
    seen: list[Emission[Progress]] = []
    with pytest.raises(DataError, match="1 rows with a NULL replication key"):
        keep(extraction(database, replace(SETTINGS, null_key="fail")).read(beginning()), seen)
    assert ids(seen) == [0, 1]


def test_rows_without_a_key_are_counted_and_not_fetched() -> None:
    database = filled(2, without_key=[7, 8, 9])
    assert run(database)[0] == [0, 1]
    assert "null_key_page" not in database.asked


@given(st.sets(st.integers(0, 30), max_size=12), st.integers(1, 5), st.integers(0, 5))
def test_null_key_emit_gives_each_of_them_once_over_all_runs(
    without_key: set[int], page_size: int, cap: int
) -> None:
    database = Database(without_key=sorted(without_key))
    settings = replace(SETTINGS, null_key="emit", page_size=page_size, max_records=cap)
    progress = beginning()
    seen: list[object] = []
    for _ in range(14):
        rows, progress = run(database, settings, beginning(progress.to_bookmark()))
        seen += rows
    assert seen == database.without_key


def test_the_bookmark_of_null_keys_is_out_with_their_rows() -> None:
    database = filled(2, without_key=[7, 9])
    _, progress = run(database, replace(SETTINGS, null_key="emit"))
    assert progress.null_ids.ranges == IdRanges.decode("7,9")


# Following, and ending


class Enough(Stopped):
    """What the signal handler raises in the wait between two polls."""


def following(
    database: Database,
    settings: ExtractionSettings = SETTINGS,
    *,
    polls: int,
    meanwhile: Callable[[int], object] = lambda _poll: None,
) -> list[Emission[Progress]]:
    """Follow for ``polls`` passes; ``meanwhile`` is what the database does between them."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        meanwhile(len(waits))
        if len(waits) == polls:
            raise Enough(15)

    seen: list[Emission[Progress]] = []
    reading = extraction(database, replace(settings, poll_interval=0.25), sleep=sleep)
    with pytest.raises(Enough):
        keep(reading.read(beginning()), seen)
    reading.close()
    assert waits == [0.25] * polls
    assert database.opened == database.closed == 1
    return seen


@pytest.mark.parametrize(("took", "left"), [(0.1, 0.15), (3.0, 0.0)])
def test_the_poll_interval_is_counted_from_look_to_look(took: float, left: float) -> None:
    waits: list[float] = []
    database, now = filled(3, now=at(2)), [10.0]

    def trouble(question: str) -> None:
        now[0] += took if question == "page" else 0

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        raise Enough(15)

    settings = replace(SETTINGS, poll_interval=0.25)
    database.trouble = trouble
    reading = extraction(database, settings, sleep=sleep, clock=lambda: now[0])
    with pytest.raises(Enough):
        keep(reading.read(beginning()), [])
    reading.close()
    assert waits == [pytest.approx(left)]


def test_following_yields_what_is_new_at_each_poll_and_a_bookmark_each_time() -> None:
    database = filled(3, now=at(2))

    def meanwhile(poll: int) -> None:
        database.now = at(2 + poll)
        if poll == 2:
            database.insert(0, 77)
            database.insert(4, 78)

    seen = following(database, polls=4, meanwhile=meanwhile)
    assert [ids([emission]) for emission in seen] == [[0, 1, 2], [], [77], [78], []]
    assert [emission.ends_pass for emission in seen] == [True, True, False, True, True]
    ends = [emission.progress.last_pass for emission in seen if emission.ends_pass]
    assert [end.clock for end in ends if end] == [at(2), at(3), at(4), at(5)]


def test_following_ends_at_the_cap() -> None:
    settings = replace(SETTINGS, poll_interval=1, max_records=5, page_size=2)
    assert run(filled(9), settings)[0] == [0, 1, 2, 3, 4]


def test_a_backfill_is_one_pass_that_ends_before_until_and_leaves_null_keys_alone() -> None:
    database = filled(20, without_key=[99])
    settings = replace(SETTINGS, poll_interval=1, null_key="emit", page_size=3)
    rows, progress = run(database, settings, until=at(4))
    assert rows == [0, 1, 2, 3, 4, 5, 6, 7]
    assert progress.covers(at(4))
    assert not progress.covers(at(5))
    assert "null_keys" not in database.asked
    assert "null_key_page" not in database.asked


def test_closing_twice_closes_once() -> None:
    database = filled(1)
    reading = extraction(database)
    list(reading.read(beginning()))
    reading.close()
    reading.close()
    assert (database.opened, database.closed) == (1, 1)


def test_emitted_counts_new_rows_only() -> None:
    database = filled(3, now=at(2))
    _, progress = run(database)
    database.insert(1, 9)
    reading = extraction(database)
    list(reading.read(progress))
    assert reading.emitted == 1
