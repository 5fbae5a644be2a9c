"""The rules of a comparison: what is removed, repeated, altered or added is named, and no more."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.message import MessageBuilder
from target_nats_jetstream.publisher.jetstream.stored import Stored
from target_nats_jetstream.subject import SubjectTemplate
from target_nats_jetstream.template import Template
from target_nats_jetstream.verify.comparison import Kind, compare
from target_nats_jetstream.verify.entries import Copy, Row, copy_of, digest_of, row_of
from target_nats_jetstream.verify.scope import EDGE_MESSAGES, Scope
from target_nats_jetstream.verify.tally import Tally, shown_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_nats_jetstream.message import Message

SUBJECT = SubjectTemplate.parse("txlog.events")
#: Of rows that only the stream has.
STRANGE = 1_000


class Source:
    """Makes rows as a tap sends them, and their messages as a run publishes them."""

    def __init__(self, *, keys: Sequence[str] = ("ID",), template: str | None = None) -> None:
        self.by_template = template is not None
        self._builder = MessageBuilder(
            "E",
            SUBJECT,
            keys,
            replication_key="AT",
            id_template=None if template is None else Template.parse(template),
        )

    def message(self, number: int, at: str | None, data: str = "") -> Message:
        written = "null" if at is None else f'"{at}"'
        text = f'{{"ID":{number},"AT":{written},"DATA":"{data}"}}'
        record = {"ID": number, "AT": at, "DATA": data}
        return self._builder.build([record], [text.encode()])[0]


SOURCE = Source()
BY_TEMPLATE = Source(template="{ID}:{AT}")
KEYLESS = Source(keys=())


def row(message: Message, number: int = 0, *, payload: bool = False) -> Row:
    return row_of(message, number, "AT", payload=payload, keep=False)


def copy(message: Message, sequence: int = 1, *, payload: str = "") -> Copy:
    found = copy_of(Stored(sequence, message.id, "", message.digest, payload), {"E"})
    assert found is not None
    return found


def compared(
    rows: Iterable[Message], stored: Sequence[Message], scope: Scope | None = None
) -> dict[Kind, list[int]]:
    """The ids of what is found, by kind."""
    scope = scope or Scope(through=len(stored))
    counted = list(filter(scope.has_row, map(row, rows, count())))
    copies = list(filter(scope.has_copy, map(copy, stored, count(1))))
    named: dict[Kind, list[int]] = {}
    for found in scope.judged(compare(counted, copies)):
        key = int(shown_key(found.one).partition(":")[0])
        named.setdefault(found.kind, []).append(key)
    return {kind: sorted(keys) for kind, keys in named.items() if kind is not Kind.EQUAL}


def time(number: int) -> str:
    return f"2026-01-01T{number // 60:02}:{number % 60:02}:00+00:00"


class World(NamedTuple):
    """So many rows, and what has happened to some of their messages."""

    rows: int
    fates: Mapping[int, Kind]

    def of(self, kind: Kind) -> list[int]:
        return sorted(number for number, fate in self.fates.items() if fate is kind)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    rows = draw(st.integers(2, 60))
    numbers = st.integers(0, rows - 1)
    fates = st.sampled_from([Kind.MISSING, Kind.TWICE, Kind.ALTERED, Kind.UNKNOWN])
    return World(rows, draw(st.dictionaries(numbers, fates, max_size=20)))


@given(
    world=worlds(), source=st.sampled_from([SOURCE, BY_TEMPLATE]), order=st.permutations(range(4))
)
def test_what_has_happened_to_single_messages_is_named_and_nothing_else(
    world: World, source: Source, order: Sequence[int]
) -> None:
    rows = [source.message(number, time(number)) for number in range(world.rows)]
    gone = {*world.of(Kind.MISSING), *world.of(Kind.ALTERED)}
    parts = [
        [message for number, message in enumerate(rows) if number not in gone],
        [rows[number] for number in world.of(Kind.TWICE)],
        [source.message(number, time(number), "other") for number in world.of(Kind.ALTERED)],
        [source.message(STRANGE + number, time(number)) for number in world.of(Kind.UNKNOWN)],
    ]
    expected = {kind: world.of(kind) for kind in {*world.fates.values()}}
    strange = [STRANGE + number for number in expected.pop(Kind.UNKNOWN, [])]
    if strange and not source.by_template:  # an id by a template does not tell the time
        expected[Kind.UNKNOWN] = strange
    assert compared(rows, [one for place in order for one in parts[place]]) == expected


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_of_records_without_a_key_there_have_to_be_as_many(
    sent: list[int], stored: list[int]
) -> None:
    rows, copies = ([row_or_copy(KEYLESS, n) for n in numbers] for numbers in (sent, stored))
    kinds = [found.kind for found in compare(map(row, rows), map(copy, copies))]
    lacking = sum(max(0, sent.count(n) - stored.count(n)) for n in range(4))
    assert kinds.count(Kind.MISSING) == lacking
    assert kinds.count(Kind.EQUAL) == len(sent) - lacking
    assert kinds.count(Kind.TWICE) == kinds.count(Kind.ALTERED) == 0
    assert KEYLESS.message(1, None).placed


def row_or_copy(source: Source, number: int) -> Message:
    return source.message(number, time(number))


def test_a_row_that_the_input_has_twice_is_one_row() -> None:
    message = SOURCE.message(1, time(1))
    assert compared([message, message], [message]) == {}


def test_payloads_are_compared_where_that_is_asked_for() -> None:
    message = SOURCE.message(1, time(1))
    same, other = digest_of(message.payload), digest_of(b"{}")
    asked = [row(message, payload=True)]
    assert [one.kind for one in compare(asked, [copy(message, payload=same)])] == [Kind.EQUAL]
    assert [one.kind for one in compare(asked, [copy(message, payload=other)])] == [Kind.ALTERED]


def test_a_message_outside_of_what_the_input_spans_is_not_compared() -> None:
    rows = [SOURCE.message(n, time(n)) for n in (10, 20)]
    others = [SOURCE.message(n, time(n)) for n in (9, 15, 21)]
    assert compared(rows, [*rows, *others]) == {Kind.UNKNOWN: [15]}


def test_what_is_stored_after_the_beginning_may_have_a_row_that_was_not_asked_for() -> None:
    rows = [SOURCE.message(n, time(n)) for n in (10, 20)]
    late = SOURCE.message(15, time(15))
    assert compared(rows, [*rows, late], Scope(through=2)) == {}
    assert compared(rows, [rows[0], late, rows[1]], Scope(through=1)) == {}


def test_what_is_later_than_the_state_of_the_input_may_have_come_since() -> None:
    rows = [SOURCE.message(n, time(n)) for n in (10, 20)]
    late = [SOURCE.message(n, time(n)) for n in (12, 13, 14)]
    scope = Scope(through=9, reached={"E": "2026-01-01T00:13:00"})
    assert compared(rows, [*rows, *late], scope) == {Kind.UNKNOWN: [12, 13]}


@pytest.mark.parametrize("offset", ["+00:00", "+01:00"])
def test_the_state_of_the_input_may_be_by_either_clock(offset: str) -> None:
    rows = [SOURCE.message(n, f"2026-01-01T0{n}:00:00{offset}") for n in (1, 5)]
    strange = SOURCE.message(3, f"2026-01-01T03:00:00{offset}")
    scope = Scope(through=9, reached={"E": "2026-01-01T03:00:00"})
    assert compared(rows, [*rows, strange], scope) == {Kind.UNKNOWN: [3]}
    early = Scope(through=9, reached={"E": "2026-01-01T02:30:00"})
    assert compared(rows, [*rows, strange], early) == {}


@pytest.mark.parametrize("source", [SOURCE, BY_TEMPLATE])
def test_rows_from_where_the_pipeline_is_complete_are_not_compared(source: Source) -> None:
    rows = [source.message(n, time(n)) for n in range(5)]
    scope = Scope(through=9, ends={"E": "2026-01-01T00:03:00"})
    assert compared(rows, [], scope) == {Kind.MISSING: [0, 1, 2]}
    assert compared([source.message(1, None)], [], scope) == {}, "nobody knows when it came"


@pytest.mark.parametrize("offset", ["+02:00", "-05:00"])
def test_a_bookmark_may_be_by_either_clock(offset: str) -> None:
    message = SOURCE.message(1, f"2026-01-01T12:00:00{offset}")
    utc = {"+02:00": 10, "-05:00": 17}[offset]
    for end, is_compared in [
        (min(12, utc), False),
        (max(12, utc), False),
        (max(13, utc + 1), True),
    ]:
        scope = Scope(through=9, ends={"E": f"2026-01-01T{end}:00:00"})
        assert scope.has_row(row(message)) == is_compared


def test_rows_from_before_a_trimmed_stream_have_expired() -> None:
    rows = [SOURCE.message(n, time(n)) for n in range(2 * EDGE_MESSAGES + 50)]
    late, stored = rows[20], rows[50:-1]
    scope = Scope(through=999, is_trimmed=True)
    found = compared(rows, [late, *(m for m in stored if m is not rows[200])], scope)
    assert found.pop(Kind.EXPIRED) == [n for n in range(50) if n != 20]
    assert found == {Kind.MISSING: [200, len(rows) - 1]}
    few = compared(rows[:2], [], Scope(through=999, keeps_few=True))
    assert few == {Kind.EXPIRED: [0, 1]}


def test_keys_that_no_header_can_hold_are_compared_by_their_hash() -> None:
    long = Source(keys=("ID", "DATA"))
    rows = [long.message(n, time(n), "ä" * 300) for n in range(3)]
    found = [one for one in compare(map(row, rows), [copy(rows[0])]) if one.row]
    assert [one.kind for one in found] == [Kind.EQUAL, Kind.MISSING, Kind.MISSING]
    assert [one.row and one.row.value for one in found] == [
        f"2026-01-01T00:0{n}:00" for n in range(3)
    ]


def test_ids_of_others_are_left_alone() -> None:
    def id_of(text: str) -> Copy | None:
        return copy_of(Stored(1, text, "", "", ""), {"E"})

    assert id_of("") is None
    assert id_of("F:[1]:" + 32 * "0") is None
    assert id_of("E:\udce4:" + 32 * "0") is None
    for odd in ("E", "E:", "E:[", "E:[]:" + 32 * "0", "E:[1,:" + 32 * "0", 'E:"]:' + 32 * "0"):
        found = id_of(odd)
        assert found is not None
        assert not found.value or found.value.isascii()
        assert isinstance(shown_key(found), str)


def test_buckets_are_added_up() -> None:
    rows = [SOURCE.message(n, time(n)) for n in range(120)]
    tally = Tally()
    again = [copy(rows[70]), copy(rows[70])]
    for found in compare(map(row, rows), [*map(copy, rows[2:]), *again]):
        tally.add(found)
    assert (len(tally), tally.rows, tally.messages) == (2, 120, 120)
    assert (tally.count(Kind.TWICE), tally.count(Kind.MISSING)) == (2, 2)
    different = [(at.label, found.named(Kind.MISSING)) for at, found in tally.different()]
    assert different == [("2026-01-01T00", ["0", "1"]), ("2026-01-01T01", [])]
