"""Rows on their way from a source to stdout: values in the order of the columns, ready for JSON.

A row knows the names of its columns, so that it is encoded as an object, but is no ``dict``: it
costs a tenth as much to make and three quarters to encode. Where names are needed (stream maps,
samples) ``record`` has them. Nothing here knows a database or Singer.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import TYPE_CHECKING, Final, TypeVar, cast

import msgspec
from typing_extensions import override

from tap_oracle_txlog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Decimals are numbers with all their digits: never a float, never a string.
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", enc_hook=str)

#: What has to reach the encoder as it is, as it alone knows its form.
_KEPT: Final = (decimal.Decimal, dt.datetime)

#: Rows that are encoded in one go: enough to be fast, few enough to fit into a processor's cache.
CHUNK_ROWS: Final = 1_000

_T = TypeVar("_T")


class Row(msgspec.Struct, gc=False):
    """One row; ``row_type`` makes the class of each table's rows."""

    def record(self) -> dict[str, object]:
        """The values by the names of their columns."""
        return dict(zip(self.__struct_encode_fields__, msgspec.structs.astuple(self), strict=True))


class CaseRow(Row, gc=False):
    """A row that has other rows in its last column."""

    @override
    def record(self) -> dict[str, object]:
        *own, (name, events) = super().record().items()
        assert isinstance(events, list)  # noqa: S101 - made so
        return {**dict(own), name: [event.record() for event in events]}


def row_type(names: Sequence[str], base: type[Row] = Row) -> type[Row]:
    """The class of rows with these columns; called with a value for each of them, in this order.

    Raises:
        ConfigurationError: A name cannot be that of a member.
    """
    attributes = {f"column_{place}": name for place, name in enumerate(names)}
    try:
        made = msgspec.defstruct(
            "TableRow",
            [(attribute, object) for attribute in attributes],
            bases=(base,),
            rename=attributes,
            gc=False,  # values are trees: no row can be part of a cycle
        )
    except ValueError as error:
        reason = "a column has a backslash, a double quote or a control character in its name"
        raise ConfigurationError(reason, "List the others in `columns`") from error
    return cast("type[Row]", made)


def encode(value: object) -> bytes:
    """``value`` as JSON, also where a text has half a surrogate pair.

    A JSON column may hold one as an escape. It is an escape again, so that what is stored gets to
    the target, which decides about it.
    """
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:  # UTF-8 has no form for it
        return _escaped(msgspec.to_builtins(value, builtin_types=_KEPT, enc_hook=str))


def encode_lines(values: Iterable[object]) -> bytes:
    """Each of them as a line of JSON; see ``encode``."""
    lines = list(values)
    try:
        return _ENCODER.encode_lines(lines)
    except UnicodeEncodeError:
        return b"".join(encode(one) + b"\n" for one in lines)


def _escaped(value: object) -> bytes:
    if isinstance(value, str):
        return json.dumps(value).encode()
    if isinstance(value, dict):
        members = (_escaped(name) + b":" + _escaped(inner) for name, inner in value.items())
        return b"{" + b",".join(members) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(_escaped, value)) + b"]"
    return _ENCODER.encode(value)


def chunks(rows: Sequence[_T], size: int = CHUNK_ROWS) -> Iterator[Sequence[_T]]:
    """The rows in order, ``size`` of them at a time."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
