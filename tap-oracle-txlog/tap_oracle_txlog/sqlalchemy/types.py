"""What becomes of each SQLAlchemy type: its JSON schema, and its values as JSON can carry them.

Values are converted a column at a time, as a call for each costs more than the conversion. SQLite
has no type for times: there they are text, which is also the form in which they are checked and
converted. Nothing here knows a table.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import inspect
import json
import math
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa

from tap_oracle_txlog.rules.timestamps import Instant, from_datetime, instant, offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.types import TypeEngine

#: From the values of a column, as the driver gives them, to their JSON-ready form.
Converter: TypeAlias = "Callable[[Sequence[Any]], Sequence[object]]"

#: How SQLAlchemy stores a DATETIME in SQLite: text of fixed width, so that text order is time
#: order.
SQLITE_FORM = "YYYY-MM-DD HH:MM:SS.ffffff"
#: Types whose values are no ids: they are neither numbers nor text, or not exact.
NO_IDS = (bool, float, bytes, dict, dt.datetime, dt.date)
_DIGITS = str.maketrans("123456789", "000000000")
_DIGITLESS = "0000-00-00 00:00:00.000000"


def python_type(kind: TypeEngine[Any]) -> type:
    """What SQLAlchemy makes of its values; ``object`` where it does not say."""
    if isinstance(kind, sa.JSON):
        return dict  # SQLAlchemy 2.1 does not say so any more
    try:
        return kind.python_type
    except NotImplementedError:
        return object


def json_schema(kind: TypeEngine[Any]) -> dict[str, object]:
    """The schema of its values; empty for a type that has no JSON form."""
    return _SCHEMAS.get(python_type(kind), {})


def converter(kind: TypeEngine[Any], zone: dt.tzinfo, *, times_are_text: bool) -> Converter:
    """From the values that are fetched to those of records; ``zone`` is that of naive times."""
    found = python_type(kind)
    if found is not dt.datetime:
        return partial(_each, _CONVERTERS[found]) if found in _CONVERTERS else _as_they_are
    if times_are_text:
        return partial(_text_times, zone=zone)
    return partial(_each, partial(_time_text, zone=zone))


def _as_they_are(values: Sequence[Any]) -> Sequence[object]:
    return values


def _each(convert: Callable[[Any], object], values: Sequence[Any]) -> Sequence[object]:
    return [None if value is None else convert(value) for value in values]


def from_stored(time: str | dt.datetime) -> Instant:
    """The instant of one replication key as it is fetched; a ValueError where that is none."""
    if isinstance(time, dt.datetime):
        return from_datetime(time)
    return instant(f"{time.replace(' ', 'T')}000")


def sort_as_text(times: Sequence[Any]) -> bool:
    """Whether all are text of SQLITE_FORM, so that their order is that of time.

    All at once, as a match for each would cost as much as reading it.

    Raises:
        ValueError: One has that form and names no time.
    """
    if set(map(type, times)) != {str}:
        return False
    if "\n".join(times).translate(_DIGITS) != "\n".join([_DIGITLESS] * len(times)):
        return False
    for _ in map(dt.datetime.fromisoformat, times):
        pass
    return True


def _text_times(values: Sequence[Any], zone: dt.tzinfo) -> Sequence[object]:
    """ISO text of times that SQLite holds as text, mostly in the form in which they sort."""
    if not sort_as_text(values):
        return _each(lambda text: _time_text(dt.datetime.fromisoformat(text), zone), values)
    if zone is dt.UTC:
        return [text.replace(" ", "T") + "+00:00" for text in values]
    offset = offsets(zone)
    found = [offset(text[:16]) for text in values]
    if max(map(len, found)) > len("+00:00"):
        return _each(lambda text: _time_text(dt.datetime.fromisoformat(text), zone), values)
    return [f"{text[:10]}T{text[11:]}{at}" for text, at in zip(values, found, strict=True)]


def _time_text(value: dt.datetime, zone: dt.tzinfo) -> str:
    """ISO text with an offset: that of ``zone`` for a time that was stored without one."""
    aware = value if value.tzinfo else value.replace(tzinfo=zone)
    offset = aware.utcoffset()
    if offset is not None and offset.seconds % 60:  # local mean time, which JSON cannot say
        aware = aware.astimezone(dt.UTC)
    return aware.isoformat(timespec="microseconds")


def _exact(value: Any) -> object:  # noqa: ANN401  # whatever the driver has for a number
    """A number with its digits; None for what JSON has no number for."""
    if not math.isfinite(value):
        return None
    return decimal.Decimal(repr(value)) if isinstance(value, float) else value


def whole(ids: Sequence[Any]) -> Sequence[Any]:
    """The ids as the driver has them, but integers where decimals are such.

    Raises:
        TypeError: There are numbers and texts among them, as SQLite allows: they have no order.
    """
    types = set(map(type, ids)) - {type(None)}
    if len(types) > 1:
        raise TypeError
    if decimal.Decimal not in types:
        return ids
    return [int(one) if one == one.to_integral_value() else one for one in ids]


def exact_json(url: sa.URL) -> dict[str, Callable[[str], object]]:
    """The argument that makes an engine read JSON with all digits, where its dialect takes one."""
    dialect = url.get_dialect()
    makers = (vars(one).get("__init__") for one in dialect.__mro__)
    taken = (inspect.signature(one).parameters for one in makers if inspect.isfunction(one))
    return {"json_deserializer": _loads} if any("json_deserializer" in one for one in taken) else {}


_loads = partial(json.loads, parse_float=decimal.Decimal, parse_constant=lambda _: None)

_SCHEMAS: dict[type, dict[str, object]] = {
    int: {"type": ["integer", "null"]},
    str: {"type": ["string", "null"]},
    bool: {"type": ["boolean", "null"]},
    float: {"type": ["number", "null"]},
    decimal.Decimal: {"type": ["number", "null"]},
    dt.datetime: {"type": ["string", "null"], "format": "date-time"},
    dt.date: {"type": ["string", "null"], "format": "date"},
    bytes: {"type": ["string", "null"], "contentEncoding": "base64"},
    dict: {"type": ["object", "array", "string", "number", "boolean", "null"]},
}
_CONVERTERS: dict[type, Callable[[Any], object]] = {
    decimal.Decimal: _exact,
    dt.date: dt.date.isoformat,
    bytes: lambda value: base64.b64encode(value).decode(),
}
