"""The poll loop that the pair replaces, as its design describes it, in its kindest form.

    python -m bench.v7 TABLE.db SERVERS SUBJECT LEDGER.db

One cycle: the stored time, the rows since then, each a JSON text with a random ``trace_id``,
published by ``asyncio.gather`` in batches of 100 (its default), then the time stored. The rows come
from one ordered query whose cursor is read in pages, and the time is that of the last row: what its
own query and clock lose is the matter of ``bench.simulate``, not of this comparison.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import nats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nats.js import JetStreamContext

PROGRAM = "M_INTIMECASEAGENT"
PAGE, BATCH = 10_000, 100
TRACKING = """
CREATE TABLE IF NOT EXISTS ETL_PRMREC (
    PROGRAM_NAME VARCHAR(100) PRIMARY KEY,
    LAST_SUCCESSFUL_TIME DATETIME,
    STATUS VARCHAR(50),
    RECORDS_PROCESSED INT
)"""


def message(row: dict[str, Any]) -> bytes:
    event = {**row, "trace_id": str(uuid.uuid4()), "data_type": "TXLOG"}
    return json.dumps(event, default=str).encode()


async def publish(js: JetStreamContext, subject: str, rows: Sequence[dict[str, Any]]) -> None:
    payloads = [message(row) for row in rows]
    for start in range(0, len(payloads), BATCH):
        batch = payloads[start : start + BATCH]
        await asyncio.gather(*(js.publish(subject, payload) for payload in batch))


async def poll_and_publish(table: str, servers: str, subject: str, ledger: str) -> None:
    with closing(sqlite3.connect(table)) as source, closing(sqlite3.connect(ledger)) as tracking:
        tracking.execute(TRACKING)
        known = "SELECT LAST_SUCCESSFUL_TIME FROM ETL_PRMREC WHERE PROGRAM_NAME = ?"
        since = (tracking.execute(known, (PROGRAM,)).fetchone() or ("",))[0]
        source.row_factory = sqlite3.Row
        rows = source.execute(
            "SELECT * FROM TXLOG_EVENTS WHERE EVENT_TIMESTAMP > ? ORDER BY EVENT_TIMESTAMP, ID",
            (since,),
        )
        client = await nats.connect(servers)
        js = client.jetstream(timeout=30)
        count = 0
        while page := [dict(row) for row in rows.fetchmany(PAGE)]:
            await publish(js, subject, page)
            count, since = count + len(page), page[-1]["EVENT_TIMESTAMP"]
        tracked = (PROGRAM, since, "SUCCESS", count)
        tracking.execute("INSERT OR REPLACE INTO ETL_PRMREC VALUES (?, ?, ?, ?)", tracked)
        tracking.commit()
        await client.close()


if __name__ == "__main__":
    asyncio.run(poll_and_publish(*sys.argv[1:]))
