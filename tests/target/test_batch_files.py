"""Records of BATCH files go the way of all records; the files go when their records are safe."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import signal
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.contrib.batch_encoder_jsonl import JSONLinesBatcher
from singer_sdk.helpers._batch import BatchConfig

from target_nats_jetstream.batch_files import BatchFiles, Bounds
from target_nats_jetstream.errors import DataError
from target_nats_jetstream.lines import CHUNK_BYTES
from tests.support.target import batch, event, schema, state
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.target import Message, Target

ROWS = 2_500


def rows(first: int, last: int) -> list[dict[str, Any]]:
    return [event(number)["record"] for number in range(first, last + 1)]


def write(path: Path, records: Sequence[dict[str, Any]], compression: str = "none") -> str:
    """Write a BATCH file; tells its URL."""
    text = "".join(f"{json.dumps(record)}\n" for record in records).encode()
    path.write_bytes(gzip.compress(text, 1) if compression == "gzip" else text)
    return path.as_uri()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "batches"
    folder.mkdir()
    return folder


def stored_in(root: str) -> dict[str, Any]:
    """The setting `batch_config` that names ``root``."""
    return {"encoding": {"format": "jsonl"}, "storage": {"root": root}}


@pytest.fixture
def target(target: Target, folder: Path) -> Target:
    """One that takes files out of ``folder``."""
    target.config["batch_config"] = stored_in(folder.as_uri())
    return target


@pytest.fixture
def lone_target(lone_target: Target, folder: Path) -> Target:
    """One that takes files out of ``folder``."""
    lone_target.config["batch_config"] = stored_in(folder.as_uri())
    return lone_target


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_records_of_files_and_of_lines_arrive_in_their_order(
    target: Target, folder: Path, compression: str
) -> None:
    urls = [
        write(folder / f"{n}", rows(n * 1000 + 1, n * 1000 + 1000), compression) for n in range(2)
    ]
    run = target.run(
        schema(),
        batch(*urls, compression=compression),
        state(2000),
        *(event(number) for number in range(2001, ROWS + 1)),
        state(ROWS),
    )
    assert run.code == 0
    assert target.ids() == list(range(1, ROWS + 1))
    assert run.states == [json.dumps(state(n)["value"]) for n in (2000, ROWS)]
    assert files_in(folder) == []
    row = target.ledger()["PIPELINE"]
    assert (row["STATUS"], row["RECORDS_PROCESSED"]) == ("SUCCESS", ROWS)


def test_a_file_and_its_lines_make_the_same_messages(target: Target, folder: Path) -> None:
    url = write(folder / "1", rows(1, 50))
    assert target.run(schema(), batch(url), state(50)).code == 0
    again = target.run(schema(), *(event(number) for number in range(1, 51)), state(50))
    assert "read=50 published=0 duplicates=50" in again.logged("INFO")[-1]
    assert target.ids() == list(range(1, 51))


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_what_the_sdk_of_other_taps_writes_is_read(
    target: Target, folder: Path, compression: str
) -> None:
    config = BatchConfig.from_dict(
        {
            "encoding": {"format": "jsonl", "compression": compression},
            "storage": {"root": folder.as_uri(), "prefix": "tap-"},
            "batch_size": 1000,
        }
    )
    batcher = JSONLinesBatcher("tap-x", "EVENTS", config)
    batches = [
        batch(*urls, compression=compression) for urls in batcher.get_batches(iter(rows(1, ROWS)))
    ]
    assert len(batches) == 3
    assert target.run(schema(), *batches, state(ROWS)).code == 0
    assert target.ids() == list(range(1, ROWS + 1))
    assert files_in(folder) == []


def test_files_stay_until_their_records_are_acknowledged(lone_target: Target, folder: Path) -> None:
    running = lone_target.start(max_outage=60)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    lone_target.server.kill()
    running.feed(batch(write(folder / "1", rows(2, 500))), state(500))
    running.until_read()
    running.until_logged("trying again")
    assert files_in(folder) == ["1"]
    lone_target.server.start()
    running.until_states(2)
    running.end_input()
    assert running.end().code == 0
    assert files_in(folder) == []
    assert lone_target.ids() == list(range(1, 501))


def test_a_target_that_is_killed_within_a_file_completes_it_in_the_next_run(
    target: Target, folder: Path
) -> None:
    messages: list[Message] = [schema(), event(1), state(1)]
    running = target.start(batch_size=10)
    running.feed(*messages)
    running.until_states(1)
    running.feed(batch(write(folder / "1", rows(2, 20_000))))
    wait_until(lambda: target.server.messages(target.stream) > 100)
    running.process.kill()
    assert running.killed_or_ended() == -signal.SIGKILL
    run = target.run(schema(), batch(write(folder / "2", rows(2, 20_000))), state(20_000))
    assert run.code == 0
    assert target.ids() == list(range(1, 20_001))
    assert "2" not in files_in(folder)


def test_stream_maps_and_validation_apply_to_files_too(target: Target, folder: Path) -> None:
    url = write(folder / "1", [*rows(1, 3), {"ID": "four", "AT": None, "DATA": None}, *rows(5, 5)])
    maps = {"EVENTS": {"ID": "ID", "DATA": "__NULL__", "__else__": "__NULL__"}}
    run = target.run(
        schema(),
        batch(url),
        state(5),
        stream_maps=maps,
        on_error="dead_letter",
        publish_mode="sync",
    )
    assert run.code == 0, run.log
    assert target.records() == [{"ID": number} for number in (1, 2, 3, 5)]
    assert "dead_letters=1" in run.logged("INFO")[-1]


def test_a_file_that_breaks_off_ends_the_run_after_what_could_be_read(
    target: Target, folder: Path
) -> None:
    whole = write(folder / "1", rows(1, 100), "gzip")
    broken = folder / "2"
    write(broken, rows(101, 5_000), "gzip")
    broken.write_bytes(broken.read_bytes()[:-2_000])
    run = target.run(
        schema(),
        batch(whole, compression="gzip"),
        state(100),
        batch(broken.as_uri(), compression="gzip"),
        state(5_000),
    )
    assert run.code == 5
    assert f"BATCH file {broken} cannot be read: " in run.error
    stored = target.ids()
    assert stored == list(range(1, len(stored) + 1))
    assert 100 <= len(stored) < 5_000
    assert run.states == [json.dumps(state(100)["value"])]
    assert files_in(folder) == ["2"]


def test_what_follows_the_gzip_in_a_file_is_not_shown(target: Target, folder: Path) -> None:
    path = folder / "1"
    path.write_bytes(gzip.compress(b'{"ID": 1}\n') + b"SECRET")
    run = target.run(schema(), batch(path.as_uri(), compression="gzip"))
    assert run.code == 5
    assert f"BATCH file {path} cannot be read: it is not gzip, or not all of it. " in run.error
    assert "'SE'" not in run.log


def test_a_line_that_is_no_record_names_itself(target: Target, folder: Path) -> None:
    path = folder / "1"
    path.write_bytes(json.dumps(rows(1, 1)[0]).encode() + b"\n\n[1, 2]\n")
    run = target.run(schema(), batch(path.as_uri()))
    assert run.code == 5
    assert "record 2 of the BATCH in line 2 is a record of stream EVENTS that" in run.error
    assert "it is not a JSON object" in run.error
    assert target.ids() == [1]


def test_files_can_lie_elsewhere_than_the_tap_says(target: Target, folder: Path) -> None:
    """A volume that both mount, each in another place."""
    write(folder / "1.jsonl", rows(1, 10))
    run = target.run(schema(), batch("file:///mnt/of/the/tap/1.jsonl"))
    assert run.code == 0
    assert target.ids() == list(range(1, 11))


@pytest.mark.parametrize(
    ("root", "remedy"),
    [
        ("s3://bucket", "Install the fsspec package for it"),
        ("nosuch://place", "Check `batch_config.storage`"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_named(target: Target, root: str, remedy: str) -> None:
    run = target.run(schema(), batch(f"{root}/1.jsonl"), batch_config=stored_in(root))
    assert run.code == 2
    assert remedy in run.error


# Files that are none of a tap's

PLANTED = '{"DATA": "PLANTED-ROW-CONTENT"}\n'


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / "private.json"
    path.write_text(PLANTED)
    return path


@pytest.mark.parametrize(
    "url", ["file://{}", "{}", "file://{}/../private.json", "local://{}", "link", "http://{}"]
)
def test_a_file_elsewhere_is_neither_read_nor_removed_nor_shown(
    target: Target, folder: Path, private: Path, url: str
) -> None:
    (folder / "link").symlink_to(private)
    named = f"{folder.as_uri()}/link" if url == "link" else url.format(private)
    good = write(folder / "1", rows(2, 3))
    run = target.run(schema(), event(1), state(1), batch(good, named), state(2))
    assert run.code == 5
    assert re.search("does not lie below|is not a file below", run.error)
    assert private.read_text() == PLANTED
    assert target.ids() == [1]
    assert run.states == [json.dumps(state(1)["value"])]
    assert files_in(folder) == ["1", "link"], "nothing of a BATCH that is refused is removed"


def test_only_what_was_read_whole_is_removed(target: Target, folder: Path) -> None:
    good, bad = write(folder / "1", rows(1, 3)), folder / "2"
    bad.write_text("{}\n" * 3 + "PLANTED-ROW-CONTENT\n")
    assert target.run(schema(), batch(good, bad.as_uri())).code == 5
    assert files_in(folder) == ["1", "2"]


@pytest.mark.parametrize(
    "changes",
    [
        {"manifest": None},
        {"manifest": "file:///x"},
        {"manifest": {"a": 1}},
        {"manifest": [1, None]},
        {"encoding": None},
        {"encoding": "jsonl"},
        {"encoding": {"format": ["jsonl"], "compression": {}}},
        {"encoding": {"format": "jsonl", "compression": {"a": 1}}},
    ],
)
def test_an_odd_batch_is_one_line(target: Target, changes: dict[str, Any]) -> None:
    run = target.run(schema(), event(1), state(1), {**batch(), **changes})
    assert run.code == 5
    assert re.search("BATCH of stream EVENTS (in line 4|that cannot be used)", run.error)
    assert "line 4 " in run.error
    assert run.states == [json.dumps(state(1)["value"])]


# Bounds


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_line_that_has_no_end_ends_the_run_after_what_came_before_it(
    target: Target, folder: Path, compression: str
) -> None:
    """Far more than a run may take: what is read of it has to stop at the limit."""
    path = folder / "1"
    size, head = 1 << 32, json.dumps(rows(2, 2)[0]).encode() + b"\n\n"
    if compression == "gzip":
        with gzip.open(path, "wb", 1) as file:
            file.write(head)
            for _ in range(1 << 8):
                file.write(bytes(1 << 20))
    else:
        path.write_bytes(head)
        os.truncate(path, size)
    running = target.start_on_file(
        schema(),
        event(1),
        state(1),
        batch(path.as_uri(), compression=compression),
        max_line_bytes=1 << 22,
    )
    run = running.end()
    assert run.code == 5
    assert f"line 3 of BATCH file {path} is longer than `max_line_bytes` (4,194,304" in run.error
    assert target.ids() == [1, 2]
    assert files_in(folder) == ["1"]


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_a_file_that_is_too_large_once_unpacked_ends_the_run_and_stays(
    target: Target, folder: Path, compression: str
) -> None:
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows(1, 20_000))
    path = folder / "1"
    path.write_bytes(gzip.compress(lines) if compression == "gzip" else lines)
    announced = batch(path.as_uri(), compression=compression)
    run = target.run(schema(), announced, max_batch_file_bytes=len(lines) - 1)
    assert run.code == 5
    assert (
        f"BATCH file {path} is larger than `max_batch_file_bytes` ({len(lines) - 1:,}" in run.error
    )
    stored = target.ids()
    assert stored == list(range(1, len(stored) + 1))
    assert len(stored) < 20_000
    assert files_in(folder) == ["1"]
    assert target.run(schema(), announced, max_batch_file_bytes=len(lines)).code == 0
    assert target.ids() == list(range(1, 20_001))


@pytest.mark.parametrize("piece", [b"\n", b"{}\n", b" "])
def test_what_is_read_of_a_file_at_a_time_is_bounded(folder: Path, piece: bytes) -> None:
    """A few kilobytes of gzip that are megabytes of blank lines, of short ones or of one line."""
    path, limit = folder / "1", 1 << 20
    path.write_bytes(gzip.compress(piece * ((4 << 20) // len(piece)), 1))
    tracemalloc.start()
    try:
        with pytest.raises(DataError) if piece == b" " else contextlib.nullcontext():
            for run in BatchFiles([path], Bounds(limit, 1 << 30)).runs(lambda: None):
                assert sum(map(len, run)) <= limit + CHUNK_BYTES
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


@pytest.mark.parametrize("maps", [{}, {"EVENTS": {"ID": "ID"}}])
def test_a_signal_within_a_file_ends_the_run_and_leaves_the_file(
    target: Target, folder: Path, maps: dict[str, Any]
) -> None:
    """Its end is a long way off: the run would take minutes to come to it."""
    path = folder / "1"
    line = json.dumps(rows(2, 2)[0]).encode() + b"\n"
    with gzip.open(path, "wb", 1) as packed:
        for _ in range(1000):
            packed.write(line * 2000)
    running = target.start(stream_maps=maps)
    running.feed(schema(), event(1), state(1))
    running.until_states(1)
    running.feed(batch(path.as_uri(), compression="gzip"))
    wait_until(lambda: target.server.messages(target.stream) > 1)
    running.signal(signal.SIGTERM)
    assert running.end().code == 128 + signal.SIGTERM
    assert files_in(folder) == ["1"]


class AskedError(Exception):
    """Raised when it is asked for the third time."""


def test_a_packed_file_that_holds_nothing_is_read_no_further_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "empty.gz"
    path.write_bytes(gzip.compress(b"") * 10_000)
    asked = iter(range(3))

    def check() -> None:
        if next(asked) == 2:
            raise AskedError

    with pytest.raises(AskedError):
        list(BatchFiles([path], Bounds(1 << 20, 1 << 20)).runs(check))


@pytest.mark.parametrize("other", ["rows.jsonl", "link.jsonl"])
def test_a_file_that_is_named_twice_is_read_not_at_all(
    target: Target, folder: Path, other: str
) -> None:
    named = write(folder / "rows.jsonl", rows(1, 3))
    (folder / "link.jsonl").symlink_to("rows.jsonl")
    run = target.run(schema(keys=(), replication_key=None), batch(named, str(folder / other)))
    assert run.code == 5
    assert "in line 2 names the file" in run.error
    assert target.stored() == []
    assert (folder / "rows.jsonl").exists()
