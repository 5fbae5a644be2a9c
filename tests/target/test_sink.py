"""A record comes out the same whatever stands beside it, and whichever way it takes."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.message import encode
from target_nats_jetstream.sink import JetStreamSink
from target_nats_jetstream.target import TargetNatsJetstream
from tests.support.target import event, schema
from tests.target.records import RECORDS, digits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_nats_jetstream.message import Message

ANYTHING = schema(properties={"ID": {}}, keys=[], replication_key=None)


class Taken:
    """What a sink hands over, in place of ``Delivery``."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.dead_letters: list[tuple[Message, str]] = []

    def take(self, messages: Sequence[Message]) -> None:
        self.messages += messages

    def dead_letter(self, message: Message, reason: str, detail: str) -> None:
        assert reason == "invalid"
        self.dead_letters.append((message, detail))


def sink_of(
    message: dict[str, Any], **config: object
) -> tuple[TargetNatsJetstream, JetStreamSink, Taken]:
    """A target that has read a SCHEMA, not connected to anything, and its sink."""
    target = TargetNatsJetstream(config={"subject": "txlog.{stream}.{ID}", **config})
    taken = Taken()
    target._assembly.made = taken  # type: ignore[assignment]
    target._process_schema_message(message)
    sink = target.get_sink(message["stream"])
    assert isinstance(sink, JetStreamSink)
    return target, sink, taken


def fast_path(target: TargetNatsJetstream) -> Callable[[Sequence[bytes]], None]:
    """That of the stream EVENTS."""
    found = target._fast_path("EVENTS")
    assert found is not None
    return found


def read(message: Message) -> tuple[str, object]:
    return message.subject, digits(json.loads(message.payload, parse_float=Decimal))


@pytest.fixture(scope="module")
def keyless() -> tuple[TargetNatsJetstream, JetStreamSink, Taken]:
    return sink_of(ANYTHING, add_trace_id=False)


@given(record=RECORDS, blanks=st.booleans())
@example(record={}, blanks=False)
@example(record={"data_type": 1, "trace_id": None}, blanks=True)
@example(record={'": ': '": '}, blanks=False)
@example(record={": ": None}, blanks=True)
@example(record={":": None}, blanks=True)
@example(record={"_sdc_deleted_at": "2026-01-01T00:00:00Z"}, blanks=True)
def test_both_ways_make_the_same_message(
    keyless: tuple[TargetNatsJetstream, JetStreamSink, Taken],
    record: dict[str, Any],
    blanks: bool,
) -> None:
    target, sink, taken = keyless
    encoded = msgspec.json.format(encode(record), indent=0 if blanks else -1)
    sink.process_encoded([encoded])
    target._process_record_message(
        {"stream": "EVENTS", "record": target.message_reader.deserialize_json(encoded)}
    )
    short, long = taken.messages
    taken.messages.clear()
    assert read(short) == read(long)
    assert short.payload == msgspec.json.format(short.payload, indent=-1)


def test_the_bytes_of_a_record_are_kept() -> None:
    _, sink, taken = sink_of(schema())
    written = b'{"ID":1,"AT":null,"DATA":"\\u00e9","N":1.50E+3,"_sdc_deleted_at":null}'
    sink.process_encoded([written])
    assert taken.messages[0].payload.startswith(written[:-1] + b',"data_type":"TXLOG"')


GOOD = b'{"ID": 1, "AT": "2026", "DATA": "\\u00e9", "N": 1.50E+3}'
BAD = [
    (b"", "it is not JSON"),
    (b"[]", "it is not a JSON object"),
    (b"1", "it is not a JSON object"),
    (b"null", "it is not a JSON object"),
    (b'{"ID":1', "it is not JSON"),
    (b'{"ID":1,"AT":"\xff"}', "(ID=1): field AT has text that is not UTF-8"),
    (b'{"ID":1,"AT":NaN}', "(ID=1): field AT is NaN, which JSON does not have"),
    (b'{"AT":"","ID":-Infinity}', "field ID is -Infinity, which JSON does not have"),
    (b'{"ID":1,"AT":"\\ud800"}', "(ID=1): field AT has half of a surrogate pair in its text"),
    (b'{"ID":1,"DATA":' + b"9" * 4400 + b"}", "(ID=1): field DATA has a number of 4,400 digits"),
    (b'{"ID":1,"N":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "field N is nested too deeply"),
    (b'{"AT":null}', "it lacks the key property ID"),
    (b'{"ID":"x","AT":null}', "field ID violates 'type' in its schema"),
]


@pytest.mark.parametrize(("bad", "why"), BAD)
def test_one_bad_record_does_not_change_its_neighbours(bad: bytes, why: str) -> None:
    _, alone, one = sink_of(schema(), on_error="dead_letter")
    alone.process_encoded([GOOD])
    _, sink, taken = sink_of(schema(), on_error="dead_letter")
    sink.process_encoded([GOOD, bad, GOOD])
    assert taken.messages == one.messages * 2
    ((letter, detail),) = taken.dead_letters
    assert why in detail
    assert letter.payload == bad
    assert detail.startswith("line 2")


@pytest.mark.parametrize(("bad", "why"), BAD)
def test_a_bad_record_ends_the_run_after_those_before_it(bad: bytes, why: str) -> None:
    target, sink, taken = sink_of(schema())
    target._reader.line = 7
    with pytest.raises(DataError) as raised:
        sink.process_encoded([GOOD, bad, GOOD])
    assert raised.value.reason.startswith("line 8 is a record of stream EVENTS that cannot be")
    assert why in raised.value.reason
    assert len(taken.messages) == 1


@given(st.lists(st.sampled_from([GOOD, *(bad for bad, _ in BAD)]), max_size=6))
def test_a_record_comes_out_as_if_it_had_stood_alone(run: list[bytes]) -> None:
    _, alone, one = sink_of(schema(), on_error="dead_letter")
    for text in run:
        alone.process_encoded([text])
    _, sink, taken = sink_of(schema(), on_error="dead_letter")
    sink.process_encoded(run)
    assert taken.messages == one.messages
    assert [letter.payload for letter, _ in taken.dead_letters] == [
        letter.payload for letter, _ in one.dead_letters
    ]


TREE = {"ID": {}, "A": {"$ref": "#"}}


@pytest.mark.parametrize("levels", [240, 300, 500])
def test_a_record_that_is_too_deep_for_its_schema_is_one_wrong_record(levels: int) -> None:
    message = schema(properties=TREE)
    message["schema"]["$schema"] = "http://json-schema.org/draft-03/schema#"
    _, sink, taken = sink_of(message, on_error="dead_letter")
    good, deep = (
        b'{"ID":1,"A":{}}',
        b'{"ID":2,"A":' + b'{"A":' * levels + b"{}" + b"}" * levels + b"}",
    )
    sink.process_encoded([good, deep, good])
    assert len(taken.messages) == 2
    ((letter, detail),) = taken.dead_letters
    assert letter.payload == deep
    assert detail == "line 2 (ID=2): it is nested too deeply to be validated"


def test_what_is_no_record_is_refused_where_maps_would_drop_it() -> None:
    target, _, taken = sink_of(schema(), stream_maps={"EVENTS": {"DATA": "DATA"}})
    target._reader.line = 3
    for record in (None, [1], 7):
        with pytest.raises(DataError, match="line 3 is a record of stream EVENTS"):
            target._process_record_message({"stream": "EVENTS", "record": record})
    assert not taken.messages


def test_the_time_at_which_a_record_came_does_not_make_another_record() -> None:
    target, _, taken = sink_of(schema(), add_record_metadata=True, subject="x")
    for extracted in ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"):
        message = {"stream": "EVENTS", "time_extracted": extracted}
        target._process_record_message({**message, "record": {"ID": 1, "AT": "2026"}})
    one, other = taken.messages
    assert one.id == other.id
    assert one.payload != other.payload


@pytest.mark.parametrize(
    "config",
    [
        {"stream_maps": {"EVENTS": {"DATA": "__NULL__"}}},
        {"flattening_enabled": True, "flattening_max_depth": 1},
        {"add_record_metadata": True},
    ],
)
def test_a_stream_that_the_sdk_changes_has_no_fast_path(config: dict[str, Any]) -> None:
    target, _, _ = sink_of(schema(), **config)
    assert target._fast_path("EVENTS") is None


def test_a_changed_schema_makes_a_fast_path_to_the_new_sink() -> None:
    target, old, _ = sink_of(schema())
    target._process_schema_message(schema(properties={"ID": {"type": "string"}}))
    new = target.get_sink("EVENTS")
    assert new is not old
    assert fast_path(target).__self__ is new  # type: ignore[attr-defined]
    with pytest.raises(DataError):
        fast_path(target)([json.dumps(event(1)["record"]).encode()])


def test_a_schema_costs_the_same_however_many_came_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look at all streams for each of them would be the square of the input."""
    looked_at: list[str] = []

    def look(sink: JetStreamSink, _maps: object) -> bool:
        looked_at.append(sink.stream_name)
        return True

    monkeypatch.setattr(JetStreamSink, "can_bypass_maps", look)
    target, _, _ = sink_of(schema())
    for number in range(50):
        target._process_schema_message(schema(f"S{number}"))
        assert target._fast_path(f"S{number}") is not None
    assert looked_at == [f"S{number}" for number in range(50)]


def test_what_is_no_record_has_no_fast_path() -> None:
    target, _, _ = sink_of(schema(""))
    assert target._fast_path(None) is None
    assert target._fast_path("unknown") is None


def test_a_changed_replication_key_is_taken_up() -> None:
    target, _, taken = sink_of(schema(), subject="x")
    record = b'{"ID":1,"AT":"2026","DATA":"a"}'
    for key in (None, "AT"):
        target._process_schema_message(schema(replication_key=key))
        fast_path(target)([record])
    assert [message.placed for message in taken.messages] == [True, False]


def test_the_records_of_an_alias_are_told_apart_like_those_of_their_stream() -> None:
    maps = {"EVENTS": {"__alias__": "OTHER", "DATA": "DATA"}}
    target = TargetNatsJetstream(config={"stream_maps": maps})
    taken = Taken()
    target._assembly.made = taken  # type: ignore[assignment]
    target._process_schema_message(schema())
    record = {"ID": 1, "AT": "2026", "DATA": "a"}
    target._process_record_message({"stream": "EVENTS", "record": record})
    assert [(m.stream, m.placed) for m in taken.messages] == [("OTHER", False)]
