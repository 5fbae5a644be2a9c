"""Which value of a page cannot be read: SQLite holds any text in a column of any type."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tap_oracle_txlog.errors import DataError
from tap_oracle_txlog.sqlalchemy.types import SQLITE_FORM, sort_as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_oracle_txlog.sqlalchemy.types import Converter


def wrong_value(
    connection: sa.Connection,
    page: sa.Select[Any],
    id_: sa.Column[Any],
    columns: Sequence[tuple[sa.Column[Any], Converter]],
) -> str | None:
    """The first column of ``page`` with a value that is none of its type, and the row's id.

    Each column is read again as it is stored, and converted value by value. A value that SQLite
    itself does not read is none: the error names its column.

    Args:
        connection: To the database, which converts nothing by itself.
        page: The statement that failed.
        id_: The column whose value names a row.
        columns: Those of the page, each with what makes of its values those of a record.
    """
    with suppress(sa.exc.SQLAlchemyError):
        for read, (column, convert) in zip(page.selected_columns, columns, strict=True):
            process = read.type.dialect_impl(connection.dialect).result_processor(
                connection.dialect, None
            )
            stored = [sa.type_coerce(one, sa.types.NullType()) for one in (id_, column)]
            for row in connection.execute(page.with_only_columns(*stored)):
                row_id, value = row[0], row[1]
                try:
                    convert([process(value) if process else value])
                except (ValueError, TypeError, ArithmeticError) as error:
                    kind = type(error).__name__
                    return f"column {column.name} of the row with {id_.name} {row_id} ({kind})"
    return None


def refuse_unsorted(
    key: sa.Column[Any], id_: sa.Column[Any], keys: Sequence[object], ids: Sequence[object]
) -> None:
    """See whether the times of rows sort as text, as SQLite compares them.

    Args:
        key: The column of the times.
        id_: The column whose value names a row.
        keys: The times as they are stored.
        ids: Those of the same rows.

    Raises:
        DataError: Names the first row whose time does not.
    """
    if not keys or _sort(keys):
        return
    place = next(place for place, stored in enumerate(keys) if not _sort([stored]))
    kind = "text" if isinstance(keys[place], str) else type(keys[place]).__name__
    row = f"the row with {id_.name} {ids[place]}"
    reason = f"column {key} of {row} holds a value of type {kind} that does not sort as a time"
    raise DataError(reason, f"Store times as {SQLITE_FORM}")


def _sort(keys: Sequence[object]) -> bool:
    try:
        return sort_as_text(keys)
    except ValueError:  # the form is right, and there is no such time
        return False
