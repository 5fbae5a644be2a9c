"""A row makes the same message always; another row another one; and nothing of it is changed."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from target_nats_jetstream.message import (
    MAX_ID_CHARACTERS,
    TRACE_NAMESPACE,
    Message,
    MessageBuilder,
    encode,
    trace_ids,
)
from target_nats_jetstream.subject import SubjectTemplate
from tests.target.records import RECORDS, SCALARS, VALUES, digits

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBJECT = SubjectTemplate.parse("txlog.{stream}")
KEYED = MessageBuilder("EVENTS", SUBJECT, keys=["ID"], replication_key="AT")
TWO_KEYS = MessageBuilder("EVENTS", SUBJECT, keys=["A", "B"], replication_key="AT")
KEYLESS = MessageBuilder("EVENTS", SUBJECT)
WITHOUT_REPLICATION_KEY = MessageBuilder("EVENTS", SUBJECT, keys=["ID"])
KEY_TEXTS = st.text(":%3A ä", max_size=6) | st.text(max_size=300)
BUILDERS = st.sampled_from([KEYED, TWO_KEYS, KEYLESS, WITHOUT_REPLICATION_KEY])


def build(builder: MessageBuilder, record: Mapping[str, object]) -> Message:
    (message,) = builder.build([record], [encode(record)])
    return message


def id_of(builder: MessageBuilder, record: Mapping[str, object]) -> str:
    (message_id,) = builder.message_ids([record], [encode(record)])
    return message_id


def payload_of(message: Message) -> dict[str, object]:
    """The payload, read by another parser than the one that wrote it."""
    found: dict[str, object] = json.loads(message.payload, parse_float=Decimal)
    return found


@given(BUILDERS, RECORDS, SCALARS)
def test_the_same_row_makes_the_same_message(
    builder: MessageBuilder, record: dict[str, object], key: object
) -> None:
    record |= {"ID": key, "AT": "2026-01-01T00:00:00.000001+00:00"}
    assert build(builder, record) == build(
        builder, json.loads(json.dumps(record, default=repr)) | record
    )


@given(KEY_TEXTS, KEY_TEXTS, KEY_TEXTS, KEY_TEXTS)
@example("1:2", "3", "1", "2:3")
@example("a%3Ab", "c", "a:b", "c")
def test_rows_with_different_keys_never_share_an_id(a: str, b: str, c: str, d: str) -> None:
    assume((a, b) != (c, d))
    ids = {id_of(TWO_KEYS, {"A": x, "B": y, "AT": "now"}) for x, y in ((a, b), (c, d))}
    assert len(ids) == 2


@given(KEY_TEXTS, KEY_TEXTS, KEY_TEXTS)
@example("A", "A:1", "1:2")
def test_rows_of_different_streams_never_share_an_id(one: str, other: str, key: str) -> None:
    assume(one != other)
    record = {"ID": key, "AT": "now"}
    ids = {
        id_of(MessageBuilder(name, SUBJECT, keys=["ID"], replication_key="AT"), record)
        for name in (one, other)
    }
    assert len(ids) == 2


@given(SCALARS, KEY_TEXTS, KEY_TEXTS)
@example(1, "now ", "now")
def test_a_row_with_another_replication_value_has_another_id(
    key: object, before: str, after: str
) -> None:
    assume(before != after)
    assert id_of(KEYED, {"ID": key, "AT": before}) != id_of(KEYED, {"ID": key, "AT": after})


@given(st.sampled_from([KEYLESS, WITHOUT_REPLICATION_KEY, KEYED]), VALUES, VALUES)
def test_where_no_replication_value_tells_a_change_the_whole_row_does(
    builder: MessageBuilder, before: object, after: object
) -> None:
    assume(digits(before) != digits(after))
    rows = [{"ID": 1, "AT": None, "DATA": value} for value in (before, after)]
    assert id_of(builder, rows[0]) != id_of(builder, rows[1])


@given(BUILDERS, st.text(max_size=300), RECORDS, SCALARS)
@example(KEYED, "now ", {}, 1)
def test_an_id_can_stand_in_a_header(
    builder: MessageBuilder, text: str, record: dict[str, object], key: object
) -> None:
    message_id = id_of(builder, record | {"ID": text, "A": text, "B": key, "AT": text})
    assert 1 <= len(message_id) <= MAX_ID_CHARACTERS
    assert message_id.isascii()
    assert message_id.isprintable()
    assert message_id == message_id.strip()  # NATS clients strip the values of headers


@given(BUILDERS, RECORDS)
def test_the_payload_is_the_record_and_what_was_added(
    builder: MessageBuilder, record: dict[str, object]
) -> None:
    message = build(builder, record)
    payload = payload_of(message)
    assert list(payload)[: len(record)] == list(record)
    assert {name: digits(payload[name]) for name in record} == digits(record)
    assert payload.keys() - record.keys() <= {"trace_id"}


@given(BUILDERS, RECORDS)
def test_the_trace_id_is_a_function_of_the_row(
    builder: MessageBuilder, record: dict[str, object]
) -> None:
    assume("trace_id" not in record)
    message = build(builder, record)
    assert payload_of(message)["trace_id"] == trace_ids([message.id])[0].decode()


@given(st.text())
def test_a_trace_id_is_a_uuid_of_version_5(message_id: str) -> None:
    assert trace_ids([message_id]) == [str(uuid.uuid5(TRACE_NAMESPACE, message_id)).encode()]


@given(BUILDERS, RECORDS)
def test_the_payload_begins_with_the_bytes_that_the_tap_wrote(
    builder: MessageBuilder, record: dict[str, object]
) -> None:
    written = json.dumps(record, default=float).encode()
    assume(json.loads(written) == record)
    (message,) = builder.build([record], [written])
    assert message.payload.startswith(written[:-1])
    assert json.loads(message.payload).items() >= record.items()


@given(BUILDERS, st.lists(RECORDS, max_size=8))
def test_a_message_does_not_depend_on_those_that_are_made_with_it(
    builder: MessageBuilder, records: list[dict[str, object]]
) -> None:
    together = builder.build(records, list(map(encode, records)))
    assert together == [build(builder, record) for record in records]


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
    """Another id or trace id for a row that is in the stream already would store it twice."""
    builder = MessageBuilder(
        "TXLOG_EVENTS",
        SubjectTemplate.parse("txlog.events"),
        keys=["ID"],
        replication_key="EVENT_TIMESTAMP",
        added={"data_type": "TXLOG"},
    )
    record = {
        "ID": 1,
        "EVENT_DATA": 'zähl "3.10"',
        "EVENT_TIMESTAMP": "2026-11-22T02:03:41.737077+00:00",
    }
    assert build(builder, record) == Message(
        "txlog.events",
        "TXLOG_EVENTS:1:2026-11-22T02:03:41.737077+00:00",
        '{"ID":1,"EVENT_DATA":"zähl \\"3.10\\"",'
        '"EVENT_TIMESTAMP":"2026-11-22T02:03:41.737077+00:00",'
        '"data_type":"TXLOG","trace_id":"5c0afe90-a366-54bb-a708-eb17f6ce3c8b"}'.encode(),
    )


def test_a_key_that_no_header_can_hold_becomes_a_hash_that_does_not_change() -> None:
    assert id_of(KEYED, {"ID": "ä", "AT": "1"}) == "775ec369ccf37e5defd033cc18afe81c"
    assert id_of(KEYLESS, {"ID": 1}) == "EVENTS:1461e5c43a30fcc2c2c3bf8670ae1ce1"
