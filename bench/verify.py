"""How fast the messages of a stream are compared with a source.

    python -m bench.verify [--messages N] [--rounds R]

Digests: the stream is read once, and each message added to its bucket. Rows: the records of the
source are read and their ids made, the stream is read, and both are compared. The source is a file
of Singer messages, so no database takes part. The figures are messages per second of this
process's CPU time, because the server shares the machine; elapsed time stands beside them.

Exit code 1 when digests are slower than 80,000 messages per CPU second.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_oracle_txlog.rules.digests import digest_of
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.slices import cut
from tap_oracle_txlog.rules.timestamps import instant
from target_nats_jetstream.target import TargetNatsJetstream
from target_nats_jetstream.verify.verification import Asked
from tools.servers.nats import NatsServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WANTED = 80_000
STREAM = "TXLOG_EVENTS"
DAY = instant("2026-11-22T00:00:00.000000000"), instant("2026-11-23T00:00:00.000000000")
TEXT, INTEGER = {"type": "string"}, {"type": "integer"}


class Result(NamedTuple):
    """One round."""

    seconds: float
    cpu: float


def moment(number: int) -> str:
    """A time of one day: forty rows a second at most."""
    seconds, parts = divmod(number, 40)
    hours, seconds = divmod(seconds, 3600)
    return f"2026-11-22T{hours:02}:{seconds // 60:02}:{seconds % 60:02}.{parts:06}"


def schema(stream: str, key: str, properties: dict[str, Any], at: str) -> dict[str, Any]:
    message = {"type": "SCHEMA", "stream": stream, "key_properties": [key]}
    return message | {"schema": {"properties": properties}, "bookmark_properties": [at]}


def rows(count: int) -> Iterator[dict[str, Any]]:
    columns = {"ID": INTEGER, "EVENT_TIMESTAMP": TEXT, "EVENT_DATA": TEXT}
    yield schema(STREAM, "ID", columns, "EVENT_TIMESTAMP")
    for number in range(count):
        record = {"ID": number, "EVENT_TIMESTAMP": f"{moment(number)}+00:00"}
        record["EVENT_DATA"] = "x" * 250
        yield {"type": "RECORD", "stream": STREAM, "record": record}


def digests(count: int) -> Iterator[dict[str, Any]]:
    name = f"{STREAM}_digests"
    columns = dict.fromkeys(("stream", "since", "before", "digest"), TEXT) | {"rows": INTEGER}
    yield schema(name, "since", columns, "since")
    positions = [Position(instant(f"{moment(n)}000"), n) for n in range(count)]
    for since, before in cut(*DAY, 3600):
        found = digest_of(one for one in positions if since <= one.at < before)
        record = {"stream": STREAM, "since": since, "before": before, "rows": found.rows}
        record["digest"] = str(found.total)
        yield {"type": "RECORD", "stream": name, "record": record}


def compare(config: dict[str, Any], source: Path, expected: str) -> Result:
    printed = io.StringIO()
    before, cpu = time.perf_counter(), time.process_time()
    with source.open() as lines, contextlib.redirect_stdout(printed):
        target = TargetNatsJetstream(config=config)
        code = target.compare(lines, Asked())
    result = Result(time.perf_counter() - before, time.process_time() - cpu)
    assert (code, printed.getvalue().splitlines()[-1].endswith(expected)) == (0, True), printed
    return result


def rate(count: int, results: Sequence[Result]) -> str:
    cpu = statistics.median(count / result.cpu for result in results)
    wall = statistics.median(count / result.seconds for result in results)
    return f"{cpu:9,.0f} per CPU second, {wall:9,.0f} per second"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.verify", description=__doc__.split("\n")[0])
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    count = arguments.messages
    with tempfile.TemporaryDirectory() as home, NatsServer(Path(home)) as server:
        config = {"servers": server.url, "stream": "BENCH", "create_stream": "if_missing"}
        files = {name: Path(home) / name for name in ("rows", "digests")}
        for file, messages in ((files["rows"], rows(count)), (files["digests"], digests(count))):
            file.write_text("".join(f"{json.dumps(message)}\n" for message in messages))
        with files["rows"].open() as lines:
            TargetNatsJetstream(config=config).run(lines)
        print(f"{count:,} messages", flush=True)
        expected = f"{count:,} rows, {count:,} messages: equal"
        found = {
            name: [compare(config, file, expected) for _ in range(arguments.rounds)]
            for name, file in files.items()
        }
    print(f"digests: {rate(count, found['digests'])}\nrows:    {rate(count, found['rows'])}")
    return 0 if statistics.median(count / one.cpu for one in found["digests"]) >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
