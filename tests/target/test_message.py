"""One id means one record sent twice, and nothing of a record is changed on its way."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from target_nats_jetstream.identity import (
    content_of,
    mark_of,
    new_places,
    place_of,
    placed_by,
    stream_of,
)
from target_nats_jetstream.message import Message, MessageBuilder, encode, trace_ids
from target_nats_jetstream.publisher.jetstream.stored import Stored
from target_nats_jetstream.publisher.known import Known, Past
from target_nats_jetstream.subject import SubjectTemplate
from target_nats_jetstream.template import Template
from tests.target.records import RECORDS, SCALARS, digits

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBJECT = SubjectTemplate.parse("txlog.{stream}")
MAX_ID_CHARACTERS = 512
KEY_TEXTS = st.text(":%3A ä", max_size=6) | st.text(max_size=300)


def keyed(stream: str = "EVENTS", *keys: str, title: str = "") -> MessageBuilder:
    return MessageBuilder(stream, SUBJECT, keys or ["ID"], replication_key="AT", title=title)


def kinds() -> list[MessageBuilder]:
    """With everything, with two keys, without a replication key, without a key, with neither."""
    return [
        keyed(),
        keyed("EVENTS", "A", "B"),
        MessageBuilder("EVENTS", SUBJECT, ["ID"]),
        MessageBuilder("EVENTS", SUBJECT, replication_key="AT"),
        MessageBuilder("EVENTS", SUBJECT),
    ]


BUILDERS = st.sampled_from(kinds())


def build(builder: MessageBuilder, record: Mapping[str, object]) -> Message:
    (message,) = builder.build([record], [encode(record)])
    return message


def payload_of(message: Message) -> dict[str, object]:
    """The payload, read by another parser than the one that wrote it."""
    found: dict[str, object] = json.loads(message.payload, parse_float=Decimal)
    return found


# Identity


@given(RECORDS, RECORDS, SCALARS, SCALARS, SCALARS, SCALARS)
@example({}, {}, 1, "1", "now", "now")
@example({}, {}, True, "True", "now", "now")
@example({}, {}, 1, True, "now", "now")
@example({}, {}, Decimal("1.0"), 1, "now", "now")
@example({"A": 1}, {"A": Decimal("1.0")}, 1, 1, "now", "now")
def test_two_keyed_records_share_an_id_only_where_they_are_one_record(
    one: dict[str, object], other: dict[str, object], key: object, k: object, at: object, t: object
) -> None:
    assume(None not in (key, k, at, t))
    one, other = {**one, "ID": key, "AT": at}, {**other, "ID": k, "AT": t}
    first, second = build(keyed(), one), build(keyed(), other)
    assert (first.id == second.id) == (encode(one) == encode(other))
    assert not first.placed


@given(st.lists(RECORDS, min_size=1, max_size=6), st.sampled_from(range(2, 5)))
def test_without_key_or_replication_key_no_two_records_share_an_id(
    records: list[dict[str, object]], kind: int
) -> None:
    builder = kinds()[kind]
    twice = [*records, *records]
    messages = builder.build(twice, list(map(encode, twice)))
    assert len({message.id for message in messages}) == len(twice)
    assert all(message.placed for message in messages)
    assert [message.content for message in messages[: len(records)]] == [
        message.content for message in messages[len(records) :]
    ]


@given(SCALARS, SCALARS)
@example(None, "now")
@example(1, None)
def test_a_null_in_key_or_replication_value_tells_no_record_apart(key: object, at: object) -> None:
    record = {"ID": key, "AT": at}
    one, other = (build(keyed(), record) for _ in range(2))
    assert one.placed == other.placed == (None in (key, at))
    assert (one.id == other.id) == (None not in (key, at))


def test_a_key_that_is_missing_counts_as_null() -> None:
    assert build(keyed(), {"AT": "now"}).placed
    assert build(keyed(), {"ID": 1}).placed
    assert not build(keyed(), {"ID": "null", "AT": "null"}).placed


@given(st.text(max_size=80), st.text(max_size=80), KEY_TEXTS)
@example("A", "A:1", "1:2")
@example("", "%", "")
def test_records_of_two_streams_never_share_an_id(one: str, other: str, key: str) -> None:
    assume(one != other)
    record = {"ID": key, "AT": "now"}
    assert build(keyed(one), record).id != build(keyed(other), record).id


def test_equal_rows_of_two_tables_of_one_name_stay_two() -> None:
    record = {"ID": 1, "AT": "now"}
    one, other = (build(keyed(title=title), record) for title in ("A.EVENTS", "B.EVENTS"))
    assert one.id != other.id
    assert payload_of(one)["trace_id"] != payload_of(other)["trace_id"]


@given(RECORDS, st.text(), st.text())
def test_what_the_target_adds_does_not_make_another_record(
    record: dict[str, object], now: str, later: str
) -> None:
    record |= {"ID": 1, "AT": "now"}
    builder, came = keyed(), encode(record)
    ids = {
        message.id
        for time in (now, later)
        for full in [{**record, "_sdc_received_at": time}]
        for message in builder.build([full], [encode(full)], [came])
    }
    assert ids == {build(builder, record).id}


@given(st.lists(st.tuples(st.integers(0, 4), RECORDS), max_size=8))
def test_a_message_does_not_depend_on_those_that_are_made_with_it(
    parts: list[tuple[int, dict[str, object]]],
) -> None:
    records = [{**record, "ID": [None, 1, "a", True, "ä"][key]} for key, record in parts]
    for together, alone in zip(kinds(), kinds(), strict=True):
        made = together.build(records, list(map(encode, records)))
        one_by_one = [build(alone, record) for record in records]
        assert [_without_run(message) for message in made] == [
            _without_run(message) for message in one_by_one
        ]


def _without_run(message: Message) -> Message:
    """Two builders have places of two runs."""
    if not message.placed:
        return message
    number = place_of(message.id)[10:]
    return msgspec.structs.replace(message, id=f"{message.content}:{number}")


@given(BUILDERS, st.text(max_size=300), RECORDS, SCALARS)
@example(keyed(), "now ", {}, 1)
def test_an_id_can_stand_in_a_header(
    builder: MessageBuilder, text: str, record: dict[str, object], key: object
) -> None:
    message_id = build(builder, record | {"ID": text, "A": text, "B": key, "AT": text}).id
    assert 1 <= len(message_id) <= MAX_ID_CHARACTERS
    assert message_id.isascii()
    assert message_id.isprintable()
    assert message_id == message_id.strip()  # NATS clients strip the values of headers


@given(st.text(max_size=80), RECORDS, st.sampled_from([(), ("ID",)]))
def test_the_parts_of_an_id_can_be_told_from_the_id(
    stream: str, record: dict[str, object], keys: tuple[str, ...]
) -> None:
    """``Known`` has nothing but ids of what is in the stream."""
    builder = MessageBuilder(stream, SUBJECT, keys, places=new_places("P"))
    one, other = (build(builder, record) for _ in range(2))
    assert place_of(one.id) != place_of(other.id)
    assert placed_by(one.id) == placed_by(other.id) == mark_of("P")
    assert stream_of(one.id) == stream_of(other.id)
    assert content_of(one.id) == one.content == other.content
    known = Known("P", Past(since=0, counted_through=0), give_up_after=10)
    known.add([Stored(1, one.id, "", "")])
    found = known.find(other)
    assert found is not None
    assert found.id == one.id


# Payload


@given(BUILDERS, RECORDS)
def test_the_payload_is_the_record_and_what_was_added(
    builder: MessageBuilder, record: dict[str, object]
) -> None:
    payload = payload_of(build(builder, record))
    assert list(payload)[: len(record)] == list(record)
    assert {name: digits(payload[name]) for name in record} == digits(record)
    assert payload.keys() - record.keys() <= {"trace_id"}


@given(st.lists(RECORDS, min_size=2, max_size=2), BUILDERS)
def test_the_trace_id_is_a_function_of_the_record(
    records: list[dict[str, object]], builder: MessageBuilder
) -> None:
    assume(not any("trace_id" in record for record in records))
    traces = [payload_of(build(builder, record))["trace_id"] for record in [*records, *records]]
    assert traces[:2] == traces[2:]
    assert (traces[0] == traces[1]) == (encode(records[0]) == encode(records[1]))


@given(st.integers(0, 2**128 - 1).map("{:032x}".format))
def test_a_trace_id_is_a_uuid_of_version_8(digest: str) -> None:
    trace = uuid.UUID(trace_ids([digest])[0].decode())
    assert trace.version == 8
    assert trace.variant == uuid.RFC_4122
    assert trace.hex[:12] + trace.hex[13:16] + trace.hex[17:] == (
        digest[:12] + digest[13:16] + digest[17:]
    )


@given(BUILDERS, RECORDS)
def test_the_payload_begins_with_the_bytes_that_the_tap_wrote(
    builder: MessageBuilder, record: dict[str, object]
) -> None:
    written = json.dumps(record, default=float).encode()
    assume(json.loads(written) == record)
    (message,) = builder.build([record], [written])
    assert message.payload.startswith(written[:-1])
    assert json.loads(message.payload).items() >= record.items()


@pytest.mark.parametrize("written", [b"{}", b"{ }", b"{\t}", b"{\r\n }"])
def test_what_is_added_to_an_empty_record_has_no_comma_before_it(written: bytes) -> None:
    builder = MessageBuilder("EVENTS", SUBJECT, added={"data_type": "TXLOG"})
    (message,) = builder.build([{}], [written])
    assert json.loads(message.payload)["data_type"] == "TXLOG"


def test_a_field_of_the_record_is_never_replaced_by_an_added_one() -> None:
    builder = MessageBuilder("EVENTS", SUBJECT, added={"data_type": "TXLOG", "source": "S"})
    record = {"trace_id": "mine", "data_type": None, "ID": 1}
    assert payload_of(build(builder, record)) == {**record, "source": "S"}


def test_nothing_is_added_that_is_not_wanted() -> None:
    builder = MessageBuilder("EVENTS", SUBJECT, add_trace_id=False)
    assert build(builder, {"ID": 1}).payload == b'{"ID":1}'


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12345678901234567890123456789012345678", 12345678901234567890123456789012345678),
        ("0.1000000000000000055511151231257827", Decimal("0.1000000000000000055511151231257827")),
        ("1.10", Decimal("1.10")),
    ],
)
def test_numbers_keep_their_digits(text: str, number: object) -> None:
    message = build(MessageBuilder("EVENTS", SUBJECT, add_trace_id=False), {"N": number})
    assert message.payload == b'{"N":%s}' % text.encode()


def test_the_message_of_a_row_does_not_change_from_release_to_release() -> None:
    """Another id for a row that is in the stream already would store it twice."""
    builder = MessageBuilder(
        "TXLOG_EVENTS",
        SubjectTemplate.parse("txlog.events"),
        keys=["ID"],
        replication_key="EVENT_TIMESTAMP",
        title="SPC.TXLOG_EVENTS",
        added={"data_type": "TXLOG"},
    )
    record = {
        "ID": 1,
        "EVENT_DATA": 'zähl "3.10"',
        "EVENT_TIMESTAMP": "2026-11-22T02:03:41.737077+00:00",
    }
    message = build(builder, record)
    digest = "21a9ce80b4d40f3371170fb96f47c4da"
    assert message.id == f'TXLOG_EVENTS:[1,"2026-11-22T02:03:41.737077+00:00"]:{digest}'
    assert message.payload.decode() == (
        '{"ID":1,"EVENT_DATA":"zähl \\"3.10\\"",'
        '"EVENT_TIMESTAMP":"2026-11-22T02:03:41.737077+00:00",'
        '"data_type":"TXLOG","trace_id":"21a9ce80-b4d4-8f33-b117-0fb96f47c4da"}'
    )


def test_a_key_that_no_header_can_hold_becomes_a_hash_that_does_not_change() -> None:
    stream, key, digest = build(keyed(), {"ID": "ä", "AT": "1"}).id.split(":")
    assert (stream, key) == ("EVENTS", "41b323f0e1ac56124a78c611e3cb588b")
    assert digest == "19c6835e818f4db3b2f20671a972886e"


def test_what_is_no_record_makes_a_letter_of_its_own() -> None:
    builder = MessageBuilder("EVENTS", SUBJECT, id_template=Template.parse("{ID}"))
    one, other = (builder.dead_letter(b"[1]") for _ in range(2))
    assert one.payload == b"[1]"
    assert one.subject == "txlog._"
    assert one.id != other.id
