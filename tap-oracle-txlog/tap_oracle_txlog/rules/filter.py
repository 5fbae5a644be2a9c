"""Which rows are read: those that have, in each column that is named, one of the values.

Here is what a filter may say, and which values a column can have; how a condition is written in
SQL is the sources' affair. Values are content of rows: no error shows one, and what is remembered
of a filter is a digest.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, NoReturn, Self, TypeAlias

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.rules.timestamps import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

MAX_VALUES: Final = 1_000
"""Of a column: Oracle takes no longer list."""
MAX_CHARACTERS: Final = 1_000
"""Of a text."""
MAX_DIGITS: Final = 38
"""Of a number: those of Oracle's NUMBER."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
_HEX: Final = re.compile(r"([0-9A-F]{2})+", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

Kind: TypeAlias = Literal["text", "integer", "number", "time", "date", "hex"]
Given: TypeAlias = str | int | Decimal
Value: TypeAlias = str | int | Decimal | date


class Condition(NamedTuple):
    """A column has one of ``values``, or NULL where ``or_null`` says so; never both empty."""

    column: str
    values: tuple[Value, ...]
    or_null: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked of each column, by its name; of none, where all rows are wanted.

    Args:
        wanted: The values by column: those of `of`, or such as rows of the table have.
        setting: The one that names the columns, for errors.
    """

    wanted: Mapping[str, tuple[Given | None, ...]] = field(default_factory=dict)
    setting: str = "filter"

    @classmethod
    def of(cls, given: Mapping[str, object] | None, name: Callable[[str], str] = str) -> Self:
        """Read the setting `filter`.

        Args:
            given: A value or a list of values by column; null stands for NULL.
            name: From a column as it is typed to its name in the database.

        Raises:
            ConfigurationError: It names no column, or a column without a value that can be one.
        """
        if given is None:
            return cls()
        if not given:
            _refuse("names no column", "Name one, such as {CASE_ID: [C0137]}")
        found: dict[str, tuple[Given | None, ...]] = {}
        for typed, values in given.items():
            if (column := name(typed)) in found:
                _refuse(f"names the column {_shown(column)} twice", "Keep one of them")
            found[column] = _all_given(typed, values if isinstance(values, list) else [values])
        return cls(found)

    def __bool__(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.wanted)

    def condition(
        self, column: str, kind: Kind, declared: str, zone: ZoneInfo | None = None
    ) -> Condition:
        """What is asked of a column, with the values that it can have.

        Args:
            column: One that is named.
            kind: What its values are.
            declared: Its type, for people.
            zone: That of its clock, for times; None for UTC.

        Raises:
            ConfigurationError: A value is none of the column's.
        """
        values = self.wanted[column]
        try:
            found = [_AS[kind](value, zone) for value in values if value is not None]
        except ValueError as error:
            remedy = _REMEDIES.get(kind, "Correct it")
            raise self.not_a_value(column, declared, str(error), remedy) from None
        return Condition(column, tuple(dict.fromkeys(found)), None in values)

    def not_a_value(self, column: str, declared: str, what: str, remedy: str) -> ConfigurationError:
        """The error for a value that is not what a column can have."""
        text = f"has a value for {_shown(column)} ({declared}) that is not {what}"
        return _error(text, remedy, self.setting)

    def digest(self, *others: str) -> str:
        """16 characters that tell one selection of rows from another; the order of columns and
        values does not matter, nor whether a number is written as a text.
        """
        columns = {
            column: sorted(str(value) for value in values if value is not None)
            + [None] * (None in values)
            for column, values in self.wanted.items()
        }
        written = json.dumps([*others, columns], sort_keys=True)
        return sha256(written.encode()).hexdigest()[:16]


def not_a_type(column: str, declared: str, setting: str) -> ConfigurationError:
    """The error for a column whose values cannot be compared."""
    return _error(
        f"names the column {_shown(column)}, which is {declared}",
        "Choose a column of text, numbers or times",
        setting,
    )


def serving(indexes: Iterable[tuple[str, str]], columns: Iterable[str]) -> str | None:
    """The index that finds the rows of a filter by itself; None where there is none.

    Args:
        indexes: The name of each one that can be used, and its first column.
        columns: Those of the filter.
    """
    wanted = set(columns)
    return next((name for name, first in indexes if first in wanted), None)


def _all_given(column: str, values: Sequence[object]) -> tuple[Given | None, ...]:
    """The values of a column, each once."""
    if not 0 < len(values) <= MAX_VALUES:
        _refuse(f"has {len(values):,} values for {_shown(column)}", f"Set 1 to {MAX_VALUES:,}")
    return tuple(dict.fromkeys(_given(column, value) for value in values))


def _given(column: str, value: object) -> Given | None:
    """A value as a setting may have it: a number of JSON with the digits that it was written in."""
    if isinstance(value, float) and math.isfinite(value):
        value = Decimal(repr(value))
    if isinstance(value, bool) or not (value is None or isinstance(value, Given)):
        what = f"has a value for {_shown(column)} that is neither a text nor a number"
        _refuse(what, "Set texts, numbers or null")
    if isinstance(value, str) and ("\0" in value or len(value) > MAX_CHARACTERS):
        what = f"has a value for {_shown(column)} that is not a text of up to {MAX_CHARACTERS:,}"
        _refuse(f"{what} characters", "Shorten it")
    return value


def _text(value: Given, _zone: ZoneInfo | None) -> str:
    if not isinstance(value, str):
        msg = "a text"
        raise ValueError(msg)  # noqa: TRY004 - of the value, not of the program
    return value


def _number(value: Given, _zone: ZoneInfo | None) -> int | Decimal:
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    if not _NUMBER.fullmatch(text) or len(re.sub(r"\D", "", text)) > MAX_DIGITS:
        msg = f"a number of up to {MAX_DIGITS} digits"
        raise ValueError(msg)
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else number


def _integer(value: Given, zone: ZoneInfo | None) -> int:
    number = _number(value, zone)
    if not isinstance(number, int):
        msg = "a whole number"
        raise ValueError(msg)  # noqa: TRY004 - of the value, not of the program
    return number


def _time(value: Given, zone: ZoneInfo | None) -> str:
    try:
        return parse(str(value), zone)
    except ValueError:
        msg = "a time"
        raise ValueError(msg) from None


def _date(value: Given, _zone: ZoneInfo | None) -> date:
    try:
        if _DATE.fullmatch(str(value)):
            return date.fromisoformat(str(value))
    except ValueError:
        pass
    msg = "a date"
    raise ValueError(msg)


def _hex(value: Given, _zone: ZoneInfo | None) -> str:
    if not _HEX.fullmatch(text := str(value).upper()):
        msg = "an even number of hexadecimal digits"
        raise ValueError(msg)
    return text


_AS: Final[Mapping[Kind, Callable[[Given, ZoneInfo | None], Value]]] = {
    "text": _text,
    "integer": _integer,
    "number": _number,
    "time": _time,
    "date": _date,
    "hex": _hex,
}
_REMEDIES: Final[Mapping[Kind, str]] = {
    "text": "Put it in quotes",
    "time": "Write it like 2026-01-31T12:00:00Z",
    "date": "Write it like 2026-01-31",
}


def _shown(column: str) -> str:
    return (column if column.isascii() and column.isidentifier() else json.dumps(column))[:80]


def _error(what: str, remedy: str, setting: str = "filter") -> ConfigurationError:
    return ConfigurationError(f"setting `{setting}` {what}", remedy, setting=setting)


def _refuse(what: str, remedy: str) -> NoReturn:
    raise _error(what, remedy)
