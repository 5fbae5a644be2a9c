"""The short way of a record and the SDK's own end in the same message, or in the same refusal."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_nats_jetstream.message import encode
from target_nats_jetstream.sink import JetStreamSink
from target_nats_jetstream.target import TargetNatsJetstream
from tests.support.target import event, schema
from tests.target.records import RECORDS, digits

if TYPE_CHECKING:
    from target_nats_jetstream.message import Message

ANYTHING = schema(properties={"ID": {}}, keys=[], replication_key=None)


def sink_of(message: dict[str, Any], **config: object) -> tuple[TargetNatsJetstream, JetStreamSink]:
    """A target that has read a SCHEMA, not connected to anything, and its sink."""
    target = TargetNatsJetstream(config={"subject": "txlog.{stream}.{ID}", **config})
    target._process_schema_message(message)
    sink = target.get_sink(message["stream"])
    assert isinstance(sink, JetStreamSink)
    return target, sink


def read(message: Message) -> tuple[str, object]:
    return message.subject, digits(json.loads(message.payload, parse_float=Decimal))


@pytest.fixture(scope="module")
def keyless() -> tuple[TargetNatsJetstream, JetStreamSink]:
    return sink_of(ANYTHING, add_trace_id=False)


@given(record=RECORDS, blanks=st.booleans())
@example(record={}, blanks=False)
@example(record={"data_type": 1, "trace_id": None}, blanks=True)
@example(record={'": ': '": '}, blanks=False)
@example(record={":": None}, blanks=True)
def test_both_ways_make_the_same_message(
    keyless: tuple[TargetNatsJetstream, JetStreamSink], record: dict[str, Any], blanks: bool
) -> None:
    target, sink = keyless
    encoded = msgspec.json.format(encode(record), indent=0 if blanks else -1)
    assert sink.take([encoded])
    target._process_record_message(
        {"stream": "EVENTS", "record": target.message_reader.deserialize_json(encoded)}
    )
    short, long = sink._messages
    sink._messages.clear()
    assert read(short) == read(long)
    assert b'": ' not in short.payload or '": ' in str(record)


def test_the_bytes_of_a_record_are_kept() -> None:
    _, sink = sink_of(schema())
    written = b'{"ID":1,"AT":null,"DATA":"\\u00e9","N":1.50E+3}'
    assert sink.take([written])
    assert sink._messages[0].payload.startswith(written[:-1] + b',"data_type":"TXLOG","trace_id":"')


def test_the_message_of_a_record_does_not_depend_on_how_its_neighbours_are_written() -> None:
    _, sink = sink_of(schema(keys=[], replication_key=None))
    compact, spaced = b'{"ID":1,"AT":null}', b'{"ID": 1, "AT": null}'
    for run in ([b"{}", spaced], [spaced, b"{}"], [compact, spaced], [spaced, compact]):
        assert sink.take(run)
    ones = {message for message in sink._messages if b'"ID"' in message.payload}
    assert len(ones) == 1


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"[]",
        b"1",
        b'{"ID":1',
        b'{"ID":1,"AT":"\xff"}',
        b'{"ID":1,"AT":null,"MORE":"\xff"}',
        b'{"AT":null}',
        b'{"ID":"x","AT":null}',
        b'{"ID":1,"AT":null,"_sdc_extracted_at":"2026-01-01T00:00:00Z"}',
    ],
)
def test_what_the_sdk_has_to_see_is_not_taken(encoded: bytes) -> None:
    """Nor are its neighbours: the SDK's way keeps the order and finds the one that is wrong."""
    _, sink = sink_of(schema())
    good = b'{"ID":1,"AT":null,"DATA":null}'
    assert sink.take([good, good])
    assert not sink.take([good, encoded, good])
    assert sink.current_size == 2


@pytest.mark.parametrize(
    "config",
    [
        {"stream_maps": {"EVENTS": {"DATA": "__NULL__"}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
        {"add_record_metadata": True},
    ],
)
def test_a_stream_that_the_sdk_changes_has_no_short_way(config: dict[str, Any]) -> None:
    target, _ = sink_of(schema(), **config)
    assert target._takers == {}


def test_a_changed_schema_takes_the_short_way_to_the_new_sink() -> None:
    target, old = sink_of(schema())
    target._process_schema_message(schema(properties={"ID": {"type": "string"}}))
    new = target.get_sink("EVENTS")
    assert new is not old
    assert target._takers["EVENTS"].__self__ is new  # type: ignore[attr-defined]
    assert not target._takers["EVENTS"]([json.dumps(event(1)["record"]).encode()])
