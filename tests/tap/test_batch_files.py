"""BATCH files: every row in exactly one of them, and no STATE that is ahead of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.events import Event, EventTable, stamp

if TYPE_CHECKING:
    from tests.tap.command import Tap


def rows_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    paths = (Path(unquote(urlsplit(url).path)) for url in message["manifest"])
    return [json.loads(line) for path in paths for line in gzip.open(path)]


@pytest.mark.parametrize("batch_size", [3, 4, 25, 100])
def test_files_hold_each_row_once_and_a_state_covers_only_files_before_it(
    tap: Tap, table: EventTable, tmp_path: Path, batch_size: int
) -> None:
    table.add(*(Event(number, stamp(number // 3, number), "é\n") for number in range(25)))
    config: dict[str, Any] = {
        "page_size": 4,
        "batch_config": {
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": tmp_path.joinpath("files").as_uri()},
            "batch_size": batch_size,
        },
    }
    run = tap.run(**config)
    assert run.code == 0
    assert run.records == []
    written: list[dict[str, Any]] = []
    for message in run.messages:
        if message["type"] == "BATCH":
            written += rows_of(message)
        elif message["type"] == "STATE":
            place = message["value"]["bookmarks"].get("TXLOG_EVENTS", {}).get("position")
            covered = [row for row in table.records() if place and is_up_to(row, place)]
            assert covered == written[: len(covered)]
    assert written == table.records()
    assert run.types[-1] == "STATE"
    assert "BATCH" not in tap.run_from(run.states[-1], **config).types


def is_up_to(row: dict[str, Any], place: dict[str, Any]) -> bool:
    at = row["EVENT_TIMESTAMP"].removesuffix("+00:00") + "000"
    return bool(at < place["at"] or (at == place["at"] and row["ID"] <= (place["id"] or -1)))
