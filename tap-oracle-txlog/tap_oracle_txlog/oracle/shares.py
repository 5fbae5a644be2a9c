"""How the rows of an Oracle table are spread over time: by a sample of an index, and by partitions.

A sample reads blocks by a fast full scan, of the index on the replication key where there is one:
many blocks in one read, in no order, and no row of the table. Only the sampled keys are sorted. Of
a large table a part of the blocks is read. ``SAMPLE`` stands there only for tables that have
statistics, and no view has any; Oracle would refuse it for many views.
"""
# ruff: noqa: S608 -- names are validated and quoted, values are bound: what S608 asks for is done here

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle import dictionary
from tap_oracle_txlog.oracle.statements import Statement, column
from tap_oracle_txlog.rules.shares import Partition, is_enough, sample_of
from tap_oracle_txlog.rules.timestamps import Instant, parse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.oracle.link import Link
    from tap_oracle_txlog.oracle.statements import Selection
    from tap_oracle_txlog.rules.shares import Sample

_BOUND = re.compile(r"'\s*(\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d(?:\.\d+)?(?: ?[+-]\d\d:\d\d)?)?)'")


def shares_statement(
    selection: Selection, start: Instant, end: Instant, count: int, sample: Sample
) -> Statement:
    """The least key of each of ``count`` equal shares of a sample, and how many rows that has."""
    form, key = selection.key_form, column(selection.key)
    percent = "" if sample.percent is None else f" SAMPLE BLOCK ({sample.percent:.6f})"
    text = (
        f"SELECT {form.out.format('MIN(x.K)')}, COUNT(*) FROM (\n"
        f"  SELECT s.K, NTILE({count:d}) OVER (ORDER BY s.K) SHARE_NUMBER FROM (\n"
        f"    SELECT {key} K, ROWNUM R\n"
        f"    FROM {selection.table.quoted}{percent} t\n"
        f"    WHERE {key} >= {form.into.format(':after_key')}"
        f" AND {key} < {form.into.format(':until_key')}) s\n"
        f"  WHERE MOD(s.R, {sample.step:d}) = 0) x\n"
        "GROUP BY x.SHARE_NUMBER\n"
        "ORDER BY x.SHARE_NUMBER"
    )
    return Statement(text, {"after_key": form.text(start), "until_key": form.text(end)})


def shares(
    link: Link, selection: Selection, start: Instant, end: Instant, count: int
) -> Sequence[Instant]:
    """The least key of each share; raises as ``Source``.

    A sample of the whole table may have few rows of a span that is a small part of it. Then the
    sample tells how many rows the span has, and one of the right size is taken.
    """
    found = link.ask(dictionary.row_count(selection.table))
    sample = sample_of(found[0][0] if found else None, count)
    statement = partial(shares_statement, selection, start, end, count)
    rows = link.ask(statement(sample))
    seen = sum(number for _, number in rows)
    if sample != sample_of(None, count) and not is_enough(seen, count):
        rows = link.ask(statement(sample_of(sample.stands_for(seen), count)))
    return [Instant(key) for key, _ in rows]


def partitions(link: Link, selection: Selection, zone: ZoneInfo | None) -> Sequence[Partition]:
    """The partitions, with bounds in the clock of the replication key; raises as ``Source``.

    Raises:
        ConfigurationError: The table is not partitioned by ranges of the key.
    """
    rows = link.ask(dictionary.partitions(selection.table, selection.key))
    if not rows:
        reason = f"{selection.table.label} is not partitioned by ranges of {selection.key}"
        raise ConfigurationError(reason, "Plan --by rows or --by time")
    return [Partition(bound_of(text, zone), count) for text, count in rows]


def bound_of(text: str, zone: ZoneInfo | None) -> Instant | None:
    """The time in a bound as Oracle writes it: ``TIMESTAMP' 2026-01-01 00:00:00'``, or a
    ``TO_DATE`` of such a text; None for MAXVALUE.
    """
    match = _BOUND.search(text)
    return None if match is None else parse(match[1], zone)
