"""A pipeline that is killed at any moment counts each record once.

The model has what a real one has: a source of numbered rows, a stream that knows each message by
its id and tells the sequence under which it lies, a ledger, and a STATE that is saved after the
ledger. A record counts when its message lies behind the newest one that is counted already, whose
sequence is kept beside the state. "Stored now and no duplicate" would not do: it misses what was
stored before a kill and recorded by nobody.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, NamedTuple

from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.settings import LedgerSettings
from tests.target.ledger.places import SqliteFile, progress

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mariadb import MariaDbDatabase
    from tests.target.ledger.places import Place

ROWS = 3000


class Killed(Exception):  # noqa: N818 - what happens to it, not what goes wrong
    """The process is gone; what it had in memory is gone with it."""


class World(NamedTuple):
    """What outlives a process."""

    place: Place
    stream: dict[int, int]  # row number -> sequence
    saved: list[int]  # the STATEs that arrived: how many rows are done


def run(world: World, chance: random.Random, deadliness: float) -> None:
    """One process: resumes at the last STATE, and dies now and then at each of its steps."""

    def survive() -> None:
        if chance.random() < deadliness:
            raise Killed

    ledger = Ledger(LedgerSettings.from_config(world.place.settings))
    try:
        previous = ledger.begin()
        state = previous.singer_state if previous else None
        counted_before = counted = json.loads(state)["sequence"] if state else 0
        position, records = world.saved[-1], 0
        while position < ROWS:
            survive()
            for row in range(position, min(ROWS, position + chance.randint(1, 40))):
                sequence = world.stream.setdefault(row, len(world.stream) + 1)
                records += sequence > counted_before
                counted = max(counted, sequence)
                position = row + 1
            survive()
            ledger.checkpoint(progress(records, state={"position": position, "sequence": counted}))
            survive()
            world.saved.append(position)
        ledger.succeed()
    finally:
        ledger.close()


def killed_and_resumed(place: Place, kills: int) -> int:
    """What the ledger has counted when all rows are through, after so many kills."""
    world, chance = World(place, {}, [0]), random.Random(4711)
    while kills:
        try:
            run(world, chance, deadliness=0.3)
            world.saved[:] = [0]  # somebody starts it from the beginning again: nothing is new
        except Killed:
            kills -= 1
    run(world, chance, deadliness=0)
    assert len(world.stream) == ROWS
    ((counted,),) = place.execute("SELECT RECORDS_PROCESSED FROM ETL_PRMREC")
    return int(counted)


def test_a_pipeline_killed_a_thousand_times_counts_each_record_once(tmp_path: Path) -> None:
    assert killed_and_resumed(SqliteFile(tmp_path / "ledger.db"), kills=1000) == ROWS


def test_it_does_so_in_mariadb(mariadb: MariaDbDatabase) -> None:
    assert killed_and_resumed(mariadb, kills=20) == ROWS
