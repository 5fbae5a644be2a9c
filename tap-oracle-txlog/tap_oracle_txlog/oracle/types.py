"""What becomes of each Oracle type: how it is selected, fetched and converted, and its JSON schema.

One table (`CONVERSIONS`) for the SQL, the schema and the documentation. Values come out exact and
ready for JSON: numbers never pass through a float, times keep all digits that the column has. A
type that is not in the table is not read. The driver's types are named here, the driver is not
imported, so that a catalog can be written without it.
"""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_oracle_txlog.oracle.identifiers import quoted
from tap_oracle_txlog.oracle.statements import SECONDS, column
from tap_oracle_txlog.rules.timestamps import offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo


_WITH_LENGTH = {"CHAR", "NCHAR", "VARCHAR2", "NVARCHAR2", "RAW"}


@dataclass(frozen=True, slots=True)
class OracleColumn:
    """A column as ALL_TAB_COLUMNS describes it."""

    name: str
    data_type: str
    precision: int | None = None
    scale: int | None = None
    length: int = 0
    nullable: bool = True
    json: str | None = None
    """Of a column that IS JSON, the form: TEXT or OSON, as in ALL_JSON_COLUMNS."""

    @property
    def kind(self) -> str:
        """The type without precisions: TIMESTAMP(6) WITH TIME ZONE has TIMESTAMP WITH TIME ZONE."""
        return re.sub(r"\(\d+\)", "", self.data_type)

    @property
    def declared(self) -> str:
        """The type as people write it: NUMBER(10,2), VARCHAR2(256)."""
        if self.kind == "NUMBER" and self.scale is not None:
            return f"NUMBER({self.precision or '*'},{self.scale})"
        return f"{self.kind}({self.length})" if self.kind in _WITH_LENGTH else self.data_type


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a column is read.

    Args:
        expression: SQL around ``{}``, the column.
        schema: JSON schema of a value that is not NULL.
        fetch_as: Name of the driver's type to fetch it as, where its own choice would not be exact.
        convert: From what the driver gives to what goes into the record; NULL stays None.
    """

    expression: str
    schema: Mapping[str, object]
    fetch_as: str | None = None
    convert: Callable[[Any], object] | None = None


INTEGER: Mapping[str, object] = {"type": "integer"}
NUMBER: Mapping[str, object] = {"type": "number"}
TEXT: Mapping[str, object] = {"type": "string"}
TIME: Mapping[str, object] = {"type": "string", "format": "date-time"}
BYTES: Mapping[str, object] = {"type": "string", "contentEncoding": "base64"}
DURATION: Mapping[str, object] = {"type": "string", "format": "duration"}
HEX: Mapping[str, object] = {"type": "string", "contentEncoding": "base16"}
ANY_JSON: Mapping[str, object] = {"type": ["object", "array", "string", "number", "boolean"]}


def exact_number(text: str) -> int | Decimal:
    """A number from the text of all its digits; the Oracle Client writes great ones with an E."""
    return Decimal(text) if "." in text or "E" in text else int(text)


def finite(value: float) -> float | None:
    """JSON has no NaN and no infinity: they become null."""
    return value if math.isfinite(value) else None


def base64_text(value: bytes) -> str:
    """Bytes as JSON can carry them."""
    return base64.b64encode(value).decode("ascii")


def hex_text(value: bytes) -> str:
    """Bytes as people compare them, and as HEXTORAW takes them: a SYS_GUID is a RAW(16)."""
    return value.hex().upper()


def json_text(value: bytes) -> str:
    """The text of a JSON document in a BLOB, in whichever Unicode encoding it is.

    Raises:
        UnicodeDecodeError: It is in none.
    """
    return value.decode(json.detect_encoding(value))


def json_value(text: str) -> object:
    """A JSON document with its numbers exact."""
    return json.loads(text, parse_float=Decimal)


_INTERVAL = re.compile(r"([+-])0*(\d+) (\d\d):(\d\d):(\d\d(?:\.\d+)?)|([+-])0*(\d+)-(\d\d)")


def iso_duration(text: str) -> str:
    """``+02 03:04:05.678`` is P2DT3H4M5.678S, ``-01-06`` is -P1Y6M.

    Raises:
        ValueError: The text is no interval of Oracle.
    """
    match = _INTERVAL.fullmatch(text)
    if match is None:
        msg = "not the text of an interval"
        raise ValueError(msg)
    sign, days, hours, minutes, seconds, year_sign, years, months = match.groups()
    if years is not None:
        return f"{year_sign}P{years}Y{int(months)}M".removeprefix("+")
    seconds = seconds.removeprefix("0") if seconds[1:2].isdigit() else seconds
    return f"{sign}P{days}DT{int(hours)}H{int(minutes)}M{seconds}S".removeprefix("+")


def _always(how: Conversion) -> Callable[[OracleColumn, ZoneInfo | None], Conversion]:
    return lambda _column, _zone: how


def _number(of: OracleColumn, _zone: ZoneInfo | None) -> Conversion:
    if of.scale == 0:
        return Conversion("{}", INTEGER)  # the driver makes an int of any size
    schema = NUMBER if of.scale is None or of.scale > 0 else INTEGER
    return Conversion("{}", schema, "DB_TYPE_VARCHAR", exact_number)


def _blob(of: OracleColumn, _zone: ZoneInfo | None) -> Conversion:
    if of.json is None:
        return Conversion("{}", BYTES, "DB_TYPE_LONG_RAW", base64_text)
    if of.json == "OSON":
        return Conversion("JSON_SERIALIZE({} RETURNING CLOB)", TEXT, "DB_TYPE_LONG")
    return Conversion("{}", TEXT, "DB_TYPE_LONG_RAW", json_text)


def _time(of: OracleColumn, zone: ZoneInfo | None) -> Conversion:
    if zone is None:
        return Conversion(_of_our_era(f'{_mask(of)}"+00:00"'), TIME)
    return Conversion(_of_our_era(_mask(of)), TIME, convert=_add_offset(zone))


def _time_with_zone(of: OracleColumn, _zone: ZoneInfo | None) -> Conversion:
    # From the second day on: by then it is year 1 at any offset.
    return Conversion(_of_our_era(f"{_mask(of)}TZH:TZM", since="0001-01-02"), TIME)


def _of_our_era(mask: str, since: str = "0001-01-01") -> str:
    """NULL for a time before year 1: RFC 3339 has no such years, and YYYY leaves their sign out."""
    return f"CASE WHEN {{0}} >= DATE '{since}' THEN TO_CHAR({{0}}, '{mask}') END"


def _time_with_local_zone(of: OracleColumn, _zone: ZoneInfo | None) -> Conversion:
    return _time(of, None)  # the session runs at +00:00


def _mask(of: OracleColumn) -> str:
    digits = 0 if of.kind == "DATE" else 6 if of.scale is None else of.scale
    return f"{SECONDS}.FF{digits}" if digits else SECONDS


def _add_offset(zone: ZoneInfo) -> Callable[[str], str]:
    offset = offsets(zone)

    def zoned(text: str) -> str:
        found = offset(text[:16])
        return text + found if len(found) == len("+00:00") else _in_utc(text, found)

    return zoned


def _in_utc(text: str, offset: str) -> str:
    """The same instant in UTC: before zones were introduced offsets had seconds (Asia/Kolkata until
    1906: +05:21:10), which RFC 3339 cannot write.
    """
    try:
        at = datetime.fromisoformat(text[:19] + offset).astimezone(UTC)
    except OverflowError:  # the first hours of year 1
        return text + offset[:6]
    return f"{at.replace(tzinfo=None).isoformat()}{text[19:]}+00:00"


CONVERSIONS: Mapping[str, Callable[[OracleColumn, ZoneInfo | None], Conversion]] = {
    "NUMBER": _number,
    "FLOAT": _always(Conversion("{}", NUMBER, "DB_TYPE_VARCHAR", exact_number)),
    "BINARY_FLOAT": _always(Conversion("{}", NUMBER, convert=finite)),
    "BINARY_DOUBLE": _always(Conversion("{}", NUMBER, convert=finite)),
    "BOOLEAN": _always(Conversion("{}", {"type": "boolean"})),
    "CHAR": _always(Conversion("{}", TEXT)),
    "NCHAR": _always(Conversion("{}", TEXT)),
    "VARCHAR2": _always(Conversion("{}", TEXT)),
    "NVARCHAR2": _always(Conversion("{}", TEXT)),
    "CLOB": _always(Conversion("{}", TEXT, "DB_TYPE_LONG")),
    "NCLOB": _always(Conversion("{}", TEXT, "DB_TYPE_LONG_NVARCHAR")),
    "RAW": _always(Conversion("{}", HEX, convert=hex_text)),
    "BLOB": _blob,
    "XMLTYPE": _always(Conversion("XMLSERIALIZE(CONTENT {} AS CLOB)", TEXT, "DB_TYPE_LONG")),
    "JSON": _always(
        Conversion("JSON_SERIALIZE({} RETURNING CLOB)", ANY_JSON, "DB_TYPE_LONG", json_value)
    ),
    "DATE": _time,
    "TIMESTAMP": _time,
    "TIMESTAMP WITH TIME ZONE": _time_with_zone,
    "TIMESTAMP WITH LOCAL TIME ZONE": _time_with_local_zone,
    "INTERVAL DAY TO SECOND": _always(Conversion("TO_CHAR({})", DURATION, convert=iso_duration)),
    "INTERVAL YEAR TO MONTH": _always(Conversion("TO_CHAR({})", DURATION, convert=iso_duration)),
}


def conversion(of: OracleColumn, zone: ZoneInfo | None = None) -> Conversion | None:
    """How the column is read, or None when its type is not supported.

    Args:
        of: The column.
        zone: The zone of times that are stored without one; they are UTC where it is None.
    """
    make = CONVERSIONS.get(of.kind)
    return None if make is None else make(of, zone)


def select_expression(of: OracleColumn, how: Conversion) -> str:
    """The column's item of the select list, under the column's own name."""
    bare = column(of.name)
    return bare if how.expression == "{}" else f"{how.expression.format(bare)} {quoted(of.name)}"


def json_types(schema: Mapping[str, object]) -> list[str]:
    """The types that a JSON schema allows, null left out."""
    types = schema["type"]
    return [str(one) for one in (types if isinstance(types, list) else [types]) if one != "null"]


def json_schema(of: OracleColumn, how: Conversion) -> dict[str, object]:
    """The schema of the column's values, null included where it can occur."""
    can_be_lost = how.convert is finite or how.schema is TIME
    null = ["null"] if of.nullable or can_be_lost else []
    return {**how.schema, "type": [*json_types(how.schema), *null]}
