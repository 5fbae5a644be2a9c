"""What cannot be decoded is one record, reported by its field and its flaw, never by a value."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from target_nats_jetstream.decoding import (
    MEMBERS,
    UNREADABLE,
    decode,
    envelopes,
    flaw,
    key_of,
    lacks,
    members_of,
    refuse_line,
)
from target_nats_jetstream.errors import DataError
from tests.target.records import RECORDS

FLAWS = [
    (b"NaN", "is NaN, which JSON does not have"),
    (b"[1, -Infinity]", "is -Infinity, which JSON does not have"),
    (b'{"x": Infinity}', "is Infinity, which JSON does not have"),
    (b'"a\\ud800b"', "has half of a surrogate pair in its text"),
    (b'"a\\udc00"', "has half of a surrogate pair in its text"),
    (b'"\xff"', "has text that is not UTF-8"),
    (b'"\xed\xa0\x80"', "has text that is not UTF-8"),
    (b'"\x01"', "has a control character that is not escaped"),
    (b'"\\x"', "has an invalid escape in its text"),
    (b"9" * 5000, "has a number of 5,000 digits"),
    (b"-" + b"9" * 5000, "has a number of 5,000 digits"),
    (b"[" * 20_000 + b"]" * 20_000, "is nested too deeply"),
    (b"1e99999999999999999999", "has a number whose exponent is too large"),
    (b"tru", "has a value that is not JSON"),
    (b"012", "has a value that is not JSON"),
    (b"[1,]", "is not JSON"),
]
CONSTANTS = st.sampled_from([b"NaN", b"Infinity", b"-Infinity", b'"\\ud83d"', b'"\xfe"', b"tru"])


@pytest.mark.parametrize(("value", "told"), FLAWS, ids=range(len(FLAWS)))
def test_a_flaw_is_told_with_its_field(value: bytes, told: str) -> None:
    record = b'{"ID": 7, "SECRET": "s", "V" : ' + value + b' , "W": 1}'
    assert flaw(record) == f"field V {told}"
    assert key_of(record, ["ID"]) == "ID=7"


@pytest.mark.parametrize("text", [b"", b"{", b"oops", b'{"a":1', b'{"a":"x}', b'{"a" 1}', b"[1,]"])
def test_what_is_no_object_is_no_json(text: bytes) -> None:
    assert flaw(text) == "it is not JSON"


@given(RECORDS, CONSTANTS, st.integers(0, 3), st.data())
def test_a_record_is_found_in_its_line_whatever_is_wrong_with_it(
    record: dict[str, object], bad: bytes, depth: int, data: st.DataObject
) -> None:
    texts = [b"%b : %b" % (_encoded(name), _encoded(value)) for name, value in record.items()]
    wrong = b'"BAD":' + b'[{"x": ' * depth + bad + b"}]" * depth
    texts.insert(data.draw(st.integers(0, len(texts))), wrong)
    whole = b"{ " + b",".join(texts) + b"}"
    line = b' {"stream": "s", "record": %b, "type": "RECORD", "x": [{}, "}"]}\r' % whole
    (envelope,) = envelopes([line])
    assert (envelope.type, envelope.stream, bytes(envelope.record)) == ("RECORD", "s", whole)
    assert (flaw(whole) or "").startswith("field BAD ")


@given(RECORDS)
@example({})
def test_the_members_of_an_object_are_as_they_are_written(record: dict[str, object]) -> None:
    found = members_of(_encoded(record))
    assert found is not None
    assert {name: _encoded(decode(text)) for name, text in found.items()} == {
        name: _encoded(decode(_encoded(value))) for name, value in record.items()
    }


@given(st.binary(max_size=60) | st.text('{}[]":,\\aN1 ', max_size=60).map(str.encode))
def test_no_text_makes_anything_but_an_answer(text: bytes) -> None:
    members_of(text)
    key_of(text, ["a"])
    try:
        decode(text)
    except UNREADABLE:
        assert flaw(text)
    else:
        assert flaw(text) is None


@pytest.mark.parametrize(
    ("record", "keys", "shown"),
    [
        (b'{"A":1,"B":"x"}', ["A", "B"], "A=1, B=x"),
        (b'{"A":1}', ["A", "B"], None),
        (b'{"A":null}', ["A"], None),
        (b'{"A":NaN}', ["A"], None),
        (b'{"A":"%b"}' % (b"x" * 100), ["A"], None),
        (b'{"A":"x\\ny"}', ["A"], None),
        (b'{"A":1}', [], None),
        (b"[]", ["A"], None),
    ],
)
def test_a_key_is_shown_if_people_can_look_it_up(
    record: bytes, keys: list[str], shown: str | None
) -> None:
    assert key_of(record, keys) == shown


WRONG = [
    ({"type": "SCHEMA", "stream": "s"}, "it has no `schema`"),
    ({"type": "SCHEMA", "stream": 7, "schema": {}}, "its `stream` is not a string"),
    ({"type": "SCHEMA", "stream": "s", "schema": []}, "its `schema` is not an object"),
    ({"type": "SCHEMA", "stream": "s", "schema": {}}, "its `schema` has no `properties`"),
    (
        {"type": "SCHEMA", "stream": "s", "schema": {"properties": {}}, "key_properties": "ID"},
        "its `key_properties` is not a list of names",
    ),
    (
        {"type": "SCHEMA", "stream": "s", "schema": {}, "bookmark_properties": [None]},
        "its `bookmark_properties` is not a list of names",
    ),
    ({"type": "RECORD"}, "it has no `stream`"),
    ({"type": "STATE", "value": []}, "its `value` is not an object"),
    ({"type": "BATCH", "stream": "s", "encoding": {}, "manifest": None}, "its `manifest` is not"),
    ({"type": "BATCH", "stream": "s", "encoding": {}, "manifest": [1]}, "its `manifest` is not"),
]


@pytest.mark.parametrize(("message", "why"), WRONG)
def test_what_a_message_lacks_is_told(message: dict[str, object], why: str) -> None:
    assert (lacks(message) or "").startswith(why)


@pytest.mark.parametrize("kind", MEMBERS)
def test_of_a_message_that_cannot_be_decoded_type_stream_and_flaw_are_told(kind: str) -> None:
    line = b'{"type":"%b","stream":"S","value":{"a":"SECRET"},"x":NaN}' % kind.encode()
    with pytest.raises(DataError, match=f"line 3 of the input is a {kind} of stream S") as caught:
        refuse_line(3, line)
    assert "field x is NaN" in caught.value.reason
    assert "SECRET" not in str(caught.value)


def _encoded(value: object) -> bytes:
    if isinstance(value, float):
        return json.dumps(value).encode()
    return msgspec.json.Encoder(decimal_format="number").encode(value)
