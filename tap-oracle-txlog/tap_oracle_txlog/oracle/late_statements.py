"""The SQL that looks for late rows; golden files beside the tests pin each text.

What is known to be out is excluded by the statement, so that only new rows travel and the index on
(replication key, id) answers alone until a row survives. There are few shapes: lists are padded to
one of a few lengths, so that Oracle parses each once. Nothing here knows a connection.
"""
# ruff: noqa: S608 -- names are validated and quoted, values are bound: what S608 asks for is done here

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from tap_oracle_txlog.oracle.identifiers import quoted
from tap_oracle_txlog.oracle.statements import KEY_COLUMN, Selection, Statement, column
from tap_oracle_txlog.rules.id_ranges import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_oracle_txlog.rules.position import Position
    from tap_oracle_txlog.rules.timestamps import Instant

RUN_SHAPES: Final = (4, 32, 256)
POSITION_SHAPES: Final = (1, 16, 256)

NO_ID: Final = Run(1, 0, 1)

_Binds: TypeAlias = "dict[str, str | int | None]"
_T = TypeVar("_T")


def late_page(
    selection: Selection,
    after: Position,
    limit: int,
    until: Instant | None,
    known: Sequence[Run],
) -> Statement:
    """Up to ``limit`` rows behind ``after`` and before ``until`` whose id is in no run of
    ``known``.
    """
    conditions, binds = _behind(selection, after, until)
    id_ = column(selection.id)
    for number, run in enumerate(_padded(known, RUN_SHAPES, NO_ID)):
        low, high, step = (f"{name}{number}" for name in ("low", "high", "step"))
        conditions.append(
            f"NOT ({id_} BETWEEN :{low} AND :{high} AND MOD({id_} - :{low}, :{step}) = 0)"
        )
        binds |= {low: run.low, high: run.high, step: run.step}
    return Statement(_select(selection, selection.expressions, conditions, limit), binds)


def keys(selection: Selection, after: Position, limit: int, until: Instant | None) -> Statement:
    """Id and key of up to ``limit`` rows behind ``after`` and before ``until``."""
    conditions, binds = _behind(selection, after, until)
    return Statement(_select(selection, (_id_expression(selection),), conditions, limit), binds)


def rows_at(selection: Selection, positions: Sequence[Position]) -> Statement:
    """The rows at these positions."""
    form = selection.key_form
    padded = _padded(positions, POSITION_SHAPES, positions[-1])
    binds: _Binds = {}
    places = []
    for number, (at, row_id) in enumerate(padded):
        row_place = selection.id_into.format(f":id{number}")
        places.append(f"({form.into.format(f':key{number}')}, {row_place})")
        binds |= {f"key{number}": form.text(at), f"id{number}": row_id}
    both = f"({column(selection.key)}, {column(selection.id)})"
    conditions = [f"{both} IN ({', '.join(places)})"]
    return Statement(
        _select(selection, selection.expressions, conditions, len(positions) + 1), binds
    )


def _behind(
    selection: Selection, after: Position, until: Instant | None
) -> tuple[list[str], _Binds]:
    """The conditions of a page (`statements.page`)."""
    form = selection.key_form
    key, id_ = column(selection.key), column(selection.id)
    after_key = form.into.format(":after_key")
    binds: _Binds = {"after_key": form.text(after.at)}
    conditions = [f"{key} >= {after_key}"]
    if after.id is not None and form.holds(after.at):
        conditions.append(
            f"({key} > {after_key} OR {id_} > {selection.id_into.format(':after_id')})"
        )
        binds["after_id"] = after.id
    if until is not None:
        conditions.append(f"{key} < {form.into.format(':until_key')}")
        binds["until_key"] = form.text(until)
    return [*conditions, *selection.where.conditions], binds | dict(selection.where.binds)


def _id_expression(selection: Selection) -> str:
    """How the id is selected."""
    name = quoted(selection.id)
    return next(one for one in selection.expressions if one.endswith(name))


def _select(
    selection: Selection, expressions: Sequence[str], conditions: Sequence[str], limit: int
) -> str:
    key = selection.key_form.out.format(column(selection.key))
    return "\n".join(
        (
            f"SELECT * FROM (SELECT {', '.join((*expressions, f'{key} {quoted(KEY_COLUMN)}'))}",
            f"FROM {selection.table.quoted} t",
            f"WHERE {' AND '.join(conditions)}",
            f"ORDER BY {column(selection.key)}, {column(selection.id)})",
            f"WHERE ROWNUM <= {limit:d}",
        )
    )


def _padded(values: Sequence[_T], shapes: Sequence[int], filling: _T) -> list[_T]:
    length = next(shape for shape in shapes if shape >= len(values))
    return [*values, *[filling] * (length - len(values))]
