"""mq-bridge from SQLite to JetStream: ``python bridge.py TABLE.db SERVERS STREAM SUBJECT HOME``.

Run by the interpreter of ``.venv-bench``, which has the bridge and nothing of this project. The
cursor is the id, the integer that it likes best; rows come in the same order as by time here.
"""

from __future__ import annotations

import sys

import mq_bridge

BATCH = 1000


def main(table: str, servers: str, stream: str, subject: str, home: str) -> None:
    source = {
        "url": f"sqlite://{table}",
        "table": "TXLOG_EVENTS",
        "cursor_column": "ID",
        "cursor_id": "bench",
        "checkpoint_store": f"file://{home}/cursor.json",
    }
    route = mq_bridge.Route.from_config(
        {
            "input": {"sqlx": source},
            "output": {"nats": {"url": servers, "stream": stream, "subject": subject}},
            "batch_size": BATCH,
            "exit_on_empty": True,
        }
    )
    route.start()
    route.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
