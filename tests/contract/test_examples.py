"""examples/results-back: its settings, table and queries name the same things."""

from __future__ import annotations

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "examples/results-back"
TABLE = (FOLDER / "results.sql").read_text()
COLUMNS = set(re.findall(r"^ {4}([A-Z_]+) +(?:VARCHAR2|NUMBER|CLOB)", TABLE, re.MULTILINE))
#: What nats-sinks 0.4.3 writes (its OracleColumnMapping).
WRITTEN = {
    *("STREAM_NAME", "STREAM_SEQUENCE", "SUBJECT", "MESSAGE_ID", "PRIORITY", "CLASSIFICATION"),
    *("LABELS", "MESSAGE_CREATED_AT_EPOCH_NS", "JETSTREAM_TIMESTAMP_EPOCH_NS"),
    *("RECEIVED_AT_EPOCH_NS", "STORED_AT_EPOCH_NS", "PAYLOAD_JSON", "HEADERS_JSON"),
    *("METADATA_JSON", "MISSION_METADATA_JSON", "SECURITY_LABELS_JSON"),
}


def test_the_table_has_what_the_sink_writes() -> None:
    sink = json.loads((FOLDER / "sink.json").read_text())["sink"]
    assert f"CREATE TABLE {sink['table']} (" in TABLE
    assert WRITTEN == COLUMNS
    assert re.search(r"^ {4}MESSAGE_ID .*PRIMARY KEY", TABLE, re.MULTILINE)
    assert sink["idempotency"] == {"strategy": "message_id"}


def test_the_health_queries_name_its_columns() -> None:
    health = (FOLDER / "health.sql").read_text()
    named = set(re.findall(r"\b(?:r\.|MAX\()([A-Z_]+)", health))
    assert named
    assert named <= COLUMNS
