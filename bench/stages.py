"""What each stage costs of one row, in one process that does nothing else: microseconds of CPU.

    python -m bench.stages [--rows N] [--rounds R]

The stages are called as the tap and the target call them, page by page and run by run, on the rows
of ``bench.table``; the least of R rounds counts. In a pipe the same work costs more, because tap,
target and nats-server share caches and cores: ``make bench`` measures that.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bench import results
from bench.table import NAME, fill
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING
from tap_oracle_txlog.sqlalchemy.source import SqlAlchemySource
from tap_oracle_txlog.writer import SingerWriter
from target_nats_jetstream.__main__ import UNCOLLECTED
from target_nats_jetstream.decoding import Envelope, decode
from target_nats_jetstream.publisher.intake import Intake
from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
from target_nats_jetstream.publisher.jetstream.wire import hpub, pipeline_line
from target_nats_jetstream.publisher.limits import Limits
from target_nats_jetstream.sink import JetStreamSink
from target_nats_jetstream.target import TargetNatsJetstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_oracle_txlog.source import Page
    from target_nats_jetstream.message import Message

PAGE, RUN = 10_000, 500
WHOSE = pipeline_line("M_INTIMECASEAGENT")
PROPERTIES = {
    "ID": {"type": "integer"},
    **{
        name: {"type": ["string", "null"]}
        for name in ("CASE_ID", "EVENT_TYPE", "EVENT_DATA", "EVENT_TIMESTAMP", "CREATED_AT")
    },
}
SCHEMA = {
    "type": "SCHEMA",
    "stream": NAME,
    "schema": {"type": "object", "properties": PROPERTIES},
    "key_properties": ["ID"],
    "bookmark_properties": ["EVENT_TIMESTAMP"],
}
INFO = StreamInfo(
    stream="BENCH",
    subjects=("txlog.events",),
    version=(2, 15, 1),
    max_payload=1 << 20,
    max_msg_size=-1,
    max_msgs=-1,
    max_msgs_per_subject=-1,
    max_bytes=-1,
    max_age=0,
    replicas=1,
    storage="file",
    discard="old",
    retention="limits",
    transformed=False,
    allow_atomic=True,
    allow_batched=True,
    duplicate_window=120,
    messages=0,
    first_seq=0,
    last_seq=0,
)


class Stages:
    """The stages of tap and target on the same rows; each prepares what the next one needs."""

    def __init__(self, table: Path) -> None:
        self._source = SqlAlchemySource(
            f"sqlite:///{table}", table=NAME, replication_key="EVENT_TIMESTAMP", id_column="ID"
        )
        self.pages = list(self._read())
        writer, self.lines = SingerWriter(), list[bytes]()
        read_end, write_end = os.pipe()
        for page in self.pages:
            with _stdout(write_end):
                for start in range(0, len(page.rows), 100):
                    writer.write_records(NAME, page.rows[start : start + 100])
                    writer.flush()
                    self.lines += os.read(read_end, 1 << 20).splitlines()
        self.target = TargetNatsJetstream(config={})
        self.target._process_schema_message(SCHEMA)
        sink = self.target.get_sink(NAME)
        assert isinstance(sink, JetStreamSink)
        self.sink = sink
        self.builder = self.target.message_builder(NAME, {"properties": PROPERTIES}, ["ID"])
        self.open = msgspec.json.Decoder(Envelope).decode
        self.runs = [self._records(run) for run in _runs(self.lines)]
        self.records = [list(map(decode, run)) for run in self.runs]
        self.messages = [self.builder.build(*both) for both in self._both()]

    def _read(self) -> Iterator[Page]:
        after = Position.before(BEGINNING)
        while (page := self._source.page(after, PAGE)).rows:
            yield page
            after = page.positions[-1]

    def _records(self, lines: Sequence[bytes]) -> list[bytes]:
        return [bytes(envelope.record) for envelope in map(self.open, lines)]

    def _both(self) -> Iterator[tuple[Any, Any]]:
        return zip(self.records, self.runs, strict=True)

    def all(self) -> dict[str, Callable[[], object]]:
        """What is measured, in the order of a row's way."""
        valid = self.sink._is_valid
        return {
            "tap: read a page from SQLite": lambda: list(self._read()),
            "tap: encode and write it": self._write,
            "target: open the envelope": lambda: [self._records(run) for run in _runs(self.lines)],
            "target: decode the record": lambda: [list(map(decode, run)) for run in self.runs],
            "target: validate it": lambda: [all(map(valid, run)) for run in self.records],
            "target: message, ids included": lambda: [
                self.builder.build(*both) for both in self._both()
            ],
            "publisher: take in": self._take_in,
            "publisher: put on the wire": lambda: [
                b"".join(chain.from_iterable(hpub(message, whose=WHOSE) for message in run))
                for run in self.messages
            ],
        }

    def _write(self) -> None:
        writer = SingerWriter()
        with Path(os.devnull).open("wb") as nowhere, _stdout(nowhere.fileno()):
            for page in self.pages:
                writer.write_records(NAME, page.rows)
            writer.flush()

    def _take_in(self) -> None:
        intake, limits = Intake("P", allow_dead_letters=False, on_change=lambda: None), Limits(INFO)
        runs: Sequence[Sequence[Message]] = self.messages
        intake.queue.extend((run, None) for run in runs)
        intake.take(limits)


def _runs(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (lines[start : start + RUN] for start in range(0, len(lines), RUN))


@contextmanager
def _stdout(fd: int) -> Iterator[None]:
    """Let what is written to stdout go to ``fd``."""
    kept = os.dup(sys.stdout.fileno())
    sys.stdout.flush()
    os.dup2(fd, sys.stdout.fileno())
    try:
        yield
    finally:
        os.dup2(kept, sys.stdout.fileno())
        os.close(kept)


def least(stage: Callable[[], object], rounds: int) -> float:
    """Seconds of CPU of the quickest round."""
    seconds = []
    for _ in range(rounds):
        begun = time.process_time()
        stage()
        seconds.append(time.process_time() - begun)
    return min(seconds)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.stages", description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    facts = results.begin()
    gc.set_threshold(UNCOLLECTED)  # as both commands do
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        table = Path(folder) / "events.db"
        fill(table, arguments.rows)
        stages = Stages(table).all()
        figures = {
            name: least(stage, arguments.rounds) / arguments.rows * 1e6
            for name, stage in stages.items()
        }
    print("\nmicroseconds of CPU for a row, at least")
    for name, microseconds in figures.items():
        print(f"{name:32} {microseconds:6.2f}")
    results.keep("stages", {"machine": facts, "microseconds": figures})
    return 0


if __name__ == "__main__":
    sys.exit(main())
