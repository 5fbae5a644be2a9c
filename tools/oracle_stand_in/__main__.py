"""The stand-in as a process of its own: ``python -m tools.oracle_stand_in --rows 1000000``.

Prints one line of JSON with what a client needs, serves until its standard input is closed, and
prints one more line: the round trips by kind, and what it did not understand.
"""

from __future__ import annotations

import argparse
import json
import sys

from tools.oracle_stand_in.events import numbered, txlog_events
from tools.oracle_stand_in.server import StandIn


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.oracle_stand_in")
    parser.add_argument("--rows", type=int, default=0, help="rows in SPC.TXLOG_EVENTS")
    rows = parser.parse_args().rows
    with StandIn() as oracle:
        oracle.database.create(txlog_events()).generate(rows, numbered)
        facts = ("host", "port", "service_name", "user", "password")
        print(json.dumps({fact: getattr(oracle, fact) for fact in facts}), flush=True)
        sys.stdin.read()
        problems = [*oracle.unmatched, *oracle.trouble]
    print(json.dumps({"round_trips": oracle.round_trips(), "problems": problems}))


if __name__ == "__main__":
    main()
