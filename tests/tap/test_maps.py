"""What a stream map cannot do ends the run with one line, and nothing of a row is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_oracle_txlog.stream import EventStream
from tap_oracle_txlog.tap import TapOracleTxlog
from tests.support.events import Event, EventTable, stamp
from tests.support.target import ROW_CONTENT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tap.command import Tap

FAILING = {"TXLOG_EVENTS": {"LENGTH": "int(EVENT_DATA) if ID == 2 else 0"}}


def fill(table: EventTable) -> None:
    table.add(*(Event(number, stamp(number), ROW_CONTENT) for number in (1, 2, 3)))


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
@pytest.mark.parametrize("files", [False, True])
def test_a_row_that_a_map_cannot_take_is_named_by_its_id(
    tap: Tap, table: EventTable, level: str, files: bool
) -> None:
    fill(table)
    storage = {"root": (tap.folder / "files").as_uri()}
    batch = {"encoding": {"format": "jsonl", "compression": "none"}, "storage": storage}
    config = {"batch_config": batch} if files else {}
    run = tap.run(stream_maps=FAILING, log_level=level, **config)
    assert run.code == 5
    (said,) = run.logged("ERROR")
    assert said == (
        "the row of TXLOG_EVENTS with ID 2 cannot be mapped: `stream_maps` fails in field LENGTH: "
        "int(EVENT_DATA) if ID == 2 else 0 (ValueError). Correct `stream_maps`"
    )
    assert ROW_CONTENT not in run.stderr


@pytest.mark.parametrize("files", [False, True])
def test_a_row_that_a_map_takes_is_not_named(
    table: EventTable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
    files: bool,
) -> None:
    fill(table)
    config: dict[str, Any] = {"sqlalchemy_url": table.url, "table": "TXLOG_EVENTS"}
    if files:
        storage = {"root": tmp_path.as_uri()}
        encoding = {"format": "jsonl", "compression": "none"}
        config["batch_config"] = {"encoding": encoding, "storage": storage}
    monkeypatch.setattr(EventStream, "_called", lambda _self, _row: pytest.fail("named"))
    TapOracleTxlog(config={**config, "stream_maps": {"TXLOG_EVENTS": {"ID": "ID"}}}).sync_all()
    kind = b"BATCH" if files else b"RECORD"
    assert b'"type":"' + kind + b'"' in capsysbinary.readouterr().out


MISTAKES: list[dict[str, Any]] = [
    {"TXLOG_EVENTS": {"X": "ID +"}},
    {"TXLOG_EVENTS": {"ID": "__NULL__"}},
    {"TXLOG_EVENTS": {"X": "no_such_function(ID)"}},
    {"TXLOG_EVENTS": {"X": "NO_SUCH_COLUMN"}},
    {"TXLOG_EVENTS": 7},
    {"__else__": "x"},
    {"TXLOG_EVENTS": {"X": "+".join(["ID"] * 3000)}},
]


@pytest.mark.parametrize("stream_maps", MISTAKES, ids=[json.dumps(one)[:40] for one in MISTAKES])
def test_a_mistake_in_the_maps_is_one_of_the_settings(
    tap: Tap, table: EventTable, stream_maps: dict[str, Any]
) -> None:
    fill(table)
    run = tap.run(stream_maps=stream_maps)
    assert run.code == 2
    (said,) = run.logged("ERROR")
    assert said.startswith("setting `stream_maps")


def test_a_column_of_ids_has_an_order(tap: Tap, table: EventTable) -> None:
    table.execute("CREATE TABLE OTHER (ID INTEGER, B BOOLEAN, T DATETIME)")
    rows = [("PLANTED", False, stamp(1)), (5, True, stamp(1))]
    table.execute_with("INSERT INTO OTHER VALUES (?, ?, ?)", *rows)
    config = {"table": "OTHER", "replication_key": "T"}
    run = tap.run(**config, id_column="ID")
    assert (run.code, "PLANTED" in run.stderr) == (5, False)
    assert "cannot read OTHER by T: TypeError" in run.logged("ERROR")[0]
    run = tap.run(**config, id_column="B")
    assert run.code == 2
    assert "column OTHER.B cannot be the `id_column`: it is BOOLEAN" in run.logged("ERROR")[0]
