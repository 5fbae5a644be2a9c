"""Digests of a source, and those of the messages: the rules, and ``--verify`` on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_oracle_txlog.rules.digests import digest_of
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.slices import cut
from tap_oracle_txlog.rules.timestamps import instant, parse
from target_nats_jetstream.errors import DataError
from target_nats_jetstream.message import MessageBuilder, encode
from target_nats_jetstream.publisher.jetstream.stored import Stored
from target_nats_jetstream.subject import SubjectTemplate
from target_nats_jetstream.verify.digests import Digests, SourceDigest
from target_nats_jetstream.verify.scope import Scope
from tests.support.target import event, moment, pages, schema
from tests.target.verify.verifying import delete, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.target import Message, Target

BUILDER = MessageBuilder("E", SubjectTemplate.parse("txlog.events"), ["ID"], replication_key="AT")
FIRST, LAST = instant("2026-01-01T00:00:00.000000000"), instant("2026-01-01T02:00:00.000000000")
BUCKETS = cut(FIRST, LAST, 1_800)

ids = st.integers() | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)
times = st.builds(
    "2026-01-01T{:02}:{:02}:{:02}{}{}".format,
    st.integers(0, 1),
    st.integers(0, 59),
    st.integers(0, 59),
    st.sampled_from(["", ".5", ".123456", ".123456789"]),
    st.sampled_from(["+00:00", "Z", "+00:30"]),
)
rows_of_events = st.lists(st.tuples(ids, times), max_size=30, unique_by=lambda row: row[0])


def stored(rows: Sequence[tuple[object, str]]) -> list[Stored]:
    records = [{"ID": id_, "AT": at} for id_, at in rows]
    messages = BUILDER.build(records, list(map(encode, records)))
    return [Stored(n, message.id, "", "") for n, message in enumerate(messages, 1)]


def digests(rows: Sequence[tuple[Any, str]]) -> Digests:
    """What our tap says of these rows."""
    positions = [Position(parse(at), id_) for id_, at in rows]
    found = Digests()
    for since, before in BUCKETS:
        number, total = digest_of(one for one in positions if since <= one.at < before)
        found.add(SourceDigest("E", since, before, number, str(total)))
    return found


@pytest.mark.parametrize(
    ("since", "before"),
    [("08", "08"), ("09", "08"), ("06", "07"), ("06", "09")],
)
def test_digests_that_are_not_in_order_are_refused(since: str, before: str) -> None:
    found = Digests()
    found.add(SourceDigest("E\n", "2026-01-01T07", "2026-01-01T08", 1, "1"))
    with pytest.raises(DataError, match=r"of stream E%0A are not in order"):
        found.add(SourceDigest("E\n", f"2026-01-01T{since}", f"2026-01-01T{before}", 1, "1"))


@given(rows_of_events, st.data())
def test_a_bucket_differs_if_and_only_if_a_row_of_it_does(
    rows: list[tuple[Any, str]], data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.sampled_from(rows)) if rows else st.just(set()))
    twice = data.draw(st.sets(st.sampled_from(rows)) if rows else st.just(set())) - gone
    sources = digests(rows)
    scope = Scope(through=0)
    messages = stored([*(row for row in rows if row not in gone), *twice, (0.5, "F:1")])
    sources.count(data.draw(st.permutations(messages)), scope)
    changed = {parse(at) for _, at in gone | twice}
    for bucket in sources.buckets():
        since, before = bucket.source.since, bucket.source.before
        assert bucket.is_equal == (not any(since <= at < before for at in changed))
        assert sources.is_compared(bucket, scope)


def test_buckets_that_the_pipeline_has_not_come_to_are_left_out() -> None:
    sources = digests([])
    scope = Scope(through=0, ends={"E": "2026-01-01T01:00:00"})
    assert [sources.is_compared(one, scope) for one in sources.buckets()] == [1, 1, 0, 0]


def test_buckets_of_which_something_has_expired_are_left_out() -> None:
    rows = [(n, f"2026-01-01T00:{n:02}:00+00:00") for n in range(31, 60)]
    sources, scope = digests(rows), Scope(through=0, is_trimmed=True)
    sources.count(stored(rows), scope)
    assert [sources.is_compared(one, scope) for one in sources.buckets()] == [0, 0, 1, 1]
    few = Scope(through=0, keeps_few=True)
    assert not any(sources.is_compared(one, few) for one in sources.buckets())


def sent(rows: Sequence[int], before: str) -> list[Message]:
    """The messages of a tap with ``--digest``, of one bucket."""
    number, total = digest_of(Position(parse(moment(one)), one) for one in rows)
    properties = {key: {"type": "string"} for key in ("stream", "since", "before", "digest")}
    properties["rows"] = {"type": "integer"}
    name = "EVENTS_digests"
    digest = {"stream": "EVENTS", "since": FIRST, "before": before, "rows": number}
    return [
        schema(name, keys=["since"], properties=properties, replication_key="since"),
        {"type": "RECORD", "stream": name, "record": {**digest, "digest": str(total)}},
        {"type": "STATE", "value": {"bookmarks": {name: {}}}},
    ]


@pytest.fixture
def filled(target: Target) -> Target:
    assert target.run(*pages(1, 101, 50)).code == 0
    return target


#: The rows from 1 to 99 are before it.
BEFORE = "2026-01-01T00:00:00.100000000"


def test_a_source_is_compared_by_digests(filled: Target) -> None:
    rows = range(1, 100)
    done = verify(filled, *sent(rows, BEFORE))
    assert (done.code, done.lines) == (0, ["verify: 1 bucket, 99 rows, 99 messages: equal"])
    delete(filled, 50)
    done = verify(filled, *sent(rows, BEFORE))
    assert done.code == 5
    assert done.lines == [
        "2026-01-01T00:00:00 to 2026-01-01T00:00:00.1: 99 rows, 98 messages",
        (
            "To name the rows, compare rows instead of digests, "
            "--from 2026-01-01T00:00:00 --to 2026-01-01T00:00:00.1"
        ),
        "verify: 1 bucket, 99 rows, 98 messages: 1 bucket differs",
    ]
    done = verify(filled, *sent(rows, BEFORE), options=("--json",))
    assert done.result["different"][0]["messages"] == 98
    late = verify(filled, *sent(rows, "2026-01-01T00:00:01.000000000"))
    assert late.lines[-1] == "verify: nothing to compare"
    assert "1 bucket with 99 rows not compared" in late.lines[0]


@pytest.mark.parametrize("option", ["--payload", "--repair", "--list=x"])
def test_what_needs_rows_is_refused(filled: Target, option: str) -> None:
    done = verify(filled, *sent([1], BEFORE), options=(option,))
    assert done.code == 2
    assert "needs rows, and the input has digests of them" in done.log


def test_rows_and_digests_are_not_mixed(filled: Target) -> None:
    done = verify(filled, *sent([1], BEFORE), schema(), event(1))
    assert done.code == 5
    assert "the input has rows and digests" in done.log


def test_digests_of_fewer_than_no_rows_are_one_line(filled: Target) -> None:
    messages = sent([1], BEFORE)
    messages[1]["record"]["rows"] = -1
    done = verify(filled, *messages)
    assert (done.code, done.out) == (5, "")
    (line,) = [line for line in done.log.splitlines() if "ERROR" in line]
    assert "a digest of stream EVENTS counts -1 rows. Send those of --digest" in line


def test_digests_that_break_off_say_nothing(filled: Target) -> None:
    begun: Message = {"type": "STATE", "value": {"bookmarks": {"E_digests": {"reading": True}}}}
    done = verify(filled, begun, *sent([1], BEFORE)[:-1])
    assert done.code == 5
    assert "the tap ended before it finished reading E_digests" in done.log
