"""The filter as conditions of SQL, as pure functions; golden files beside the tests pin each text.

Values are bound, and converted on the bind to the type of the column: so an index on it can be
used, and no comparison depends on the settings of the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_oracle_txlog.oracle.statements import KEY_FORMS, Where, column
from tap_oracle_txlog.rules.filter import not_a_type
from tap_oracle_txlog.rules.timestamps import Instant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.oracle.types import OracleColumn
    from tap_oracle_txlog.rules.filter import Condition, Filter, Kind, Value

_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("VARCHAR2", "NVARCHAR2", "CHAR", "NCHAR"), "text"),
    **dict.fromkeys(("NUMBER", "FLOAT"), "number"),
    **dict.fromkeys(KEY_FORMS, "time"),
    "RAW": "hex",
}
#: How a bind becomes a value of the column's type, where it is not one as it is. A CHAR is compared
#: without regard for the blanks behind it if both sides are one.
_INTO: Final[Mapping[str, str]] = {
    "CHAR": "CAST({} AS CHAR(2000))",
    "NCHAR": "CAST({} AS NCHAR(1000))",
    "RAW": "HEXTORAW({})",
    **{kind: form.into for kind, form in KEY_FORMS.items()},
}


def where(rows: Filter, table: Mapping[str, OracleColumn], zone: ZoneInfo | None) -> Where:
    """The conditions of a filter whose columns are all in ``table``.

    Args:
        rows: The filter.
        table: All columns of the table, by name.
        zone: That of times that are stored without one; None for UTC.

    Raises:
        ConfigurationError: A value is none of its column's, or the column cannot be compared.
    """
    conditions, binds = [], dict[str, str | int | None]()
    for number, name in enumerate(rows.wanted):
        of = table[name]
        if (kind := _KINDS.get(of.kind)) is None:
            raise not_a_type(name, of.declared, rows.setting)
        clock = None if "TIME ZONE" in of.kind else zone
        found = rows.condition(name, kind, of.declared, clock)
        texts = [_bound(rows, value, of) for value in found.values]
        own = {f"f{number}_{place}": value for place, value in enumerate(texts) if value != ""}
        has_empty = len(own) < len(texts)  # to Oracle, an empty text is NULL
        conditions.append(_text(found, of, own, or_null=found.or_null or has_empty))
        binds |= own
    return Where(tuple(conditions), binds, tuple(rows.wanted))


def _text(found: Condition, of: OracleColumn, binds: Mapping[str, object], *, or_null: bool) -> str:
    name = column(found.column)
    into = _INTO.get(of.kind, "{}")
    places = (
        f"TO_NUMBER(:{bind})"
        if of.kind in {"NUMBER", "FLOAT"} and isinstance(value, str)
        else into.format(f":{bind}")
        for bind, value in binds.items()
    )
    one_of = f"{name} IN ({', '.join(places)})"
    if not or_null:
        return one_of
    return f"({one_of} OR {name} IS NULL)" if binds else f"{name} IS NULL"


def _bound(rows: Filter, value: Value, of: OracleColumn) -> str | int:
    """The value as it is bound: whole numbers as such, everything else as text."""
    if (form := KEY_FORMS.get(of.kind)) is not None:
        at = Instant(str(value))
        if not form.holds(at):  # no row has it, and it must not be rounded to what one has
            what, remedy = "a whole second", "Write it without a fraction"
            raise rows.not_a_value(of.name, of.declared, what, remedy)
        return form.text(at)
    return value if isinstance(value, int) else str(value)
