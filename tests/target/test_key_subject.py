"""Keys that differ have subjects that differ, and every subject can be published to."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.key_subject import MAX_CHARACTERS, key_tokens
from target_nats_jetstream.subject import SubjectTemplate
from tests.target.records import VALUES, digits

#: What NATS KV allows in a key, without the slash.
TOKENS = re.compile(r"[A-Za-z0-9=_-]+(\.[A-Za-z0-9=_-]+)*")
NEAR = st.sampled_from([None, True, 1, 0, "1", "null", "true", "", " ", ".", "*", ">", "=22", "ä"])
LONG = st.text("ab.", min_size=MAX_CHARACTERS - 2, max_size=MAX_CHARACTERS + 2)
VALUE = VALUES | NEAR | LONG
KEYS = st.integers(1, 3).flatmap(
    lambda size: st.tuples(*[st.lists(VALUE, min_size=size, max_size=size)] * 2)
)


@given(KEYS)
def test_keys_that_differ_have_subjects_that_differ(
    keys: tuple[list[object], list[object]],
) -> None:
    one, other = keys
    assert (key_tokens(one) == key_tokens(other)) == (repr(digits(one)) == repr(digits(other)))


@given(st.lists(VALUE, min_size=1, max_size=3))
def test_every_key_is_tokens_that_nats_takes(values: list[object]) -> None:
    text = key_tokens(values)
    assert TOKENS.fullmatch(text)
    assert len(text) <= MAX_CHARACTERS


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([17], "17"),
        (["C0137", -4], "C0137.-4"),
        (["17"], "=2217=22"),
        ([None], "null"),
        (["null"], "=22null=22"),
        (["nullify"], "nullify"),
        (["a.b c"], "a=2Eb=20c"),
        ([""], "=22=22"),
        (["né"], "n=C3=A9"),
    ],
)
def test_usual_keys_can_be_read(values: list[object], text: str) -> None:
    assert key_tokens(values) == text


def test_a_long_key_is_a_digest() -> None:
    assert re.fullmatch("==[0-9a-f]{32}", key_tokens(["a" * 500]))


def test_the_subject_of_a_key_stands_under_that_of_its_stream() -> None:
    template = SubjectTemplate.parse("db.{stream}").by_key(["A", "B"])
    assert template.pattern() == "db.*.>"
    assert template.subjects("orders", [{"A": 1, "B": "x"}]) == ["db.orders.1.x"]
    assert template.subjects("orders", [{"A": 1}]) == ["db.orders._"]
