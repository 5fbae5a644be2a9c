"""A filter covers what nats-server says it covers; what is read back is ours where one can tell."""

from __future__ import annotations

import dataclasses
import itertools
import re

import hypothesis.strategies as st
import pytest
from hypothesis import given

from target_nats_jetstream.publisher.jetstream.subjects import captures, consumer_filter
from tests.target.publisher.publishing import INFO

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
    assert consumer_filter(dataclasses.replace(INFO, subjects=subjects), ours) == expected
