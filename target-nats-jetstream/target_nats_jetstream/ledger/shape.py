"""What a table can hold, and how a row is made to fit without saying more than is true.

Pure. Times are floored here, because servers differ when a time has more digits than its column:
MariaDB cuts them, MySQL rounds half up ("Fractional Seconds in Time Values" in the MySQL manual),
and so does MariaDB under TIME_ROUND_FRACTIONAL. A time rounded up claims rows that are not there.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | datetime | None

#: Ends a text that was cut.
CUT_MARK: Final = "..."

_INTEGER_BITS: Final = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}


@dataclass(frozen=True, slots=True)
class ColumnShape:
    """The limits of one column; without arguments there are none, as in SQLite.

    Args:
        characters: The most characters of a text.
        octets: The most bytes of a text in UTF-8.
        ascii_only: Whether the column's character set cannot hold all of Unicode.
        largest: The largest integer.
        digits: Fractional digits of a time.
    """

    characters: int | None = None
    octets: int | None = None
    ascii_only: bool = False
    largest: int | None = None
    digits: int = 6

    @classmethod
    def of_catalog(
        cls,
        declared: str,
        characters: int | None,
        octets: int | None,
        charset: str | None,
        digits: int | None,
    ) -> ColumnShape:
        """Read the facts that ``information_schema.columns`` has; ``declared`` is COLUMN_TYPE."""
        kind = re.match(r"\w*", declared.lower())
        bits = _INTEGER_BITS.get(kind[0]) if kind else None
        signed = "unsigned" not in declared.lower()
        return cls(
            characters=characters,
            octets=octets,
            ascii_only=charset not in {None, "utf8mb4"},
            largest=bits and 2 ** (bits - signed) - 1,
            digits=digits or 0,
        )

    def fit(self, value: Value) -> Value:
        """The value itself, or the nearest below it that the column can hold."""
        if isinstance(value, str):
            return self.cut(value)
        if isinstance(value, datetime):
            grain = 10 ** (6 - self.digits)
            return value.replace(microsecond=value.microsecond // grain * grain)
        if value is not None and self.largest is not None:
            return min(value, self.largest)
        return value

    def cut(self, text: str, mark: str = CUT_MARK) -> str:
        """The text, or as much of its beginning as has room before ``mark``."""
        if self.ascii_only:
            text = text.encode("ascii", "backslashreplace").decode()
        characters = len(text) if self.characters is None else self.characters
        octets = len(text.encode()) if self.octets is None else self.octets
        if len(text) <= characters and len(text.encode()) <= octets:
            return text
        head = text[: max(0, characters - len(mark))].encode()[: max(0, octets - len(mark))]
        return head.decode(errors="ignore") + mark


@dataclass(frozen=True, slots=True)
class TableShape:
    """The columns that a table has, by their upper-case names."""

    columns: Mapping[str, ColumnShape]

    def fit(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """The values as the table can hold them, without those of columns that it does not have."""
        return {
            name: self.columns[name].fit(value)
            for name, value in values.items()
            if name in self.columns
        }

    def stream_row_name(self, program: str, stream: str) -> str:
        """The name of a stream's own row, cut to the column.

        A cut name ends with a checksum of the whole: two long names may differ only at their end.
        """
        name = f"{program}:{stream}"
        checksum = hashlib.sha256(name.encode()).hexdigest()[:12]
        return self.columns["PROGRAM_NAME"].cut(name, mark=f"~{checksum}")
