"""What a line of the input is, and what is wrong with one that cannot be decoded. Pure.

A record that is no JSON is one wrong record, not the end of the input: many encoders write NaN and
half surrogate pairs. So a line that the decoder refuses is read again, tolerantly: quotes and
brackets tell which bytes are the record, and the first value that cannot be decoded is named. Only
names and kinds of flaws are told, never a value.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: What decoders raise: text that is no JSON, bytes that are no UTF-8, values nested too deeply,
#: exponents that no number has.
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidOperation)

#: Members that messages must have, and of what type they are (the Singer specification).
MEMBERS: Final[Mapping[str, Mapping[str, type[object]]]] = {
    "SCHEMA": {"stream": str, "schema": dict},
    "RECORD": {"stream": str},
    "STATE": {"value": dict},
    "BATCH": {"stream": str, "encoding": dict, "manifest": list},
    "ACTIVATE_VERSION": {},
}
#: Members that may be null or absent, and are lists of names otherwise.
NAMES: Final[Mapping[str, Sequence[str]]] = {"SCHEMA": ("key_properties", "bookmark_properties")}

FIX_TAP: Final = "Fix the tap"

#: A longer key is not shown: it is more than people look a row up by.
SHOWN_KEY_CHARACTERS: Final = 80

_KINDS: Final[Mapping[type[object], str]] = {str: "a string", dict: "an object", list: "a list"}
_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_SCALAR = re.compile(_STRING + rb'|[^\s{}\[\]:,"]++', re.DOTALL)
#: A member with a plain name whose value has no members itself, and what comes behind it.
_PLAIN_MEMBER = re.compile(
    rb'"([^"\\]*+)"\s*+:\s*+(' + _STRING + rb'|[^\s{}\[\]:,"]++)\s*+(,\s*+|\}\s*+\Z)', re.DOTALL
)
_BRACKET = re.compile(_STRING + rb'|[{}\[\]"]', re.DOTALL)
_BLANKS = re.compile(rb"\s*+")
_CONTROL = re.compile(rb"[\x00-\x1f]")
_CONSTANTS = {b"NaN": "NaN", b"Infinity": "Infinity", b"-Infinity": "-Infinity"}
_INTEGER = re.compile(rb"-?[1-9]\d+")


class Envelope(msgspec.Struct):
    """What has to be known of a line to send a record on its way: the record stays JSON."""

    type: str
    stream: str | None = None
    record: msgspec.Raw = msgspec.Raw(b"")


BLANK: Final = Envelope("")

_open = msgspec.json.Decoder(Envelope).decode
decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
"""JSON with every number exact; raises one of ``UNREADABLE``."""


def envelopes(lines: Sequence[bytes | str]) -> list[Envelope]:
    """The envelopes of the lines, up to one that is no message at all."""
    try:
        return list(map(_open, lines))
    except UNREADABLE:
        each = takewhile(lambda one: one is not None, map(_envelope, lines))
        return list(filter(None, each))


def _envelope(line: bytes | str) -> Envelope | None:
    if not line.strip():
        return BLANK
    try:
        return _open(line)
    except UNREADABLE:
        return _salvaged(as_bytes(line))


def _salvaged(line: bytes) -> Envelope | None:
    """The envelope of a line that is a message, though a value in it cannot be decoded."""
    members = members_of(line) or {}
    kind, stream = (_text(members.get(name, b"")) for name in ("type", "stream"))
    if kind is None:
        return None
    return Envelope(kind, stream, msgspec.Raw(members.get("record", b"")))


def as_bytes(line: bytes | str) -> bytes:
    """A line as it came, also out of a text file."""
    return line if isinstance(line, bytes) else line.encode(errors="surrogatepass")


def refuse_line(number: int, line: bytes | str) -> NoReturn:
    """Raise the error for a line that is no message, or none that can be read."""
    text = as_bytes(line)
    envelope = _envelope(text)
    if envelope is None or envelope.type not in MEMBERS:
        reason = f"line {number} of the input is not a Singer message"
        raise DataError(reason, "Check what else writes to the tap's stdout")
    raise message_error(number, envelope.type, envelope.stream, flaw(text) or "it is not JSON")


def message_error(
    number: int, kind: str, stream: str | None, why: str, remedy: str = FIX_TAP
) -> DataError:
    """The error for a message that cannot be used."""
    of_stream = f" of stream {shown(stream)}" if stream is not None else ""
    reason = f"line {number} of the input is a {kind}{of_stream} that cannot be used: {why}"
    return DataError(reason, f"{remedy}; earlier records are safe")


def lacks(message: Mapping[str, Any]) -> str | None:
    """Which member a decoded message lacks, or has of the wrong kind; None where all is there."""
    kind = message["type"]
    for name, wanted in MEMBERS[kind].items():
        if name not in message:
            return f"it has no `{name}`"
        if not isinstance(message[name], wanted):
            return f"its `{name}` is not {_KINDS[wanted]}"
    for name in NAMES.get(kind, ()):
        if not _are_names(message.get(name) or []):
            return f"its `{name}` is not a list of names"
    return _lacks_inside(kind, message)


def _lacks_inside(kind: str, message: Mapping[str, Any]) -> str | None:
    if kind == "SCHEMA" and not isinstance(message["schema"].get("properties"), dict):
        return "its `schema` has no `properties`"
    if kind == "BATCH" and not _are_names(message["manifest"]):
        return "its `manifest` is not a list of URLs"
    return None


def _are_names(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(name, str) for name in found)


def decoded(text: bytes) -> object:
    """The value of a JSON text; None where it cannot be decoded."""
    try:
        return decode(text)
    except UNREADABLE:
        return None


def flaw(text: bytes) -> str | None:
    """What keeps a JSON object from being decoded, and in which field; None where nothing does."""
    try:
        decode(text)
    except UNREADABLE:
        return _named_flaw(text)
    return None


def _named_flaw(text: bytes) -> str:
    members = members_of(text)
    if members is None:
        return "it is not JSON"
    for name, value in members.items():
        if why := _flaw_of(value):
            return f"field {name} {why}"
    return "it is not JSON"


def _flaw_of(value: bytes) -> str | None:
    try:
        decode(value)
    except RecursionError:
        return "is nested too deeply"
    except UNREADABLE:
        tokens = (match[0] for match in _SCALAR.finditer(value))
        return next(filter(None, map(_flaw_of_token, tokens)), "is not JSON")
    return None


def _flaw_of_token(token: bytes) -> str | None:
    try:
        decode(token)
    except UnicodeDecodeError:
        return "has text that is not UTF-8"
    except InvalidOperation:
        return "has a number whose exponent is too large"
    except UNREADABLE:
        return _flaw_of_string(token) if token.startswith(b'"') else _flaw_of_word(token)
    return None


def _flaw_of_word(token: bytes) -> str:
    if constant := _CONSTANTS.get(token):
        return f"is {constant}, which JSON does not have"
    if _INTEGER.fullmatch(token):
        return f"has a number of {len(token.lstrip(b'-')):,} digits"
    return "has a value that is not JSON"


def _flaw_of_string(token: bytes) -> str:
    if _CONTROL.search(token):
        return "has a control character that is not escaped"
    try:
        json.loads(token)
    except ValueError:
        return "has an invalid escape in its text"
    return "has half of a surrogate pair in its text"


def members_of(text: bytes) -> dict[str, bytes] | None:
    """The members of an object as they are written; None for what is not an object."""
    try:
        return dict(_members(text))
    except (ValueError, IndexError):
        return None


def _members(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and value of each member, by quotes and brackets alone."""
    place = _expect(text, 0, b"{")
    if text[place : place + 1] == b"}":
        _end(text, place + 1)
        return
    while True:
        if plain := _PLAIN_MEMBER.match(text, place):  # as most are, in a fifth of the time
            yield plain[1].decode(errors="replace"), plain[2]
            if plain[3].startswith(b"}"):
                return
            place = plain.end()
            continue
        after_name = _end_of_value(text, place)
        name = json.loads(text[place:after_name].decode(errors="replace"), strict=False)
        if not isinstance(name, str):
            raise ValueError  # noqa: TRY004 - of the text, not of an argument
        start = _expect(text, after_name, b":")
        after_value = _end_of_value(text, start)
        yield name.encode(errors="replace").decode(), text[start:after_value]
        place = _blank(text, after_value)
        if text[place : place + 1] == b"}":
            _end(text, place + 1)
            return
        place = _expect(text, place, b",")


def _end_of_value(text: bytes, start: int) -> int:
    if text[start : start + 1] not in {b"{", b"["}:
        scalar = _SCALAR.match(text, start)
        if scalar is None:
            raise ValueError
        return scalar.end()
    depth = 0
    for match in _BRACKET.finditer(text, start):
        found = match[0]
        if found == b'"':  # a string without an end
            break
        depth += (found in b"{[") - (found in b"}]")
        if depth == 0:
            return match.end()
    raise ValueError


def _blank(text: bytes, place: int) -> int:
    match = _BLANKS.match(text, place)
    return match.end() if match else place


def _expect(text: bytes, place: int, token: bytes) -> int:
    """The place of what follows ``token``."""
    place = _blank(text, place)
    if not text.startswith(token, place):
        raise ValueError
    return _blank(text, place + 1)


def _end(text: bytes, place: int) -> None:
    if _blank(text, place) != len(text):
        raise ValueError


def _text(value: bytes) -> str | None:
    try:
        return msgspec.json.decode(value, type=str)
    except UNREADABLE:
        return None


def key_of(record: bytes, keys: Sequence[str]) -> str | None:
    """Key properties and their values as people look a row up by: ``ID=7``; None where a value is
    missing, broken, long, or no number, text or time.
    """
    members = members_of(record) or {}
    try:
        values = [msgspec.json.decode(members[key], type=int | str) for key in keys]
    except (KeyError, *UNREADABLE):
        return None
    text = ", ".join(f"{key}={value}" for key, value in zip(keys, values, strict=True))
    return text if text and len(text) <= SHOWN_KEY_CHARACTERS and text.isprintable() else None
