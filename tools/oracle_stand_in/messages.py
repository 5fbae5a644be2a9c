"""TTC messages: what the client's calls say, and the parts that answers are made of.

For TTC field version 12 (19c) with all capability bits off; other versions have other fields.
Every answer ends with exactly one ``end`` or ``STATUS``. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.oracle_stand_in import values
from tools.oracle_stand_in.wire import ProtocolError, lv, sb, text, ub

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.oracle_stand_in.columns import Column
    from tools.oracle_stand_in.wire import Reader

CALL, PIGGYBACK = 3, 17
EXECUTE, FETCH, REEXECUTE, REEXECUTE_AND_FETCH = 94, 5, 4, 78
LOGOFF, COMMIT, ROLLBACK, PING = 9, 14, 15, 147
CALL_NAMES: Final = {
    EXECUTE: "execute",
    REEXECUTE: "execute",
    REEXECUTE_AND_FETCH: "execute",
    FETCH: "fetch",
    LOGOFF: "logoff",
    COMMIT: "commit",
    ROLLBACK: "rollback",
    PING: "ping",
}
OPTION_DEFINE, OPTION_EXECUTE, OPTION_FETCH = 0x10, 0x20, 0x40
NO_DATA_FOUND: Final = 1403
STRING_LIMIT: Final = 32767
STATUS: Final = b"\x09\0\0"
ROW_HEADER: Final = b"\x06" + bytes(7)
ROW: Final = b"\x07"

PROTOCOL: Final = (
    b"\1\6\0x\0"
    + (873).to_bytes(2, "little")  # AL32UTF8
    + bytes(3)
    + (11).to_bytes(2, "big")
    + bytes(9)
    + (2000).to_bytes(2, "big")  # national character set AL16UTF16
    + lv(bytes(7) + b"\x0c" + bytes(33))  # compile capabilities: TTC field version 12, nothing else
    + lv(bytes(6) + b"\x04")  # runtime capabilities: strings up to 32767 bytes
)
DATA_TYPES: Final = b"\2\0\0"


class BindType(NamedTuple):
    code: int
    size: int
    form: int


class Bind(NamedTuple):
    """A bound value as the server sees it: the type code is what tells a DATE from a TIMESTAMP."""

    name: str
    code: int
    value: object


@dataclass(frozen=True, slots=True)
class Execute:
    """The body of call 94, up to the bind values."""

    options: int
    cursor: int
    rows: int
    sql: str | None
    binds: tuple[BindType, ...]
    defines: tuple[int, ...]

    @classmethod
    def read(cls, reader: Reader) -> Execute:
        options, cursor = reader.ub(), reader.ub()
        reader.skip("b")
        has_sql = reader.ub() > 0
        reader.skip("bubbu")
        rows = reader.ub()
        reader.skip("ub")
        bind_count = reader.ub()
        reader.skip("bbbbbb")
        define_count = reader.ub()
        reader.skip("ubbbubuububbububbu")
        sql = (reader.lv() or b"").decode() if has_sql else None
        reader.skip("u" * 13)
        kinds = [_read_metadata(reader) for _ in range(define_count or bind_count)]
        defines = tuple(kind.code for kind in kinds) if define_count else ()
        return cls(options, cursor, rows, sql, () if define_count else tuple(kinds), defines)


def _read_metadata(reader: Reader) -> BindType:
    code = reader.u8()
    reader.skip("bbb")
    size = reader.ub()
    reader.skip("uuluu")
    form = reader.u8()
    reader.skip("uu")
    return BindType(code, size, form)


def read_binds(reader: Reader, kinds: Sequence[BindType], names: Sequence[str]) -> tuple[Bind, ...]:
    """One row of bind values; values longer than the string limit come after all others."""
    if not kinds:
        return ()
    if len(kinds) != len(names):
        msg = f"{len(kinds)} binds for the names {names}"
        raise ProtocolError(msg)
    if reader.take(1) != ROW:
        msg = "no bind values"
        raise ProtocolError(msg)
    read: dict[int, Bind] = {}
    for place in sorted(range(len(kinds)), key=lambda at: kinds[at].size > STRING_LIMIT):
        kind = kinds[place]
        value = values.bind_from(kind.code, reader.lv(), kind.form)
        read[place] = Bind(names[place], kind.code, value)
    return tuple(read[place] for place in range(len(kinds)))


def read_rows(
    reader: Reader, kinds: Sequence[BindType], names: Sequence[str]
) -> list[tuple[Bind, ...]]:
    """All rows of bind values to the end of the call: one, or those of an array."""
    rows = [read_binds(reader, kinds, names)]
    while not reader.exhausted:
        rows.append(read_binds(reader, kinds, names))
        if not kinds:
            msg = f"{len(reader.rest())} bytes behind an execution"
            raise ProtocolError(msg)
    return rows


def read_pairs(reader: Reader) -> dict[str, str]:
    """The body of an authentication call; the user's name is under ``user``."""
    has_user = reader.u8()
    reader.skip("uub")
    count = reader.ub()
    reader.skip("bb")
    pairs = {"user": (reader.lv() or b"").decode() if has_user else ""}
    for _ in range(count):
        key, value = reader.llv().decode(), reader.llv().decode()
        reader.skip("u")
        pairs[key] = value
    return pairs


def parameters(pairs: Mapping[str, tuple[str, int]]) -> bytes:
    body = (text(key) + text(value) + ub(flags) for key, (value, flags) in pairs.items())
    return b"\x08" + ub(len(pairs)) + b"".join(body) + STATUS


def describe(columns: Sequence[Column]) -> bytes:
    described = b"".join(column.described() for column in columns)
    return b"\x10\0\0" + ub(len(columns)) + b"\0" + described + bytes(6)


def end(cursor: int, rows: int, error: int = 0, message: str = "", position: int = 0) -> bytes:
    """The end of an answer: success, no more rows, or an error (by its number)."""
    head = b"\x04" + bytes(3) + ub(error) + bytes(2) + ub(cursor) + sb(position)
    return head + bytes(20) + ub(error) + ub(rows) + (lv(message.encode()) if error else b"")


_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/|:(\w+)|\s+|[^\s'":]+|.""", re.DOTALL
)


def bind_names(sql: str) -> list[str]:
    """The names of the binds in the order in which their values come: one per occurrence.

    Names are not part of the protocol; quoted text and comments hold none.
    """
    return [match[1] for match in _TOKEN.finditer(sql) if match[1]]


def normalised(sql: str) -> str:
    """``sql`` in lower case and single spaced, quoted text as it is, without comments and ``;``."""
    parts = [""]
    for match in _TOKEN.finditer(sql):
        token = match[0]
        if token.isspace() or token.startswith(("--", "/*")):
            if not parts[-1].endswith((" ", "(")):
                parts.append(" ")
        else:
            parts.append(token if token.startswith(("'", '"')) else token.lower())
    return "".join(parts).strip().rstrip(";").rstrip()
