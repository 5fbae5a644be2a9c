"""Up to when a STATE says that all is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream import bookmarks, completed
from tests.target.ledger.places import at
from tests.target.test_bookmarks import NAMES, STATES, of, up_to

if TYPE_CHECKING:
    from datetime import datetime


class TestCompleteTimes:
    @pytest.mark.parametrize(
        ("bookmark", "time"),
        [
            (up_to("2026-01-02"), "2026-01-02"),
            (up_to(4711), None),
            (up_to(None), None),
            ({}, None),
            ("a text", None),
            ({"partitions": [up_to("2026-01-03"), up_to("2026-01-02")]}, "2026-01-02"),
            ({"partitions": [up_to("2026-01-02T10:00"), up_to("2026-01-02 09:00")]},
             "2026-01-02 09:00"),
            ({"partitions": [up_to("2026-01-03"), {"context": {"org": 1}}]}, "2026-01-03"),
            ({"partitions": [{}, 7]}, None),
            ({"partitions": "none"}, None),
            (up_to("2026-01-09", partitions=[up_to("2024-01-01")]), "2026-01-09"),
        ],
    )  # fmt: skip
    def test_a_stream_is_as_far_as_its_bookmark_says(
        self, bookmark: object, time: str | None
    ) -> None:
        found = completed.complete_times(of(T=bookmark))

        assert found.get("T") == time

    def test_a_partition_without_a_usable_time_makes_the_stream_have_none(self) -> None:
        text = completed.complete_times(of(T={"partitions": [up_to("2026-01-03"), up_to("x")]}))

        assert completed.wall_clock(str(text["T"])) is None

    @pytest.mark.parametrize("state", [{}, {"bookmarks": None}, {"bookmarks": []}, {"a": 1}])
    def test_a_state_without_bookmarks_says_nothing(self, state: dict[str, object]) -> None:
        assert completed.complete_times(state) == {}
        assert bookmarks.unfinished(state) == []
        assert bookmarks.streams(state) == set()


class TestRetired:
    """What the tap is not set to read any more is kept, and nobody waits for it."""

    @given(STATES, st.sets(NAMES))
    def test_a_stream_that_is_retired_does_not_count_and_no_other_changes(
        self, state: dict[str, Any], gone: set[str]
    ) -> None:
        retired = state | {"retired": [{"stream": name} for name in sorted(gone)]}
        times = completed.complete_times(state)

        assert completed.complete_times(retired) == {n: times[n] for n in times.keys() - gone}
        assert {part[0] for part in completed.parts(retired)} <= times.keys() - gone
        assert bookmarks.streams(retired) == times.keys()
        assert bookmarks.fingerprints(retired) == bookmarks.fingerprints(state)

    @given(STATES, st.sets(NAMES))
    def test_a_partition_that_is_retired_does_not_hold_back_its_stream(
        self, state: dict[str, Any], gone: set[str]
    ) -> None:
        contexts = [{"stream": n, "context": {"start": n}} for n in sorted(gone)]
        found = completed.counting(state | {"retired": contexts})
        for name, bookmark in state["bookmarks"].items():
            left = [
                one
                for one in bookmark.get("partitions", ())
                if name not in gone or one["context"] != {"start": name}
            ]
            assert found[name].get("partitions", []) == left

    @pytest.mark.parametrize(
        "listed", [None, 7, "A", {"stream": "A"}, ["A"], [{"stream": ["A"]}], [{"context": 1}]]
    )
    def test_a_list_of_another_form_retires_nothing(self, listed: object) -> None:
        state = of(A=up_to("2026-01-01"))
        assert completed.complete_times(state | {"retired": listed}) == {"A": "2026-01-01"}


class TestHeldBack:
    def test_the_slowest_is_named_if_it_stands_still_while_a_later_one_moves(self) -> None:
        before = of(A=up_to("2026-01-01"), B=up_to("2026-02-01"))
        after = of(A=up_to("2026-01-01"), B=up_to("2026-02-02"))

        assert completed.held_back(before, after) == ("A", "2026-01-01")
        assert completed.held_back({}, after) is None
        assert completed.held_back(before, before) is None

    @given(STATES, STATES)
    def test_nobody_waits_for_a_stream_that_moves_or_is_retired(
        self, before: dict[str, Any], state: dict[str, Any]
    ) -> None:
        found = completed.held_back(before, state)
        if found is None:
            return
        name, time = found
        times = completed.complete_times(state)
        assert times[name] == time == completed.complete_times(before)[name]
        assert time == min(filter(None, times.values()))
        retired = state | {"retired": [{"stream": name}]}
        assert (completed.held_back(before, retired) or (None,))[0] != name


@pytest.mark.parametrize(
    ("bookmark", "time"),
    [
        ("2026-01-02", at("2026-01-02")),
        ("2026-01-02T03:04:05", at("2026-01-02T03:04:05")),
        ("2026-01-02 03:04:05.1", at("2026-01-02T03:04:05.100000")),
        ("2026-01-02T03:04:05.999999999", at("2026-01-02T03:04:05.999999")),
        ("2026-01-02T03:04:05Z", at("2026-01-02T03:04:05")),
        ("2026-01-02T23:30:00+05:30", at("2026-01-02T23:30:00")),
        ("20260102", None),
        ("2026-W01-1", None),
        ("4711", None),
        ("", None),
        ("2026-13-01", None),
        ("2026-01-02T25:00:00", None),
    ],
)
def test_a_bookmark_keeps_the_digits_of_its_own_clock(bookmark: str, time: datetime | None) -> None:
    assert completed.wall_clock(bookmark) == time
