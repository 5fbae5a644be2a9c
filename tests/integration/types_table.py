"""The table of TYPES.md: what each Oracle type becomes. The tests read these very values.

``python -m tests.integration.types_table`` writes it; a test compares it.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec

from tap_oracle_txlog.oracle.types import OracleColumn, conversion
from tools.oracle_stand_in.columns import Column
from tools.settings import with_block

TYPES_MD = Path(__file__).parents[2] / "tap-oracle-txlog" / "TYPES.md"
NANO = "2026-01-02T03:04:05.123456789"


class Row(NamedTuple):
    """A value of a column that was declared so, and what goes into the record."""

    declared: str
    stored: object
    record: object

    @property
    def column(self) -> OracleColumn:
        of = Column.of(f"VALUE {self.declared}")
        length = of.char_length
        return OracleColumn("VALUE", of.data_type, of.precision, of.scale, length, json=of.json)


ROWS = (
    Row("NUMBER(18)", 123456789012345678, 123456789012345678),
    Row("NUMBER(38)", -(10**38) + 1, -(10**38) + 1),
    Row("NUMBER(5,-2)", 1234500, 1234500),
    Row("NUMBER(10,2)", Decimal("-12345678.91"), Decimal("-12345678.91")),
    Row("NUMBER", 9007199254740993, 9007199254740993),
    Row("NUMBER", Decimal("0.1234567890123456789"), Decimal("0.1234567890123456789")),
    Row("FLOAT", Decimal("0.1"), Decimal("0.1")),
    Row("BINARY_FLOAT", 0.5, 0.5),
    Row("BINARY_DOUBLE", 0.1, 0.1),
    Row("BINARY_DOUBLE", float("nan"), None),
    Row("BOOLEAN", True, True),
    Row("CHAR(5)", "ab", "ab   "),
    Row("NCHAR(3)", "ä", "ä  "),
    Row("VARCHAR2(64)", "Grüße 😀", "Grüße 😀"),
    Row("NVARCHAR2(64)", "Grüße 😀", "Grüße 😀"),
    Row("CLOB", '{"amount": 1}', '{"amount": 1}'),
    Row("NCLOB", "結案", "結案"),
    Row("RAW(16)", b"\x00\xff", "00FF"),
    Row("BLOB", b"\x00\xff", "AP8="),
    Row("BLOB CHECK (VALUE IS JSON)", b'{"a": 1.0}', '{"a": 1.0}'),
    Row("XMLTYPE", "<a>1</a>", "<a>1</a>"),
    Row(
        "JSON", '{"a": 0.1234567890123456789, "b": [null]}',
        {"a": Decimal("0.1234567890123456789"), "b": [None]},
    ),
    Row("DATE", NANO[:19], f"{NANO[:19]}+00:00"),
    Row("DATE", f"-4712{NANO[4:19]}", None),
    Row("TIMESTAMP(0)", NANO[:19], f"{NANO[:19]}+00:00"),
    Row("TIMESTAMP(3)", NANO[:23], f"{NANO[:23]}+00:00"),
    Row("TIMESTAMP(6)", NANO[:26], f"{NANO[:26]}+00:00"),
    Row("TIMESTAMP(9)", NANO, f"{NANO}+00:00"),
    Row("TIMESTAMP(9) WITH TIME ZONE", f"{NANO}+05:30", f"{NANO}+05:30"),
    Row("TIMESTAMP(9) WITH LOCAL TIME ZONE", NANO, f"{NANO}+00:00"),
    Row("INTERVAL DAY TO SECOND", "+02 03:04:05.678000", "P2DT3H4M5.678000S"),
    Row("INTERVAL YEAR TO MONTH", "-01-06", "-P1Y6M"),
)  # fmt: skip


def markdown() -> str:
    lines = ["| Oracle type | JSON schema | stored | in the record |", "|---|---|---|---|"]
    lines += [
        f"| {row.declared} | {_schema(row)} | {_shown(row.stored)} | `{_json(row.record)}` |"
        for row in ROWS
    ]
    return "\n".join(lines) + "\n"


def written() -> str:
    """TYPES.md as it has to be."""
    return with_block(TYPES_MD.read_text(encoding="utf-8"), "types", markdown())


def _schema(row: Row) -> str:
    how = conversion(row.column)
    assert how is not None, f"{row.declared} cannot be read"
    types, more = how.schema["type"], how.schema.get("format", how.schema.get("contentEncoding"))
    kinds = ", ".join(types) if isinstance(types, list) else str(types)
    return f"{kinds} ({more})" if more else kinds


def _shown(stored: object) -> str:
    if isinstance(stored, bytes):
        return f"`{stored.decode() if stored.isascii() else stored.hex().upper()}`"
    return f"`{stored}`"


def _json(value: object) -> str:
    return msgspec.json.Encoder(decimal_format="number").encode(value).decode()


if __name__ == "__main__":
    TYPES_MD.write_text(written(), encoding="utf-8")
