"""What follows from the facts of a stream: mode, capture, size."""

from __future__ import annotations

import dataclasses
import itertools
import re

import hypothesis.strategies as st
import pytest
from hypothesis import given

from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.facts import (
    Fitness,
    StreamFacts,
    captures,
    choose_mode,
    consumer_filter,
    header_bytes,
    singly_mode,
    size_limit,
)

FACTS = StreamFacts(
    stream="S",
    subjects=("txlog.>",),
    version=(2, 15, 1),
    max_payload=1_048_576,
    max_msg_size=-1,
    max_msgs=-1,
    max_msgs_per_subject=-1,
    max_bytes=-1,
    max_age=0,
    replicas=1,
    storage="file",
    discard="old",
    retention="limits",
    transformed=False,
    allow_atomic=True,
    allow_batched=True,
    duplicate_window=120,
    messages=0,
    first_seq=0,
    last_seq=0,
)


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
    facts = dataclasses.replace(FACTS, **changes)  # type: ignore[arg-type]  # a table of fields
    assert choose_mode(asked, facts).mode == mode


def test_a_refused_mode_is_not_chosen_again() -> None:
    assert choose_mode("auto", FACTS, {"fast": "why"}).mode == "atomic"
    assert choose_mode("auto", FACTS, {"fast": "why", "atomic": "why"}).mode == "window"


def test_a_refused_batch_goes_singly_only_in_a_mode_that_keeps_the_order() -> None:
    assert singly_mode(FACTS) == "window"
    assert singly_mode(dataclasses.replace(FACTS, replicas=3)) == "sync"


tokens = st.sampled_from(["a", "b", "*"])
patterns = st.builds(
    lambda head, tail: ".".join([*head, *tail]),
    st.lists(tokens, min_size=1, max_size=3),
    st.sampled_from([[], [">"]]),
)


@given(patterns, st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4))
def test_captures_is_what_a_regular_expression_says(pattern: str, subject: list[str]) -> None:
    rule = pattern.replace(".", r"\.").replace("*", r"[^.]+").replace(">", r".+")
    text = ".".join(subject)
    assert captures(pattern, text) == bool(re.fullmatch(rule, text))


@given(patterns, patterns)
def test_a_filter_within_a_filter_captures_nothing_more(outer: str, inner: str) -> None:
    subjects = [
        ".".join(parts)
        for length in range(1, 5)
        for parts in itertools.product("abc", repeat=length)
    ]
    if captures(outer, inner):
        assert all(captures(outer, subject) for subject in subjects if captures(inner, subject))


@pytest.mark.parametrize(
    ("subjects", "ours", "expected"),
    [
        (("txlog.>",), ["txlog.>"], None),  # the stream is ours alone
        (("txlog.events",), ["txlog.>"], None),
        (("txlog.>", "other"), ["txlog.>"], "txlog.>"),
        ((">",), ["txlog.*"], "txlog.*"),
        (("a", "b", "c"), ["a", "b"], None),  # two filters cannot be told apart by one consumer
    ],
)
def test_only_our_messages_are_read_back_where_a_filter_can_tell(
    subjects: tuple[str, ...], ours: list[str], expected: str | None
) -> None:
    assert consumer_filter(dataclasses.replace(FACTS, subjects=subjects), ours) == expected


def test_the_limit_is_the_smaller_of_server_and_stream() -> None:
    assert size_limit(FACTS) == 1_048_576
    assert size_limit(dataclasses.replace(FACTS, max_msg_size=1000)) == 1000
    assert size_limit(dataclasses.replace(FACTS, max_msg_size=0)) == 0


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1, max_size=20),
    st.dictionaries(
        st.text("ABCabc-", min_size=1, max_size=8),
        st.text(st.characters(min_codepoint=33, max_codepoint=0x2FFF), min_size=1, max_size=9),
        max_size=3,
    ),
)
def test_header_bytes_counts_the_bytes_on_the_wire(id_: str, headers: dict[str, str]) -> None:
    lines = "".join(f"{key}: {value}\r\n" for key, value in {"Nats-Msg-Id": id_, **headers}.items())
    wire = f"NATS/1.0\r\n{lines}\r\n".encode()
    assert header_bytes(Message("s", id_, b"", headers)) == len(wire)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message("txlog.events", "1", b"x" * 1_048_576), "too_large"),
        (Message("txlog.events", "1", b"", {"H": "h" * 70_000}), "too_large"),
        (Message("txlog.events", "1", b"", {"no blanks": "x"}), "bad_header"),
        (Message("txlog.events", "1", b"", {"H": "a\r\nNats-Rollup: all"}), "bad_header"),
        (Message("txlog.events", "1\r\nNats-Rollup: all", b""), "bad_header"),
        (Message("txlog." + "x" * 4_000, "1", b""), "bad_subject"),
        (Message("txlog.a b", "1", b""), "bad_subject"),
        (Message("txlog.*", "1", b""), "bad_subject"),
        (Message("txlog.>", "1", b""), "bad_subject"),
        (Message("txlog..a", "1", b""), "bad_subject"),
        (Message("txlog.", "1", b""), "bad_subject"),
        (Message("txlog.a\r\nPUB x 0", "1", b""), "bad_subject"),
        (Message("", "1", b""), "bad_subject"),
        (Message("elsewhere", "1", b""), "no_stream"),
    ],
)
def test_what_cannot_be_published_is_known_before_it_is_sent(message: Message, reason: str) -> None:
    fitness = Fitness(FACTS)
    for _ in range(2):  # the second answer comes out of a cache
        unfit = fitness.unfit(message)
        assert unfit is not None
        assert unfit.reason == reason
        assert "x" * 20 not in unfit.detail


def test_everything_else_can_be_published() -> None:
    fitness = Fitness(FACTS)
    assert fitness.unfit(Message("txlog.a.b", "id ü", b"x" * 1000, {"A-b": "ü"})) is None
    room = 1_048_576 - header_bytes(Message("txlog.a", "1", b""))
    assert fitness.unfit(Message("txlog.a", "1", b"x" * room)) is None
    assert fitness.unfit(Message("txlog.a", "1", b"x" * (room + 1))) is not None


ordinary = st.tuples(
    st.sampled_from(["txlog.events", "txlog.a.b"]),
    st.text("ab1:-", min_size=1, max_size=9),
    st.binary(max_size=9),
).map(lambda parts: Message(*parts))
odd = st.tuples(
    st.sampled_from(["txlog.events", "txlog.*", "txlog..a", "elsewhere", ""]),
    st.text(max_size=40),
    st.integers(0, 60).map(lambda size: b"x" * size),
    st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=1),
).map(lambda parts: Message(*parts))


@given(st.lists(ordinary | odd, max_size=5), st.integers(0, 120))
def test_what_is_let_pass_together_would_pass_alone(batch: list[Message], limit: int) -> None:
    fitness = Fitness(dataclasses.replace(FACTS, max_msg_size=limit))
    alone = [fitness.unfit(message) for message in batch]
    if fitness.all_fit(batch):
        assert not any(alone)


@given(st.lists(ordinary))
def test_ordinary_messages_pass_together_once_their_subjects_are_known(
    batch: list[Message],
) -> None:
    fitness = Fitness(FACTS)
    assert not any(fitness.unfit(message) for message in batch)
    assert fitness.all_fit(batch)
