"""What nobody meant to write: values, settings, states, catalogs and Singer messages.

The strategies know the grammar, so that most of what they make gets past the first check.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st

from tests.support.target import PASSWORD, ROW_CONTENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: ``make fuzz`` asks for many times as many.
TIMES = int(os.environ.get("FUZZ", "1"))

DEEP_LIST = "[" * 3000 + "]" * 3000
TEXTS = st.sampled_from(
    [
        *(
            "",
            " ",
            "a b",
            "a..b",
            "*",
            ">",
            "é€密",
            "\0",
            "\n",
            "{",
            "[",
            "[]",
            "{}",
            "null",
            "NaN",
        ),
        *("1", "-1", "1e999", "ten", "true", "maybe", "{x}", "{stream}", "x" * 5000, DEEP_LIST),
        *(
            "2026-13-01",
            "9999-12-31T23:59:59Z",
            "0000-01-01",
            "30m",
            "sqlite://",
            "://",
            "http://h",
        ),
        *("/nowhere/file", "/dev/null", f"mysql://u:{PASSWORD}@/x", "nats://[", "a,b,,", "$X"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 2**31, 2**64, 10**400, 0.5, -0.0, 1e308])
    | st.sampled_from([float("nan"), float("inf")])
    | TEXTS
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
RAW = st.sampled_from(
    [
        *(
            b"NaN",
            b"-Infinity",
            b'"\\ud800"',
            b'"\xff"',
            b'"\\x"',
            b'"\x01"',
            b"1e99999999999999999999",
            b"01",
        ),
        *(b"9" * 5000, b"[" * 9000 + b"]" * 9000, b'{"a":[NaN]}', b"", b"]", b'"'),
    ]
)


def examples(count: int) -> settings:
    """So many examples, or what ``make fuzz`` makes of them."""
    return settings(max_examples=count * TIMES)


def settings_of(properties: Mapping[str, Mapping[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """One to three settings with values that are odd, now and then with a name that is unknown."""
    secrets = {name for name, schema in properties.items() if schema.get("secret")}
    names = st.sampled_from([*properties, "no_such_setting", ""])

    def pair(name: str) -> st.SearchStrategy[tuple[str, Any]]:
        values = VALUES | st.just(PASSWORD) if name in secrets else VALUES
        return st.tuples(st.just(name), values)

    return st.lists(names.flatmap(pair), min_size=1, max_size=3).map(dict)


def changed(
    whole: Any,  # noqa: ANN401 - any JSON value
) -> st.SearchStrategy[Any]:
    """``whole`` with one of its parts removed, or replaced by an odd value."""

    places = _places(json.loads(json.dumps(whole)))

    def apply(place: tuple[Any, ...], value: object) -> object:
        """``value`` at a place of a copy; ``REMOVED`` takes the place away."""
        if not place:
            return value
        copy = json.loads(json.dumps(whole))
        parent = copy
        for key in place[:-1]:
            parent = parent[key]
        if value is REMOVED:
            del parent[place[-1]]
        else:
            parent[place[-1]] = value
        return copy

    return st.builds(apply, st.sampled_from(places), VALUES | st.just(REMOVED)).filter(
        lambda found: found is not REMOVED
    )


REMOVED = object()


def _places(whole: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON value, from the whole of it on."""
    inner: Iterable[tuple[Any, object]] = ()
    if isinstance(whole, dict):
        inner = whole.items()
    elif isinstance(whole, list):
        inner = enumerate(whole)
    return [at, *(place for key, one in inner for place in _places(one, (*at, key)))]


SCHEMA = {
    "type": "SCHEMA",
    "stream": "S",
    "schema": {
        "type": "object",
        "properties": {
            "ID": {"type": "integer"},
            "AT": {"type": ["string", "null"], "format": "date-time"},
            "N": {"anyOf": [{"type": "number", "maximum": 9}, {"type": "null"}]},
            "L": {"type": "array", "items": {"$ref": "#/definitions/x"}},
        },
        "definitions": {"x": {"type": "string", "pattern": "^a"}},
        "required": ["ID"],
    },
    "key_properties": ["ID"],
    "bookmark_properties": ["AT"],
}
RECORD: dict[str, Any] = {
    "type": "RECORD",
    "stream": "S",
    "record": {"ID": 1, "AT": "2026-01-01T00:00:00Z", "N": 1.5, "L": ["a"]},
    "time_extracted": "2026-01-01T00:00:00Z",
}
MESSAGES: list[dict[str, Any]] = [
    SCHEMA,
    RECORD,
    {"type": "STATE", "value": {"bookmarks": {"S": {"replication_key_value": "2026"}}}},
    {"type": "ACTIVATE_VERSION", "stream": "S", "version": 1},
    {
        "type": "BATCH",
        "stream": "S",
        "encoding": {"format": "jsonl", "compression": "none"},
        "manifest": ["file:///nowhere/records.jsonl"],
    },
    {"type": "ROW"},
]
WHOLE = st.sampled_from(MESSAGES)


def _text(message: object) -> bytes:
    return json.dumps(message).encode()


@st.composite
def _with_raw(
    draw: Callable[[st.SearchStrategy[Any]], Any], whole: st.SearchStrategy[dict[str, Any]]
) -> bytes:
    """A message in which one value is written as no encoder should."""
    text = _text(draw(whole)).replace(b"1.5", b"@").replace(b'"2026', b'"' + ROW_CONTENT.encode())
    return (
        text.replace(b"@", draw(RAW)) if b"@" in text else text.replace(b"[", draw(RAW) + b"[", 1)
    )


@st.composite
def _cut(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    """A message with some of its bytes gone, or others among them."""
    text = _text(draw(WHOLE))
    begin: int = draw(st.integers(0, len(text)))
    end: int = draw(st.integers(begin, min(len(text), begin + 9)))
    other: bytes = draw(st.binary(max_size=3))
    return text[:begin] + other.replace(b"\n", b"") + text[end:]


LINES = st.one_of(
    WHOLE.map(_text),
    WHOLE.flatmap(changed).map(_text),
    _with_raw(WHOLE),
    _cut(),
    st.binary(max_size=20).map(lambda text: text.replace(b"\n", b"")),
)
#: RECORDs that are odd only inside: with ``dead_letter`` none of them ends the input.
RECORDS = st.one_of(
    st.just(RECORD).map(_text),
    changed(RECORD["record"]).map(lambda record: _text({**RECORD, "record": record})),
    _with_raw(st.just(RECORD)),
)
INPUTS = (st.lists(LINES, max_size=8) | st.lists(RECORDS, max_size=8)).map(
    lambda lines: [_text(SCHEMA), *lines]
)
