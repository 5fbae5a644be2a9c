"""Cases from a table that changes while it is read, by a tap that is killed again and again."""

from __future__ import annotations

import json
from bisect import insort
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from tap_oracle_txlog.case_extraction import AT_ONCE, CaseExtraction
from tap_oracle_txlog.cases import CasesOf
from tap_oracle_txlog.reading import ExtractionSettings, Pause
from tap_oracle_txlog.row import encode, row_type
from tap_oracle_txlog.rules.case_progress import CaseProgress
from tap_oracle_txlog.rules.position import Position, in_order
from tap_oracle_txlog.rules.timestamps import BEGINNING, END, instant, plus
from tap_oracle_txlog.rules.watermark import NoneOpen, Oldest, OpenTransactions
from tap_oracle_txlog.source import Page

if TYPE_CHECKING:
    from tap_oracle_txlog.row import Row
    from tap_oracle_txlog.rules.filter import Filter
    from tap_oracle_txlog.rules.timestamps import Instant

QUIET = 30
CASES = CasesOf("CASE_ID", "EVENT_TYPE", frozenset({"CLOSED"}), QUIET, 1_000)
HOW = ExtractionSettings(
    page_size=3,
    max_records=0,
    strategy="auto",
    lookback=0,
    skew=0,
    null_key="warn",
    poll_interval=0,
)
START = instant("2026-11-22T10:00:00.000000000")
EVENT = row_type(["ID", "CASE_ID", "EVENT_TYPE", "AT"])


@dataclass
class Table:
    """A table whose rows come in transactions; it is a source as well."""

    key_zone: ClassVar[None] = None
    is_remote: ClassVar[bool] = False
    seconds: int = 0
    rows: list[tuple[Position, Any]] = field(default_factory=list)
    open: list[tuple[int, list[tuple[Position, Any]]]] = field(default_factory=list)
    ids: int = 0
    has_text_ids: bool = False

    def begin(self) -> None:
        self.open.append((self.seconds, []))

    def insert(self, transaction: int, case: str | None, kind: str) -> None:
        self.ids += 1
        at = plus(START, self.seconds)
        id_ = f"{self.ids:06}" if self.has_text_ids else self.ids
        row = Position(at, id_), EVENT(id_, case, kind, at)
        self.open[transaction][1].append(row)

    def commit(self, transaction: int) -> None:
        for row in self.open.pop(transaction)[1]:
            insort(self.rows, row, key=lambda one: one[0])

    # A source

    def clock(self) -> Instant:
        return plus(START, self.seconds)

    def open_transactions(self) -> OpenTransactions:
        begun = [at for at, _ in self.open]
        return Oldest(plus(START, min(begun))) if begun else NoneOpen()

    def page(self, after: Position, limit: int, *, until: Instant | None = None) -> Page:
        return self.page_of(None, after, limit, until=until)

    def page_of(
        self,
        rows: Filter | None,
        after: Position,
        limit: int,
        *,
        until: Instant | None = None,
    ) -> Page:
        wanted = None if rows is None else set(rows.wanted["CASE_ID"])
        found = [
            (position, row)
            for position, row in self.rows
            if in_order(position) > in_order(after)
            and position.at < (until or END)
            and (wanted is None or row.record()["CASE_ID"] in wanted)
        ][:limit]
        return Page([position for position, _ in found], [row for _, row in found])

    def access(self, rows: Filter | None = None) -> None:
        """As it may be."""

    def close(self) -> None:
        """It stays."""


def extraction(
    table: Table, cases: CasesOf = CASES, how: ExtractionSettings = HOW
) -> CaseExtraction:
    return CaseExtraction(
        lambda _: table,  # type: ignore[arg-type,return-value]  # what is asked of it
        cases,
        "AT",
        None,
        how,
        waits=lambda: (),
        sleep=lambda _: None,
    )


def progress_of(state: str | None, start: Instant = BEGINNING) -> CaseProgress:
    return CaseProgress.from_bookmark(
        json.loads(state or "{}"), start=start, table="T", assemble_by="CASE_ID", quiet=QUIET
    )


def read(
    table: Table, state: str | None, *, start: Instant = BEGINNING, until: Instant | None = None
) -> tuple[list[Row], str]:
    """All that one pass makes, and the last bookmark."""
    made: list[Row] = []
    for step in extraction(table).emissions(progress_of(state, start), until=until):
        assert not isinstance(step, Pause)
        made += step.rows
        state = json.dumps(step.progress.to_bookmark())
    assert state is not None
    return made, state


def defined(table: Table) -> list[bytes]:
    """What is to be made of the table, in plain words: at each end, all events up to there."""
    found = []
    for case in {row.record()["CASE_ID"] for _, row in table.rows} - {None}:
        events = [row.record() for _, row in table.rows if row.record()["CASE_ID"] == case]
        number = 0
        for count, (event, following) in enumerate(zip(events, [*events[1:], None]), 1):  # noqa: B905
            is_quiet = following is None or following["AT"] > plus(event["AT"], QUIET)
            if event["EVENT_TYPE"] == "CLOSED" or is_quiet:
                number += 1
                first, last = events[0]["AT"], event["AT"]
                found.append(encode([case, True, number, first, last, count, events[:count]]))
    return sorted(found)


def text(row: Row) -> bytes:
    return encode(list(row.record().values()))


def act(table: Table, chance: Random) -> None:
    """Something happens in the database."""
    match chance.choices("pbicc", (6, 3, 8, 3, 1))[0]:
        case "p":
            table.seconds += chance.choice((0, 1, 5, 29, 30, 31, 70))
        case "b":
            table.begin()
        case "i" if table.open:
            kind = chance.choices(("NOTE", "CLOSED"), (5, 1))[0]
            table.insert(
                chance.randrange(len(table.open)), chance.choice(["A", "B", "C", None]), kind
            )
        case "c" if table.open:
            table.commit(chance.randrange(len(table.open)))


@pytest.mark.parametrize("seed", range(300))
def test_every_revision_of_every_case_comes_exactly_once_whatever_happens(seed: int) -> None:
    chance, table = Random(seed), Table(has_text_ids=seed % 2 == 0)
    state: str | None = None
    out: Counter[bytes] = Counter()
    for _ in range(chance.randrange(5, 40)):
        for _ in range(chance.randrange(8)):
            act(table, chance)
        since_state: list[bytes] = []
        place = progress_of(state).frontier, progress_of(state).settled
        for step in extraction(table).emissions(progress_of(state)):
            assert not isinstance(step, Pause)
            since_state += map(text, step.rows)
            if chance.random() < 0.1:
                break  # killed: the target may have the rows, and not the state
            bookmark = json.dumps(step.progress.to_bookmark())
            if (step.progress.frontier, step.progress.settled) != place:
                place = step.progress.frontier, step.progress.settled
                out.update(since_state)  # the bookmark speaks of them, so they never come again
                since_state = []
            state = bookmark
            assert len(bookmark) < 4_000
            act(table, chance)
    while table.open:
        table.commit(0)
    for _ in range(2):
        table.seconds += 1_000
        made, state = read(table, state)
        out.update(map(text, made))
    assert out == Counter(defined(table))


@pytest.mark.parametrize("seed", range(40))
def test_a_backfill_in_slices_makes_the_same_bytes_as_following_the_table(seed: int) -> None:
    chance, table = Random(seed), Table()
    live: list[bytes] = []
    state: str | None = None
    for _ in range(60):
        act(table, chance)
        made, state = read(table, state)
        live += map(text, made)
    while table.open:
        table.commit(0)
    table.seconds += 1_000
    live += map(text, read(table, state)[0])

    cuts = [BEGINNING, *sorted(plus(START, chance.randrange(1_500)) for _ in range(3)), END]
    sliced = [
        made
        for start, until in pairwise(cuts)
        for made in map(text, read(table, None, start=start, until=until)[0])
    ]
    assert sorted(sliced) == sorted(live) == defined(table)


def filled(*events: tuple[int, str | None, str]) -> Table:
    table = Table()
    table.begin()
    for seconds, case, kind in events:
        table.seconds = seconds
        table.insert(0, case, kind)
    table.commit(0)
    table.seconds += 1_000
    return table


def test_a_case_that_is_too_long_has_its_first_events_and_is_not_complete() -> None:
    table = filled(*[(second, "A", "NOTE") for second in range(5)])
    cut = CASES._replace(max_events=3)
    steps = list(extraction(table, cut).emissions(progress_of(None)))
    (row,) = [row for step in steps if not isinstance(step, Pause) for row in step.rows]
    record = row.record()
    assert (record["complete"], record["count"], record["revision"]) == (False, 5, 1)
    assert record["last"] == plus(START, 4)
    assert [event["ID"] for event in record["events"]] == [1, 2, 3]  # type: ignore[attr-defined]


def test_more_cases_than_one_statement_takes_come_in_the_order_in_which_they_ended() -> None:
    count = AT_ONCE[0] + AT_ONCE[1] + 3
    table = filled(*[(number, f"C{number}", "CLOSED") for number in range(count)])
    wide = extraction(table, how=replace(HOW, page_size=1_000))
    steps = [step for step in wide.emissions(progress_of(None)) if not isinstance(step, Pause)]
    made = [row.record()["CASE_ID"] for step in steps for row in step.rows]
    assert made == [f"C{number}" for number in range(count)]


@pytest.mark.parametrize("killed_after", range(5))
def test_a_load_of_old_times_makes_cases_whose_events_are_on_several_pages(
    killed_after: int,
) -> None:
    table = filled((0, None, "NOTE"))
    _, state = read(table, None)
    now, table.seconds = table.seconds, 1
    table.begin()
    for second in range(1, 12, 2):
        table.seconds = second
        table.insert(0, "A", "NOTE")
    table.commit(0)
    table.seconds = now + 1
    made: list[Row] = []
    for step in list(extraction(table).emissions(progress_of(state)))[:killed_after]:
        assert not isinstance(step, Pause)
        made += step.rows
        state = json.dumps(step.progress.to_bookmark())
    made += read(table, state)[0]
    assert set(map(text, made)) == set(defined(table))


def test_a_database_clock_that_goes_back_loses_no_case() -> None:
    table = filled((0, "A", "NOTE"))
    made, state = read(table, None)
    assert len(made) == 1
    table.seconds -= 900  # another host takes over, and its clock is behind
    table.begin()
    table.insert(0, "B", "CLOSED")
    table.commit(0)
    table.seconds += 1
    _, state = read(table, state)
    table.seconds += 3_000
    made, _ = read(table, state)
    assert "B" in {row.record()["CASE_ID"] for row in made}


def test_cases_whose_rows_go_between_the_two_reads_have_what_is_left() -> None:
    table = filled(
        (0, "A", "NOTE"),
        (5, "A", "CLOSED"),
        (5, "B", "CLOSED"),
        (6, "C", "CLOSED"),
        (9, "A", "NOTE"),
    )
    whole_page = table.page_of

    def page_of(rows: Filter | None, *where: Any, **limit: Any) -> Page:  # noqa: ANN401
        if rows is not None:  # a purge comes in before the cases are read
            table.rows = [row for row in table.rows if row[0].at != plus(START, 5)]
        return whole_page(rows, *where, **limit)

    table.page_of = page_of  # type: ignore[method-assign]
    wide = extraction(table, how=replace(HOW, page_size=1_000))
    steps = [step for step in wide.emissions(progress_of(None)) if not isinstance(step, Pause)]
    made = [row for step in steps for row in step.rows]
    assert [[event["ID"] for event in row.record()["events"]] for row in made] == [[1], [4], [1, 5]]  # type: ignore[attr-defined]


def test_that_a_case_has_gone_before_it_was_read_is_told(caplog: pytest.LogCaptureFixture) -> None:
    table = filled((0, "A", "CLOSED"), (1, "B", "CLOSED"))
    whole_page = table.page_of

    def page_of(rows: Filter | None, *where: Any, **limit: Any) -> Page:  # noqa: ANN401
        if rows is not None:
            table.rows = [row for row in table.rows if row[1].record()["CASE_ID"] != "A"]
        return whole_page(rows, *where, **limit)

    table.page_of = page_of  # type: ignore[method-assign]
    made, _ = read(table, None)
    assert [row.record()["CASE_ID"] for row in made] == ["B"]
    assert caplog.text.count("cases are not sent whose rows have left the table") == 1


def test_blanks_behind_a_type_do_not_count() -> None:
    made, _ = read(filled((0, "A", "CLOSED   "), (1, "A", "CLOSED")), None)
    assert [row.record()["count"] for row in made] == [1, 2]


def test_the_events_have_their_turn_while_a_long_pass_is_made() -> None:
    table = filled(*[(second, "A", "CLOSED") for second in range(7)])  # on pages of three
    following = extraction(table, how=replace(HOW, poll_interval=60)).emissions(progress_of(None))
    steps = [next(following) for _ in range(7)]
    assert [isinstance(step, Pause) for step in steps] == [False, True] * 3 + [False]
    assert steps[1::2] == [Pause(0.0)] * 3
