"""Any number of pipelines on one subject, each killed again and again while the others write on:
each recognises what it has stored, however much of others came in between, and the ledger adds up.
"""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.target import Target, environment
from tests.target.killing import Tap, run_until_killed
from tests.target.publisher.publishing import BATCHES

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000  # nanoseconds
ROWS, KILLS = 3_000, 10
#: Far less than what the others write between two runs of one.
SETTINGS: dict[str, Any] = {"batch_size": 100, "checkpoint_records": 300, "dedupe_tail": 50}


class Pipeline:
    """One of the writers: its rows, its program name, its ledger."""

    def __init__(self, number: int, first: Target, folder: Path, **settings: object) -> None:
        folder.mkdir()
        config = {"program_name": f"P{number}", "ledger_url": f"sqlite:///{folder}/ledger.db"}
        config["subject"] = f"{first.stream}.EVENTS"
        self.target = replace(first, home=folder, config=config, env=environment(), _running=[])
        self.tap = Tap(ROWS, first=1 + number * ROWS)
        self.settings = {**SETTINGS, **settings}
        self._chance = random.Random(number)

    def work(self) -> None:
        """Ten runs that are killed, and one that comes to its end."""
        printed = ""
        for left in range(KILLS, 0, -1):
            more = (ROWS - len(self.own())) // (left + 2)
            goal = self.target.server.messages(self.target.stream) + self._chance.randint(0, more)
            lines = self.tap.after(printed)
            states = run_until_killed(self.target, lines, goal, self.settings)
            printed = states[-1] if states else printed
        run = self.target.run(*self.tap.after(printed), **self.settings)
        assert run.code == 0, run.log

    def own(self) -> list[dict[str, Any]]:
        """Its records in the stream, in the stream's order."""
        wanted = {record["ID"] for record in self.tap.records}
        return [record for record in self.target.records() if record["ID"] in wanted]


@pytest.mark.parametrize("mode", ["fast", "atomic", "window"])
@pytest.mark.parametrize("writers", [2, 3])
@pytest.mark.timeout(1800)
def test_kills_of_pipelines_that_share_a_subject_lose_and_repeat_nothing(
    target: Target, tmp_path: Path, mode: str, writers: int
) -> None:
    stream = f"{target.stream}.>"
    target.server.add_stream(target.stream, [stream], duplicate_window=SECOND, **BATCHES)
    pipelines = [
        Pipeline(number, target, tmp_path / f"P{number}", publish_mode=mode)
        for number in range(writers)
    ]
    try:
        with ThreadPoolExecutor(writers) as pool:
            list(pool.map(Pipeline.work, pipelines))
    finally:
        for pipeline in pipelines:
            pipeline.target.close()
    assert target.server.messages(target.stream) == writers * ROWS
    for number, pipeline in enumerate(pipelines):
        assert pipeline.own() == pipeline.tap.records
        row = pipeline.target.ledger()[f"P{number}"]
        assert (row["STATUS"], row["RECORDS_PROCESSED"]) == ("SUCCESS", ROWS)
