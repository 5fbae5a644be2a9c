"""The mode follows from what stream and server allow, and never costs the order."""

from __future__ import annotations

import dataclasses

import pytest

from target_nats_jetstream.publisher.modes.choice import ModeChoice, choose_mode, singly_mode
from tests.target.publisher.publishing import INFO

PLAIN = {"allow_atomic": False, "allow_batched": False}


@pytest.mark.parametrize(
    ("asked", "changes", "mode"),
    [
        ("auto", {}, "fast"),
        ("fast", {}, "fast"),
        ("auto", {"replicas": 3}, "atomic"),  # replicated as one
        ("fast", {"replicas": 3}, "fast"),
        ("auto", {"replicas": 3, "allow_atomic": False}, "fast"),
        ("auto", {"version": (2, 12, 8)}, "atomic"),
        ("auto", {"allow_batched": False}, "atomic"),
        ("auto", {"retention": "workqueue"}, "atomic"),  # its ids cannot be read back
        ("auto", {"transformed": True}, "atomic"),  # nor found by their subjects
        ("auto", {"max_msgs": 1_000}, "atomic"),  # nor found at all, perhaps
        ("auto", {"max_msgs": 1_000, "discard": "new"}, "fast"),
        ("auto", {"max_msgs": 1_000_000, "max_bytes": 10**9, "max_age": 3_600}, "fast"),
        ("auto", {"max_msgs_per_subject": 1}, "atomic"),
        ("auto", {"max_bytes": 1_000_000}, "atomic"),
        ("auto", {"max_age": 5}, "atomic"),
        ("fast", {"allow_batched": False}, "atomic"),
        ("fast", {"allow_batched": False, "allow_atomic": False}, "window"),
        ("atomic", {}, "atomic"),
        ("auto", {"version": (2, 12, 0)}, "window"),  # refuses ids in batches
        ("auto", {"version": (2, 9, 10)}, "window"),  # ignores what it does not know
        ("atomic", {"allow_atomic": False}, "window"),
        ("auto", PLAIN | {"replicas": 3}, "sync"),
        ("auto", PLAIN | {"discard": "new"}, "sync"),
        ("auto", {"replicas": 3, "discard": "new"}, "atomic"),
        ("auto", {"discard": "new"}, "fast"),
        ("window", {}, "window"),
        ("window", {"replicas": 3}, "window"),  # as set; the log warns
        ("sync", {}, "sync"),
    ],
)
def test_the_mode_is_the_fastest_that_keeps_the_order(
    asked: str, changes: dict[str, object], mode: str
) -> None:
    info = dataclasses.replace(INFO, **changes)  # type: ignore[arg-type]  # a table of fields
    assert choose_mode(asked, info).mode == mode


def test_a_refused_mode_is_not_chosen_again() -> None:
    assert choose_mode("auto", INFO, {"fast": "why"}).mode == "atomic"
    assert choose_mode("auto", INFO, {"fast": "why", "atomic": "why"}).mode == "window"


def test_atomic_batches_are_preferred_where_that_is_left_to_us_and_they_are_allowed() -> None:
    why = "others are writing to the stream"
    assert choose_mode("auto", INFO, why_atomic=why) == ModeChoice("atomic", why)
    assert choose_mode("fast", INFO, why_atomic=why).mode == "fast"
    without = dataclasses.replace(INFO, allow_atomic=False)
    assert choose_mode("auto", without, why_atomic=why).mode == "fast"


def test_a_refused_batch_goes_singly_only_in_a_mode_that_keeps_the_order() -> None:
    assert singly_mode(INFO) == "window"
    assert singly_mode(dataclasses.replace(INFO, replicas=3)) == "sync"
