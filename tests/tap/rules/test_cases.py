"""When cases end, against a definition in ten lines."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.errors import DataError
from tap_oracle_txlog.rules.case_progress import CaseProgress
from tap_oracle_txlog.rules.cases import End, Event, OpenCases, revision
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, instant, plus

if TYPE_CHECKING:
    from collections.abc import Sequence

QUIET = 30
START = instant("2026-11-22T10:00:00.000000000")
ROWS = st.lists(st.tuples(st.integers(0, 200), st.sampled_from("ABC"), st.booleans()), max_size=30)


def events_of(rows: Sequence[tuple[int, str, bool]]) -> list[Event]:
    """The rows of a table in its order."""
    return [
        Event(Position(plus(START, second), number), case, is_end)
        for number, (second, case, is_end) in enumerate(sorted(rows, key=lambda row: row[0]))
    ]


def defined_ends(events: Sequence[Event]) -> list[End]:
    """All ends, with those that only time makes certain."""
    found = []
    by_case = attrgetter("case")
    for case, group in groupby(sorted(events, key=by_case), key=by_case):
        own = list(group)
        for event, following in zip(own, [*own[1:], None], strict=True):
            quiet_until = plus(event.position.at, QUIET)
            if event.is_end:
                found.append(End(case, event.position, event.position.at))
            elif following is None or following.position.at > quiet_until:
                found.append(End(case, event.position, quiet_until))
    return found


@given(ROWS, st.lists(st.integers(0, 300), max_size=5))
def test_each_end_is_told_once_and_as_soon_as_it_is_certain(
    rows: list[tuple[int, str, bool]], looks: list[int]
) -> None:
    events, cases, told = events_of(rows), OpenCases(QUIET), list[End]()
    begun = 0
    for seconds in sorted([*looks, 1_000]):
        now = plus(START, seconds)
        there = [one for one in events if one.position.at < now]
        told += cases.take(there[begun:])
        told += cases.pass_time(now)
        begun = len(there)
        assert sorted(told) == sorted(one for one in defined_ends(events) if one.due < now)
    assert [one.due for one in told] == sorted(one.due for one in told)


@given(ROWS)
def test_revisions_of_a_case_are_numbered_from_one_on(rows: list[tuple[int, str, bool]]) -> None:
    events = events_of(rows)
    for case in "ABC":
        own = [one for one in events if one.case == case]
        ends = sorted(one.position for one in defined_ends(own))
        places = [one.position for one in own]
        found = [revision(own[: places.index(end) + 1], QUIET) for end in ends]
        assert found == list(range(1, len(ends) + 1))


class TestProgress:
    PROGRESS = CaseProgress("T by C", "C", QUIET, START, Position(START, 7), plus(START, 60))

    def read(self, bookmark: dict[str, object]) -> CaseProgress:
        return CaseProgress.from_bookmark(
            bookmark, start=BEGINNING, table="T by C", assemble_by="C", quiet=QUIET
        )

    def test_a_bookmark_is_read_as_it_was_written(self) -> None:
        written = self.PROGRESS.to_bookmark()
        assert self.read(written | {"reading": True, "context": {}}) == self.PROGRESS
        assert "replication_key_value" not in written

    def test_without_a_bookmark_reading_begins_at_the_start(self) -> None:
        found = self.read({"reading": True})
        assert (found.start, found.frontier) == (BEGINNING, Position.before(BEGINNING))

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"assemble_by": "D"}, "its assemble_by is D, not C"),
            ({"table": "U by C"}, "its table is U by C, not T by C"),
            ({"v": 2}, "its v is 2, not 1"),
            ({"position": 4}, "position"),
            ({"assembled_up_to": "today"}, "today"),
        ],
    )
    def test_a_bookmark_of_other_cases_is_refused(
        self, change: dict[str, object], told: str
    ) -> None:
        with pytest.raises(DataError, match=told):
            self.read(self.PROGRESS.to_bookmark() | change)
