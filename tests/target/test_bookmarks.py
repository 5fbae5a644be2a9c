"""What is read out of a STATE, and how one is put onto another."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream import bookmarks

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = st.sampled_from(["A", "B", "C"])
PLAIN = (
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x"]) | st.lists(st.integers())
)
NESTED = st.recursive(PLAIN, lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=8)
OBJECTS = st.dictionaries(NAMES, NESTED, max_size=3)
#: The members in which bookmarks differ, as the SDK and our tap write them.
OWN = st.fixed_dictionaries(
    {"replication_key_value": st.integers(0, 3).map(lambda day: f"2026-01-0{day + 1}")},
    optional={"reading": st.just(True), "late": st.integers(1, 3)},
)
PARTITIONS = st.lists(
    st.builds(lambda own, start: {"context": {"start": start}, **own}, OWN, NAMES),
    min_size=1,
    max_size=2,
).map(lambda parts: {"partitions": parts})
MARKS = st.one_of(OWN, PARTITIONS, st.builds(lambda a, b: {**a, **b}, OWN, PARTITIONS))
STATES = st.dictionaries(NAMES, MARKS, max_size=3).map(lambda marks: {"bookmarks": marks})


def meltano_merge(src: Mapping[str, Any], dest: dict[str, Any]) -> dict[str, Any]:
    """As meltano.core.utils.merge does it, but for an object in the place of something else, where
    that one fails.
    """
    for key, value in src.items():
        if isinstance(value, dict):
            node = dest.setdefault(key, {})
            if not isinstance(node, dict):
                node = dest[key] = {}
            meltano_merge(value, node)
        else:
            dest[key] = value
    return dest


def of(**marks: object) -> dict[str, object]:
    return {"bookmarks": marks}


def up_to(text: object, **more: object) -> dict[str, object]:
    return {"replication_key_value": text, **more}


class TestMerge:
    @given(OBJECTS, OBJECTS)
    def test_states_without_bookmarks_are_merged_as_meltano_does(
        self, kept: dict[str, Any], state: dict[str, Any]
    ) -> None:
        before = copy.deepcopy((kept, state))

        assert bookmarks.merge(kept, state) == meltano_merge(state, copy.deepcopy(kept))
        assert (kept, state) == before, "neither is changed"

    @given(STATES, STATES)
    def test_a_stream_that_is_named_is_replaced_and_no_other(
        self, kept: dict[str, Any], state: dict[str, Any]
    ) -> None:
        merged: Any = bookmarks.merge(kept, state)["bookmarks"]
        ours, theirs = kept["bookmarks"], state["bookmarks"]

        assert merged.keys() == ours.keys() | theirs.keys()
        for stream, mark in merged.items():
            new = theirs.get(stream, {})
            own = {name: mark[name] for name in mark if name != "partitions"}
            new_own = {name: new[name] for name in new if name != "partitions"}
            old_own = {n: v for n, v in ours.get(stream, {}).items() if n != "partitions"}
            assert own == (new_own or old_own)
            old_partitions = ours.get(stream, {}).get("partitions")
            assert mark.get("partitions") == new.get("partitions", old_partitions)

    @given(STATES, STATES, STATES)
    def test_it_does_not_matter_which_are_merged_first(
        self, a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]
    ) -> None:
        left = bookmarks.merge(bookmarks.merge(a, b), c)

        assert left == bookmarks.merge(a, bookmarks.merge(b, c))
        assert bookmarks.merge(left, c) == left, "told twice is told once"

    def test_what_is_beside_the_bookmarks_is_merged_too(self) -> None:
        kept = {"bookmarks": {"A": {}}, "currently_syncing": "A", "version": {"A": 1}}
        state: dict[str, object] = {
            "bookmarks": {"B": {}},
            "currently_syncing": None,
            "version": {"B": 2},
        }

        assert bookmarks.merge(kept, state) == {
            "bookmarks": {"A": {}, "B": {}},
            "currently_syncing": None,
            "version": {"A": 1, "B": 2},
        }

    def test_a_backfill_does_not_touch_the_tail(self) -> None:
        slices = {"partitions": [{"context": {"start": "2024", "end": "2025"}, **up_to("2025")}]}

        assert bookmarks.merge(of(T=up_to("2026")), of(T=slices)) == of(
            T={**up_to("2026"), **slices}
        )

    def test_the_mark_of_a_pass_that_goes_on_ends_with_the_pass(self) -> None:
        kept = of(T=up_to("2026-01-01", reading=True, null_ids="1-5"))

        assert bookmarks.merge(kept, of(T=up_to("2026-01-02"))) == of(T=up_to("2026-01-02"))


class TestFingerprints:
    @given(STATES)
    def test_they_do_not_depend_on_the_order_of_members_nor_on_reading(
        self, state: dict[str, Any]
    ) -> None:
        shuffled = json.loads(json.dumps(state), object_pairs_hook=lambda p: dict(reversed(p)))
        for mark in shuffled["bookmarks"].values():
            for part in (mark, *mark.get("partitions", [])):
                if "reading" not in part and "replication_key_value" in part:
                    part["reading"] = True

        assert bookmarks.fingerprints(shuffled) == bookmarks.fingerprints(state)

    @given(STATES, STATES)
    def test_what_else_differs_makes_them_differ(
        self, one: dict[str, Any], other: dict[str, Any]
    ) -> None:
        same = bookmarks.fingerprints(one) == bookmarks.fingerprints(other)

        assert same is (_without_reading(one) == _without_reading(other))

    @given(STATES, STATES)
    def test_those_of_a_merged_state_are_those_of_its_newest_parts(
        self, kept: dict[str, Any], state: dict[str, Any]
    ) -> None:
        parts = {**bookmarks.fingerprints(kept), **bookmarks.fingerprints(state)}
        merged = bookmarks.fingerprints(bookmarks.merge(kept, state))

        assert merged.items() <= parts.items()

    def test_numbers_keep_their_digits(self) -> None:
        decode = msgspec.json.Decoder(float_hook=Decimal).decode
        digits = [decode(f'{{"bookmarks":{{"T":{{"n":{n}}}}}}}') for n in ("0.1", "0.10", "1e400")]
        digits.append(decode('{"bookmarks":{"T":{"n":0.10000000000000000000000001}}}'))

        assert len({bookmarks.fingerprints(state)["T"] for state in digits}) == 4
        assert bookmarks.fingerprints(of(T={"n": 0.5})) == bookmarks.fingerprints(
            of(T={"n": Decimal("0.5")})
        )

    def test_a_state_of_another_shape_has_one_for_the_whole(self) -> None:
        assert bookmarks.fingerprints({"cursor": 7}).keys() == {""}
        assert bookmarks.fingerprints({"cursor": 7}) != bookmarks.fingerprints({"cursor": 8})
        assert bookmarks.fingerprints({}) == bookmarks.fingerprints({"bookmarks": {}}) == {}


def _without_reading(state: dict[str, Any]) -> object:
    found = copy.deepcopy(state["bookmarks"])
    for mark in found.values():
        for part in (mark, *mark.get("partitions", [])):
            part.pop("reading", None)
    return found


@given(st.one_of(STATES, OBJECTS))
def test_a_state_is_written_and_read_as_it_is(state: dict[str, Any]) -> None:
    assert bookmarks.decode(bookmarks.encode(state)) == state


def test_the_digits_of_a_number_outlive_writing_and_reading() -> None:
    text = '{"n":0.10000000000000000000000001}'

    assert bookmarks.encode(bookmarks.decode(text) or {}) == text


@pytest.mark.parametrize("text", ["", "{", "7", "[]", "null", '{"a":' * 100_000, "\udc80"])
def test_what_is_no_state_is_known_as_such(text: str) -> None:
    assert bookmarks.decode(text) is None


def test_what_was_not_read_to_its_end_is_named() -> None:
    part = {"context": {"start": "2024", "end": "2025"}}
    state = of(
        TAIL=up_to("2026", reading=True),
        DONE=up_to("2026"),
        OTHER=up_to("2026", reading="yes"),
        PAST={"partitions": [part, {**part, "reading": True}]},
    )

    assert bookmarks.unfinished(state) == ["TAIL", "PAST slice 2024..2025"]


def test_the_stream_of_meltano_config_test_can_be_taken_out() -> None:
    test = {"meltano_test_stream": {"last_record": 1}}

    assert bookmarks.without_test_stream({"bookmarks": test}) == {}
    assert bookmarks.without_test_stream({"bookmarks": {**test, "A": {}}}) == of(A={})
    for state in (of(A={}), of(), {}, {"cursor": 7}, {"bookmarks": None}):
        assert bookmarks.without_test_stream(state) == state
