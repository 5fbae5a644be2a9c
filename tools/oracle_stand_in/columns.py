"""Columns: declared as in DDL, described as in the dictionary and on the wire, and encoded.

One class serves tables and answers: ``Column.of("ID NUMBER(19) NOT NULL")``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.oracle_stand_in import values
from tools.oracle_stand_in.wire import lv, text, ub

if TYPE_CHECKING:
    from collections.abc import Callable

LONG, CLOB, BLOB = 8, 112, 113
NO_NULL_INDICATOR: Final = b"\0\0"
"""What follows each value of a LONG: null indicator and return code."""


class WireType(NamedTuple):
    """How a type goes over the wire: code, buffer size (0: the declared length), charset form."""

    code: int
    size: int
    form: int
    image: Callable[..., bytes]


def _utf16(value: str) -> bytes:
    return value.encode("utf-16-be")


TYPES: Final = {
    "NUMBER": WireType(2, 22, 0, values.number),
    "FLOAT": WireType(2, 22, 0, values.number),
    "BINARY_FLOAT": WireType(100, 4, 0, values.binary_float),
    "BINARY_DOUBLE": WireType(101, 8, 0, values.binary_double),
    "VARCHAR2": WireType(1, 0, 1, str.encode),
    "CHAR": WireType(96, 0, 1, str.encode),
    "NVARCHAR2": WireType(1, 0, 2, _utf16),
    "NCHAR": WireType(96, 0, 2, _utf16),
    "RAW": WireType(23, 0, 0, bytes),
    "BOOLEAN": WireType(252, 4, 0, values.boolean),
    "DATE": WireType(12, 7, 0, values.date),
    "TIMESTAMP": WireType(180, 11, 0, values.timestamp),
    "TIMESTAMP WITH LOCAL TIME ZONE": WireType(231, 11, 0, values.timestamp),
    "LONG": WireType(LONG, 0x7FFFFFFF, 1, str.encode),
    "CLOB": WireType(CLOB, 4000, 1, str.encode),
    "NCLOB": WireType(CLOB, 4000, 2, _utf16),
    "BLOB": WireType(BLOB, 4000, 0, bytes),
}
"""The types that can be sent as they are; columns of others can only be read by expression."""

BYTES_PER_CHARACTER: Final = (1, 4, 2)
"""By charset form: bytes, AL32UTF8, AL16UTF16."""
CHARACTER: Final = {"VARCHAR2", "CHAR", "NVARCHAR2", "NCHAR"}


@dataclass(frozen=True)
class Column:
    """A column; ``type`` is the declared type without its numbers, ``numbers`` are those."""

    name: str
    type: str
    numbers: tuple[int, ...] = ()
    nullable: bool = True
    json: str | None = None

    @classmethod
    def of(cls, declaration: str) -> Column:
        """A column from its line in CREATE TABLE: ``ID NUMBER(19) NOT NULL``."""
        name, declared = declaration.split(maxsplit=1)
        declared, _, check = declared.partition(" CHECK ")
        bare = declared.removesuffix("NOT NULL").strip()
        numbers = re.findall(r"-?\d+", "".join(re.findall(r"\(.*?\)", bare)))
        plain = " ".join(re.sub(r"\(.*?\)", "", bare).split())
        json = "OSON" if "FORMAT OSON" in check else "TEXT" if "IS JSON" in check else None
        return cls(name, plain, tuple(map(int, numbers)), bare == declared.strip(), json)

    @property
    def length(self) -> int:
        """Characters or bytes; 0 where the type has no length."""
        return self.numbers[0] if self.type in CHARACTER | {"RAW"} else 0

    @property
    def precision(self) -> int | None:
        """As in ALL_TAB_COLUMNS.DATA_PRECISION."""
        if self.type == "FLOAT":
            return self.numbers[0] if self.numbers else 126
        if self.type == "NUMBER" or self.type.startswith("INTERVAL"):
            return self.numbers[0] if self.numbers else None
        return None

    @property
    def scale(self) -> int | None:
        """As in ALL_TAB_COLUMNS.DATA_SCALE: of a time type, the digits of its seconds."""
        if self.type.startswith(("TIMESTAMP", "INTERVAL DAY")):
            return self.numbers[-1] if self.numbers else 6
        if self.type == "NUMBER" and self.numbers:
            return self.numbers[1] if len(self.numbers) > 1 else 0
        return None

    @property
    def char_length(self) -> int:
        """As in ALL_TAB_COLUMNS.CHAR_LENGTH."""
        return self.length if self.type in CHARACTER else 0

    @property
    def data_type(self) -> str:
        """As in ALL_TAB_COLUMNS.DATA_TYPE: time types carry their digits in the name."""
        head, _, tail = self.type.partition(" ")
        if head == "TIMESTAMP":
            return f"TIMESTAMP({self.scale}) {tail}".strip()
        if head == "INTERVAL":
            return self.type.replace("DAY", "DAY(2)").replace("SECOND", f"SECOND({self.scale})")
        return self.type

    @cached_property
    def wire(self) -> WireType:
        """How values of this column are sent; a KeyError tells a type that has no image here."""
        return TYPES[self.type]

    @property
    def is_lob(self) -> bool:
        return self.type in {"CLOB", "NCLOB", "BLOB"}

    def described(self) -> bytes:
        """This column in a describe message."""
        wire, length = self.wire, self.length
        scale = -127 if self.type in {"NUMBER", "FLOAT"} and self.scale is None else self.scale or 0
        head = bytes((wire.code, 0, self.precision or 0, scale & 0xFF))
        size = wire.size or length * BYTES_PER_CHARACTER[wire.form]
        middle = ub(size) + bytes(5) + bytes((wire.form,)) + ub(length if wire.form else 0)
        return head + middle + b"\0" + bytes((self.nullable, 0)) + text(self.name) + bytes(4)

    def encoder(self) -> Callable[[object], bytes]:
        """The function from a value to its bytes in a row.

        LOBs go out inline, as LONG. All else goes out as described, whatever the client defines.
        """
        is_long = self.is_lob or self.type == "LONG"
        image, tail = self.wire.image, NO_NULL_INDICATOR if is_long else b""
        return lambda value: (b"\0" if value is None else lv(image(value))) + tail
