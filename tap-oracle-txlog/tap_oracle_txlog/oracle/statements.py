"""The SQL of pages, as pure functions; golden files beside the tests pin each text.

What is asked beside pages stands in `session.py` and `dictionary.py`.

Values are always bound, names are always quoted (`identifiers.py`). Times travel as text with nine
digits of the second in both directions: a bound ``datetime`` would lose its fraction
(python-oracledb issue #563), a fetched one its nanoseconds. Conversions stand on the bind, never on
the column, so that an index on (replication key, id) stays usable. Nothing here knows a connection.

A page is the first rows of an ordered inline view (ROWNUM), in all releases and over views alike.
FETCH FIRST is a window over ROW_NUMBER, which before 19c is not costed as "the first rows": asked
at the beginning of a table it takes a full scan with a sort, and that plan is kept for each later
page. Hints would do as well on a table, but none reaches into a view.
"""
# ruff: noqa: S608 -- names are validated and quoted, values are bound: what S608 asks for is done here

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from tap_oracle_txlog.oracle.identifiers import quoted
from tap_oracle_txlog.rules.digests import FIRST_DIGIT
from tap_oracle_txlog.rules.timestamps import plus, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_oracle_txlog.oracle.identifiers import TableName
    from tap_oracle_txlog.rules.position import Position
    from tap_oracle_txlog.rules.timestamps import Instant

Binds: TypeAlias = "Mapping[str, str | int | None]"

SECONDS = 'YYYY-MM-DD"T"HH24:MI:SS'
NANOSECONDS = SECONDS + ".FF9"
WHOLE_SECONDS = SECONDS + '".000000000"'

KEY_COLUMN = "$KEY"
"""Alias of the last column of a page: the replication key as 29 characters."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text with its binds: only text, integers and NULL, so that the driver guesses no type."""

    text: str
    binds: Binds = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyForm:
    """How a replication key of one Oracle type goes out as text and how text is compared with it.

    ``into`` keeps the type of the column: a comparison of DATE with TIMESTAMP, or of either with
    TIMESTAMP WITH TIME ZONE, would convert the column and lose the index.
    """

    out: str
    into: str
    as_date: str
    whole_seconds: bool = False

    def holds(self, at: Instant) -> bool:
        """Whether a column of this type can hold that very instant."""
        return not self.whole_seconds or at.endswith(".000000000")

    def text(self, at: Instant) -> str:
        """``at`` as the column can hold it, rounded up: ``>=`` and ``<`` keep their meaning."""
        if not self.whole_seconds:
            return at
        return render(at if self.holds(at) else plus(at, 1), digits=0)


KEY_FORMS: Mapping[str, KeyForm] = {
    "DATE": KeyForm(
        out=f"TO_CHAR({{}}, '{WHOLE_SECONDS}')",
        into=f"TO_DATE({{}}, '{SECONDS}')",
        as_date="{}",
        whole_seconds=True,
    ),
    "TIMESTAMP": KeyForm(
        out=f"TO_CHAR({{}}, '{NANOSECONDS}')",
        into=f"TO_TIMESTAMP({{}}, '{NANOSECONDS}')",
        as_date="CAST({} AS DATE)",
    ),
    "TIMESTAMP WITH TIME ZONE": KeyForm(
        out=f"TO_CHAR(SYS_EXTRACT_UTC({{}}), '{NANOSECONDS}')",
        into=f"FROM_TZ(TO_TIMESTAMP({{}}, '{NANOSECONDS}'), '+00:00')",
        as_date="CAST(SYS_EXTRACT_UTC({}) AS DATE)",
    ),
    # The session runs at +00:00, so a local time zone is UTC both ways.
    "TIMESTAMP WITH LOCAL TIME ZONE": KeyForm(
        out=f"TO_CHAR({{}}, '{NANOSECONDS}')",
        into=(
            f"CAST(FROM_TZ(TO_TIMESTAMP({{}}, '{NANOSECONDS}'), '+00:00')"
            " AS TIMESTAMP(9) WITH LOCAL TIME ZONE)"
        ),
        as_date="CAST({} AS DATE)",
    ),
}
"""By type name without precision: the types that can be a replication key."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which rows are read (`filter.py`): ready SQL over the alias ``t`` for each of ``columns``."""

    conditions: tuple[str, ...] = ()
    binds: Binds = field(default_factory=dict)
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What is read: ``expressions`` are ready SQL over the alias ``t`` (`types.py`)."""

    table: TableName
    expressions: tuple[str, ...]
    key: str
    key_type: str
    id: str
    id_type: str = "NUMBER"
    where: Where = field(default_factory=Where)

    @property
    def id_into(self) -> str:
        """How a bound id becomes a value of the column's type; RAW travels as hex text."""
        return "HEXTORAW({})" if self.id_type == "RAW" else "{}"

    @property
    def key_form(self) -> KeyForm:
        """How the replication key travels."""
        return KEY_FORMS[self.key_type]


def column(name: str) -> str:
    """A column of the table that is read.

    The alias is needed: an unqualified name in ORDER BY would mean the text in the select list.
    """
    return f"t.{quoted(name)}"


# --- the page ------------------------------------------------------------------------------------


def page(
    selection: Selection, after: Position, limit: int, until: Instant | None = None
) -> Statement:
    """Up to ``limit`` rows behind ``after`` and before ``until``, in the order of (key, id).

    The first condition is a plain range, the access path of the index; the second one only cuts off
    the rows of the first instant that were read before. OFFSET would miss rows.
    """
    form = selection.key_form
    key, id_ = column(selection.key), column(selection.id)
    binds: dict[str, str | int | None] = {"after_key": form.text(after.at)}
    conditions = [f"{key} >= {form.into.format(':after_key')}"]
    if after.id is not None and form.holds(after.at):
        after_id = selection.id_into.format(":after_id")
        conditions.append(f"({key} > {form.into.format(':after_key')} OR {id_} > {after_id})")
        binds["after_id"] = after.id
    if until is not None:
        conditions.append(f"{key} < {form.into.format(':until_key')}")
        binds["until_key"] = form.text(until)
    conditions += selection.where.conditions
    binds |= selection.where.binds
    return Statement(_select(selection, conditions, f"{key}, {id_}", limit), binds)


def null_key_page(selection: Selection, after_id: int | str | None, limit: int) -> Statement:
    """Up to ``limit`` rows whose replication key is NULL, in the order of their id."""
    conditions = [f"{column(selection.key)} IS NULL"]
    binds: dict[str, str | int | None] = {}
    if after_id is not None:
        conditions.append(f"{column(selection.id)} > {selection.id_into.format(':after_id')}")
        binds["after_id"] = after_id
    conditions += selection.where.conditions
    binds |= selection.where.binds
    return Statement(_select(selection, conditions, column(selection.id), limit), binds)


def digest(selection: Selection, since: Instant, before: Instant) -> Statement:
    """Number and sum of ``rules.digests.Digest``, of the rows from ``since`` on and before
    ``before``: an index on (key, id) answers alone.
    """
    form, key = selection.key_form, column(selection.key)
    id_text = "RAWTOHEX({})" if selection.id_type == "RAW" else "TO_CHAR({})"
    text = f"{id_text.format(column(selection.id))} || '|' || {form.out.format(key)}"
    digits = f"SUBSTR(RAWTOHEX(STANDARD_HASH({text}, 'MD5')), {FIRST_DIGIT + 1})"
    lines = (
        f"SELECT COUNT(*), TO_CHAR(SUM(TO_NUMBER({digits}, 'XXXXXXXXXXXXXXX')))",
        f"FROM {selection.table.quoted} t",
        f"WHERE {key} >= {form.into.format(':after_key')}",
        f"AND {key} < {form.into.format(':until_key')}",
    )
    return Statement(
        "\n".join(lines), {"after_key": form.text(since), "until_key": form.text(before)}
    )


def _select(selection: Selection, conditions: list[str], order: str, limit: int) -> str:
    key_text = f"{selection.key_form.out.format(column(selection.key))} {quoted(KEY_COLUMN)}"
    return "\n".join(
        (
            f"SELECT * FROM (SELECT {', '.join((*selection.expressions, key_text))}",
            f"FROM {selection.table.quoted} t",
            f"WHERE {' AND '.join(conditions)}",
            f"ORDER BY {order})",
            f"WHERE ROWNUM <= {limit:d}",
        )
    )
