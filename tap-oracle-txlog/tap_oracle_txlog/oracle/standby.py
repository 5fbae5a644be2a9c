"""The clock of a standby: rows of the redo that is not applied yet cannot be seen there.

Data Guard tells how far it is behind, else the SCN that is applied does. Where neither may be read,
the newest row is the only time of which it is certain that it was applied.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tap_oracle_txlog.errors import TapError
from tap_oracle_txlog.oracle import dictionary, session
from tap_oracle_txlog.rules.timestamps import (
    BEGINNING,
    Instant,
    instant,
    minus,
    parse,
    render_offset,
)

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.oracle.introduction import Moment
    from tap_oracle_txlog.oracle.link import Link
    from tap_oracle_txlog.oracle.statements import Selection

_LAG = re.compile(r"\+(?P<days>\d+) (?P<hours>\d\d):(?P<minutes>\d\d):(?P<seconds>\d\d)")


def applied(link: Link, now: Moment, selection: Selection, zone: ZoneInfo | None) -> Instant:
    """The time of the redo that is applied, never later than it is.

    Args:
        link: To the standby.
        now: Its clock.
        selection: Of the table that is read.
        zone: Of the replication key, None for UTC.
    """
    seconds = _by_lag(link)
    if seconds is None:
        seconds = _by_scn(link)
    if seconds is not None:
        return minus(now.clock, max(seconds, 0))
    ((newest,),) = link.ask(dictionary.newest_key(selection))
    if newest is None:
        return BEGINNING
    at = instant(newest)
    return min(now.clock, at if zone is None else parse(render_offset(at, zone)))


def _by_lag(link: Link) -> float | None:
    """By V$DATAGUARD_STATS: the lag when it was measured, and how long ago that was."""
    try:
        rows = link.ask(session.APPLY_LAG)
    except TapError:
        return None
    for age, lag in rows:
        if parts := _LAG.match(lag or ""):
            days, hours, minutes, seconds = map(int, parts.groups())
            return max(age or 0, 0) + ((days * 24 + hours) * 60 + minutes) * 60 + seconds + 1
    return None


def _by_scn(link: Link) -> float | None:
    try:
        ((seconds,),) = link.ask(session.APPLIED)
    except TapError:
        return None
    return None if seconds is None else float(seconds)
