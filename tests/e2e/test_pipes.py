"""Each half of the pair works with foreign plugins, as a plain pipe."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from demo.events import add_events, create_table, rows_in_order
from tests.support.pair import BIN

if TYPE_CHECKING:
    from tools.servers.nats import NatsServer

TARGET_JSONL = Path(__file__).parents[2] / ".venv-target-jsonl" / "bin" / "target-jsonl"

FOREIGN = """
{"type": "SCHEMA", "stream": "users", "schema": {"type": "object", "properties": {"id": {"type": "integer"}}}, "key_properties": ["id"]}
{"type": "SCHEMA", "stream": "visits", "schema": {"properties": {"at": {"type": "string"}}}, "key_properties": []}
{"type": "RECORD", "stream": "users", "record": {"id": 1}}
{"type": "RECORD", "stream": "visits", "record": {"at": "now"}}
{"type": "STATE", "value": {"bookmarks": {"users": 1}}}
{"type": "SCHEMA", "stream": "users", "schema": {"type": "object", "properties": {"id": {"type": "integer"}}}, "key_properties": ["id"]}
{"type": "RECORD", "stream": "users", "record": {"id": 2}, "time_extracted": "2026-01-01T00:00:00Z"}
{"type": "STATE", "value": {"bookmarks": {"users": 2}}}
""".lstrip()  # noqa: E501 - as a foreign tap writes them


def test_a_foreign_target_takes_what_our_tap_gives(tmp_path: Path) -> None:
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=200)
    config = {"sqlalchemy_url": f"sqlite:///{tmp_path}/events.db", "table": "TXLOG_EVENTS"}
    (tmp_path / "tap.json").write_text(json.dumps(config))
    (tmp_path / "target.json").write_text(json.dumps({"destination_path": str(tmp_path)}))
    tap = subprocess.run(
        [str(BIN / "tap-oracle-txlog"), "--config", "tap.json"],
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
        check=True,
    )
    subprocess.run(
        [str(TARGET_JSONL), "--config", "target.json"],
        cwd=tmp_path,
        input=tap.stdout,
        capture_output=True,
        timeout=300,
        check=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    (written,) = tmp_path.glob("TXLOG_EVENTS*.jsonl")
    assert list(map(json.loads, written.read_text().splitlines())) == rows_in_order(engine)
    engine.dispose()


def test_our_target_takes_what_a_foreign_tap_gives(tmp_path: Path, nats_server: NatsServer) -> None:
    config = {"servers": nats_server.url, "create_stream": "if_missing", "subject": "in.{stream}"}
    (tmp_path / "target.json").write_text(json.dumps(config))
    done = subprocess.run(
        [str(BIN / "target-nats-jetstream"), "--config", "target.json"],
        cwd=tmp_path,
        input=FOREIGN,
        text=True,
        capture_output=True,
        timeout=300,
        check=True,
    )
    stored = nats_server.read_stream("TXLOG_STREAM")
    assert sorted(message.subject for message in stored) == ["in.users", "in.users", "in.visits"]
    assert json.loads(done.stdout.splitlines()[-1]) == {"bookmarks": {"users": 2}}
