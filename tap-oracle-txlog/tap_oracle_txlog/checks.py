"""Checks of the doctor that every source has, and how one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from tap_oracle_txlog.cases import case_schema
from tap_oracle_txlog.diagnosis import Finding, failed, passed, warning
from tap_oracle_txlog.errors import AccessDeniedError, DataError, TapError, place_of
from tap_oracle_txlog.rules.durations import format_duration
from tap_oracle_txlog.rules.time_check import advice
from tap_oracle_txlog.rules.timestamps import instant, seconds_between
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_oracle_txlog.cases import CasesOf
    from tap_oracle_txlog.reading import ExtractionSettings
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.source import Source

NULL_KEYS: Final = 1_000
"""Rows that cannot be read are counted up to here."""
LONG_SECONDS: Final = 86_400
"""A table in which nothing is newer than this is not the one that events are written to."""

Check: TypeAlias = "Callable[[], Finding]"


def made(check: Check, *, fix: Callable[[], str] = str) -> Finding:
    """What the check found, or what became of it.

    Args:
        check: Asks and judges.
        fix: The statement that grants what is missing, where a right is.
    """
    try:
        return check()
    except AccessDeniedError as error:
        return failed(error.reason, error.remedy, type(error), fix())
    except TapError as error:
        return failed(error.reason, error.remedy, type(error))
    except (SourceLostError, PageTooLargeError) as lost:
        return failed(lost.error.reason, lost.error.remedy, type(lost.error))
    except Exception as error:  # noqa: BLE001 - one check must not hide the others
        return failed(f"the check fails: {place_of(error)}", "Report it", TapError)


def null_keys(key: str, count: int, how: ExtractionSettings, early: int = 0) -> Finding:
    """Rows that are in no page, because they have no time, or one that no state can hold."""
    if early:
        return warning(
            f"{_many(early)} have a {key} before year 1 and are not read",
            "Correct them, or set `table` to a view that gives them another time",
        )
    if not count:
        return passed(f"every row has its {key}")
    text = f"{_many(count)} have no {key}"
    match how.null_key:
        case "emit":
            return passed(f"{text}; they are read by their id, as null_key says")
        case "fail":
            return failed(f"{text}, and null_key is fail", "Fill it in", DataError)
        case "warn":
            return warning(f"{text} and are not read", "Set null_key: emit to send them")


def clock(key: str, now: Instant, newest: str | None, skew: float) -> Finding:
    """The newest row beside the database's clock, both as the column tells the time."""
    if newest is None:
        return passed("no row has a time yet")
    behind = seconds_between(now, instant(newest))
    if found := advice(key, behind, skew=skew):
        return warning(*found)
    text = f"{format_duration(max(behind, 0))} ahead of the newest {key}"
    if behind < LONG_SECONDS:
        return passed(text)
    return warning(
        text, "Check `table` and `replication_key`: no row has been written for that long"
    )


def access(index: str | None, columns: Sequence[str], create: str) -> Finding:
    """Whether an index finds the rows that a filter or a case wants.

    Args:
        index: Its name; None where there is none.
        columns: Those that rows are found by.
        create: The statement that makes one.
    """
    named = " or ".join(columns)
    if index is not None:
        return passed(f"the index {index} finds rows by {named}")
    text = f"no index begins with {named}: all rows of the time range are read for those wanted"
    return warning(text, "Create one", create)


def cases(source: Source, cases: CasesOf, key: str) -> Finding:
    """Whether cases can be put together, and whether an index finds their events.

    Raises:
        ConfigurationError: A column is not there, or cannot be what it is to be.
    """
    case_schema(source.columns(), cases, key)
    found = source.access(cases.rows(None))
    assert found is not None  # noqa: S101 - it was asked for a column
    return found


def _many(count: int) -> str:
    return f"{count}{' or more' if count == NULL_KEYS else ''} rows"
