"""One record is wrong, not the run: it is put aside as it came, or it ends the run with one line
that names stream, line, key, field and cause. What is in it is never told.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.target import ROW_CONTENT, batch, event, moment, schema, state

if TYPE_CHECKING:
    from tests.support.target import Message, Target

AT = moment(2)
LONG = "9" * 5000
DEEP = "[" * 20_000 + "]" * 20_000
INVALID = '{"type":"RECORD","stream":"EVENTS", "time_extracted": "x", "record" : %s }'
SETTINGS = "or set `on_error: dead_letter`"

#: The record as it comes, and what is reported.
WRONG: dict[str, tuple[str, str]] = {
    "NaN": (
        f'{{"ID": 2, "DATA": "{ROW_CONTENT}", "V": NaN}}',
        " (ID=2): field V is NaN, which JSON does not have",
    ),
    "half a surrogate pair": (
        f'{{"ID":2,"DATA":"{ROW_CONTENT}\\ud800"}}',
        " (ID=2): field DATA has half of a surrogate pair in its text",
    ),
    "long number": (
        f'{{"ID":2,"V":{LONG}}}',
        " (ID=2): field V has a number of 5,000 digits",
    ),
    "deep": (f'{{"ID":2,"V":{DEEP}}}', " (ID=2): field V is nested too deeply"),
    "null": ("null", ": it is not a JSON object"),
    "list": (f'["{ROW_CONTENT}"]', ": it is not a JSON object"),
    "no key": (f'{{"DATA": "{ROW_CONTENT}"}}', ": it lacks the key property ID"),
    "misfit": (f'{{"ID": 2,"AT":["{ROW_CONTENT}"]}}', " (ID=2): field AT violates 'type'"),
    "misfit of the key": (f'{{"ID":"{ROW_CONTENT}"}}', ": field ID violates 'type' in its schema"),
}
MAPS = {"EVENTS": {"LENGTH": "int(DATA) if ID == 2 else 0"}}


@pytest.mark.parametrize(("text", "why"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize(
    "stream_maps", [{}, {"EVENTS": {"MORE": "str(1)"}}], ids=["plain", "mapped"]
)
def test_a_wrong_record_is_put_aside_as_it_came_and_the_run_goes_on(
    target: Target, text: str, why: str, stream_maps: dict[str, Any]
) -> None:
    config = {"on_error": "dead_letter", "stream_maps": stream_maps}
    run = target.run(schema(), event(1), INVALID % text, event(3), state(3), **config)
    assert run.code == 0
    assert target.ids() == [1, 3]
    assert run.states == [json.dumps(state(3)["value"])]
    (letter,) = target.server.read_stream(f"{target.stream}_DLQ")
    assert letter.data == text.encode()
    (warning,) = (line for line in run.logged("WARNING") if line.startswith("dead letter"))
    assert f": line 3{why}" in warning


@pytest.mark.parametrize(("text", "why"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize(
    "stream_maps", [{}, {"EVENTS": {"MORE": "str(1)"}}], ids=["plain", "mapped"]
)
def test_a_wrong_record_may_end_the_run_and_is_named(
    target: Target, text: str, why: str, stream_maps: dict[str, Any]
) -> None:
    run = target.run(
        schema(), event(1), INVALID % text, event(3), state(3), stream_maps=stream_maps
    )
    assert run.code == 5
    start = f"line 3 is a record of stream EVENTS that cannot be published{why}"
    assert run.error.startswith(start)
    assert SETTINGS in run.error
    assert ("`validate_records: false`" in run.error) == ("violates" in why)
    assert target.ids() == [1]
    assert target.ledger()["PIPELINE"]["ERROR_MESSAGE"] == run.error


@pytest.mark.parametrize(
    "stream_maps", [{}, {"EVENTS": {"MORE": "str(1)"}}], ids=["plain", "mapped"]
)
def test_what_stands_beside_a_record_does_not_make_it_a_wrong_one(
    target: Target, stream_maps: dict[str, Any]
) -> None:
    text = '{"type":"RECORD","stream":"EVENTS","record":{"ID":2},"time_extracted":NaN}'
    run = target.run(schema(), event(1), text, state(2), stream_maps=stream_maps)
    assert run.code == 0
    assert target.ids() == [1, 2]


def test_names_make_no_lines_of_their_own_and_no_long_ones(target: Target) -> None:
    name = "\\u001b[31m\\n" + "x" * 300_000
    text = f'{{"type":"RECORD","stream":"EVENTS","record":{{"ID":2,"{name}":NaN}}}}'
    run = target.run(schema(), event(1), text)
    assert run.code == 5
    assert "\x1b" not in run.log
    assert max(map(len, run.log.splitlines())) < 4_000
    assert len(target.ledger()["PIPELINE"]["ERROR_MESSAGE"]) < 4_000


def test_a_record_of_a_batch_file_is_a_record_too(target: Target) -> None:
    file = target.home / "batches" / "records.jsonl"
    file.parent.mkdir()
    good = [json.dumps(event(number)["record"]) for number in (1, 3)]
    texts = [text for text, _ in WRONG.values()]
    storage = {"root": file.parent.as_uri()}
    config = {"on_error": "dead_letter", "batch_config": {"storage": storage}}
    file.write_text("\n".join([good[0], *texts, good[1]]))
    run = target.run(schema(), batch(file.as_uri()), state(3), **config)
    assert run.code == 0
    assert target.ids() == [1, 3]
    letters = target.server.read_stream(f"{target.stream}_DLQ")
    assert [letter.data.decode() for letter in letters] == texts
    assert "record 2 of the BATCH in line 2 (ID=2): field V is NaN" in run.log


@pytest.mark.parametrize(("on_error", "code"), [("dead_letter", 0), ("fail", 5)])
def test_a_map_may_make_what_json_does_not_have(target: Target, on_error: str, code: int) -> None:
    maps = {"EVENTS": {"X": "str"}}
    run = target.run(schema(), event(1), state(1), on_error=on_error, stream_maps=maps)
    assert run.code == code
    assert "line 2" in run.log
    assert "`stream_maps` makes a value that JSON does not have" in run.log
    assert target.server.messages(f"{target.stream}_DLQ") == (1 if code == 0 else 0)


def test_a_record_that_a_map_cannot_take_is_put_aside_as_it_came(target: Target) -> None:
    run = target.run(
        *(schema(), event(1), event(2), event(3), state(3)),
        on_error="dead_letter",
        stream_maps=MAPS,
    )
    assert run.code == 0
    assert target.ids() == [1, 3]
    (letter,) = target.server.read_stream(f"{target.stream}_DLQ")
    assert letter.data == json.dumps(event(2)["record"]).encode()
    assert "line 3 (ID=2): `stream_maps` fails in field LENGTH: int(DATA) if ID == 2" in run.log
    assert "(ValueError)" in run.log


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_a_record_that_a_map_cannot_take_may_end_the_run(target: Target, level: str) -> None:
    run = target.run(schema(), event(1), event(2), state(2), stream_maps=MAPS, log_level=level)
    assert run.code == 5
    assert run.error == (
        "line 3 is a record of stream EVENTS that cannot be published (ID=2): `stream_maps` fails "
        "in field LENGTH: int(DATA) if ID == 2 else 0 (ValueError). Correct `stream_maps`, "
        "or set `on_error: dead_letter`"
    )
    assert target.ledger()["PIPELINE"]["ERROR_MESSAGE"] == run.error


def test_a_map_that_fails_takes_no_other_map_with_it(target: Target) -> None:
    maps = {**MAPS, "OTHER": {"__source__": "EVENTS", "MORE": "str(1)"}}
    run = target.run(
        schema(), event(2), state(2), on_error="dead_letter", stream_maps=maps, batch_size=1
    )
    assert run.code == 0
    assert [stored.subject for stored in target.stored()] == [f"{target.stream}.OTHER"]


MISTAKES: list[dict[str, Any]] = [
    {"EVENTS": {"X": "ID +"}},
    {"EVENTS": {"ID": "__NULL__"}},
    {"EVENTS": {"X": 7}},
    {"EVENTS": {"__else__": "x"}},
    {"EVENTS": {"__filter__": 7}},
    {"EVENTS": "x"},
    {"EVENTS": 7},
    {"__else__": "x"},
    {"__x__": None},
    {"EVENTS": {"X": "no_such_function(ID)"}},
    {"EVENTS": {"X": "NO_SUCH_FIELD"}},
    {"EVENTS": {"X": "[x for x in ().__class__.__bases__]"}},
    {"EVENTS": {"__key_properties__": ["NO_SUCH_FIELD"]}},
    {"EVENTS": {"__key_properties__": 7}},
]


@pytest.mark.parametrize("stream_maps", MISTAKES, ids=map(str, MISTAKES))
def test_a_mistake_in_the_maps_is_one_of_the_settings(
    target: Target, stream_maps: dict[str, Any]
) -> None:
    run = target.run(schema(), event(1), state(1), on_error="dead_letter", stream_maps=stream_maps)
    assert run.code == 2
    assert run.error.startswith("setting `stream_maps")
    assert not run.error.endswith(":")
    assert target.stored() == []


OLD: list[tuple[dict[str, Any], Any, Any]] = [
    ({"type": "number", "exclusiveMaximum": True, "maximum": 5}, 4, 5),
    ({"type": "array", "items": [{"type": "integer"}]}, [1, "x"], ["x"]),
]


@pytest.mark.parametrize(("declared", "good", "bad"), OLD)
def test_the_schema_of_an_old_tap_is_read_as_it_was_meant(
    target: Target, declared: dict[str, Any], good: object, bad: object
) -> None:
    def row(number: int, value: object) -> Message:
        return {"type": "RECORD", "stream": "EVENTS", "record": {"ID": number, "V": value}}

    properties = {"ID": {"type": "integer"}, "V": declared}
    run = target.run(
        *(schema(properties=properties), row(1, good), row(2, bad), row(3, good)),
        on_error="dead_letter",
    )
    assert run.code == 0
    assert target.ids() == [1, 3]


def test_a_version_is_no_business_of_a_stream_of_events(target: Target) -> None:
    version = {"type": "ACTIVATE_VERSION", "stream": "EVENTS", "version": 1}
    run = target.run(version, schema(), event(1), version, event(2), state(2))
    assert run.code == 0
    assert target.ids() == [1, 2]


@pytest.mark.parametrize("config", [{}, {"validate_records": False}], ids=str)
def test_a_schema_that_is_too_deep_is_no_mistake_in_the_maps(
    target: Target, config: dict[str, Any]
) -> None:
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"properties": {"A": deep}}  # two levels
    run = target.run(schema(properties={"ID": {}, "D": deep}), event(1), **config)
    assert run.code == 5
    assert run.error.startswith(
        "line 1 of the input is a SCHEMA of stream EVENTS that cannot be used: "
        "its schema is nested too deeply. Fix the tap"
    )


def test_a_map_that_is_too_long_is_one_of_the_settings(target: Target) -> None:
    maps = {"EVENTS": {"X": "+".join(["ID"] * 3000)}}
    run = target.run(schema(), event(1), stream_maps=maps)
    assert run.code == 2
    assert run.error.startswith("setting `stream_maps` cannot be used for stream EVENTS")
