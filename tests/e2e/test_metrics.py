"""What the metrics of the pair say is what the tap's log and the stream say."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from demo.events import add_events, create_table
from tests.support.pair import Pair
from tests.target.metrics.reading import samples

if TYPE_CHECKING:
    from pathlib import Path

    from tools.servers.nats import NatsServer


@pytest.fixture
def pair(tmp_path: Path, nats_server: NatsServer) -> Pair:
    return Pair(
        tmp_path,
        {"sqlalchemy_url": f"sqlite:///{tmp_path}/events.db", "table": "TXLOG_EVENTS"},
        {
            "servers": nats_server.url,
            "create_stream": "if_missing",
            "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
            "program_name": "PIPELINE",
            "metrics_file": f"{tmp_path}/txlog.prom",
        },
    )


def test_lag_and_lateness_are_those_of_the_tap(
    pair: Pair, tmp_path: Path, nats_server: NatsServer
) -> None:
    engine = create_table(tmp_path / "events.db")
    add_events(engine, first_id=1, count=400)
    pair.run()
    first = samples((tmp_path / "txlog.prom").read_text())
    assert (first["txlog_late_rows_total"], first["txlog_window_seconds"]) == (0, 302)
    assert "txlog_late_seconds_max" not in first

    add_events(engine, first_id=401, count=100, late=20)
    engine.dispose()
    pair.run()
    found = samples((tmp_path / "txlog.prom").read_text())
    *_, late = re.findall(r"done: read=\d+ late=(\d+)", pair.log)
    assert found["txlog_late_rows_total"] == int(late) >= 20
    *_, seconds = re.findall(r"late-committed rows \(up to ([\d.]+) s late\)", pair.log)
    assert 0 <= found["txlog_late_seconds_max"] - float(seconds) <= 1.1  # it is rounded up
    assert 150 < found["txlog_late_margin_seconds_min"] < 302
    assert found["txlog_watermark_lag_seconds{clock}"] == 302
    assert found["txlog_messages_published_total"] == nats_server.messages("TXLOG_STREAM") - 400
    bookmark = json.loads(pair.states[-1])["bookmarks"]["TXLOG_EVENTS"]
    complete = datetime.fromisoformat(bookmark["replication_key_value"]).replace(tzinfo=UTC)
    assert found["txlog_complete_up_to_timestamp_seconds"] == complete.timestamp()
    assert found["txlog_run_success"] == 1
