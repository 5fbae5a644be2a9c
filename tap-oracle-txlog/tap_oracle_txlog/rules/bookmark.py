"""The written form of a table's progress: what a state may say, and what is refused.

The form is for people as well: the time up to which all is out, the ids beyond it as ranges, when
the last pass was. A bookmark that cannot be trusted is an error with a remedy, never a fresh start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from tap_oracle_txlog.errors import DataError
from tap_oracle_txlog.rules.late_count import Late  # noqa: TC001  # msgspec reads the annotation
from tap_oracle_txlog.rules.watermark import LastPass  # noqa: TC001  # msgspec reads the annotation

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 2

_RESET: Final = "restore the state from a backup, or remove it and set start_date"


class Place(msgspec.Struct):
    """A position as it is written."""

    at: str
    id: int | str | None


class Stretch(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Rows that are out and may be looked at again: a stretch of time, their ids, and checks.

    ``ids`` are ranges of integers, ``others`` ids that are none. ``checks`` are of id and time of
    each row, ``total`` is their sum.
    """

    since: str
    before: str
    ids: str = ""
    others: str = ""
    total: str = ""
    checks: str = ""


class Beyond(msgspec.Struct, omit_defaults=True):
    """Ids of rows that are out although their time is later than the frontier."""

    ids: str = ""
    others: str = ""


class Bookmark(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One table's member of the state; the SDK writes only the first two of these.

    No row with a time up to ``replication_key_value`` (included) is missing, which is the instant
    before ``complete_before``: where it is another one, somebody has changed it by hand. Reading
    goes on behind ``position``; the newest row that is out stands at ``frontier``, where that is
    another place. What lies between the two and is out, ``emitted`` says, from ``remembered`` on.
    ``reach`` is how far back rows are looked for when the database's clock goes back. ``came_late``
    is for a target's metrics; earlier builds wrote a number named ``late``, which is let be.
    In version 1 it was ranges of ids, of rows anywhere behind ``position``.
    """

    replication_key: str
    replication_key_value: str
    complete_before: str | None = None
    position: Place | None = None
    frontier: Place | None = None
    remembered: Place | None = None
    reach: Place | None = None
    emitted: str | list[Stretch] = []
    beyond: Beyond | None = None
    null_ids: str | Beyond = ""
    last_pass: LastPass | None = None
    clocks: LastPass | None = None
    came_late: Late | None = None
    table: str
    v: int


def read(written: Mapping[str, object], *, replication_key: str, table: str) -> Bookmark:
    """Check that the bookmark is of this key, of this table, and of a version that is known.

    Raises:
        DataError: It is not, or it is damaged.
    """
    wanted = {"replication_key": replication_key, "table": table, "v": VERSION}
    try:
        bookmark = msgspec.convert({**wanted, **written}, Bookmark)
    except msgspec.ValidationError as cause:
        raise damaged(table, cause) from cause
    for member in ("replication_key", "table"):
        found = getattr(bookmark, member)
        if found != wanted[member]:
            reason = (
                f"cannot use the bookmark of {table}: its {member} is {found}, not {wanted[member]}"
            )
            raise DataError(reason, f"Set {member} back to {found}, or {_RESET}")
    if bookmark.v > VERSION:
        reason = (
            f"cannot use the bookmark of {table}: its version {bookmark.v} is not known to this "
            "release"
        )
        raise DataError(reason, f"Update tap-oracle-txlog, or {_RESET}")
    return bookmark


def damaged(table: str, cause: Exception) -> DataError:
    """The error for a bookmark whose members have the right types and wrong contents."""
    return DataError(f"cannot use the bookmark of {table}: {cause}", _RESET.capitalize())
