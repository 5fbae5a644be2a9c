"""The Oracle stand-in with the benchmark's rows: ``python -m bench.stand_in ROWS [SECONDS]``.

``SECONDS`` is how long each answer takes on its way, as if it came from far off. Prints the
settings that lead to it as a line of JSON and serves until its input is closed. It is a process of
its own so that what it costs is not counted. Rows that it has sent once are ready to be sent again:
let the tap read all of them before it is measured.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from bench.table import row
from tools.oracle_stand_in import faults
from tools.oracle_stand_in.events import txlog_events
from tools.oracle_stand_in.server import StandIn

if TYPE_CHECKING:
    from tools.oracle_stand_in.database import Row


def stored(number: int) -> Row:
    """The row as the stand-in keeps it: its times have a T and nine digits."""
    *values, at, created = row(number + 1)
    return (*values, f"{at.replace(' ', 'T')}000", f"{created.replace(' ', 'T')}000")


def main(rows: int, seconds: float = 0) -> None:
    with StandIn() as oracle:
        oracle.keeps_images = True
        made = list(map(stored, range(rows)))
        oracle.database.create(txlog_events()).generate(rows, made.__getitem__)
        for call in ("connect", "logon", "execute", "fetch", "logoff") if seconds else ():
            oracle.faults.set(call, faults.slow(seconds), times=sys.maxsize)
        print(json.dumps(oracle.login), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(float, sys.argv[2:]))
