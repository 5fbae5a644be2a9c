"""BATCH files: every row in exactly one of them, whole, and no STATE that is ahead of them."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import pytest
from singer_sdk import BatchSink, Target
from singer_sdk.helpers._batch import StorageTarget
from typing_extensions import override

from tap_oracle_txlog.batch_files import DEFAULT_ROOT, BatchFiles
from tap_oracle_txlog.row import row_type
from target_nats_jetstream.batch_root import BatchRoot
from tests.support.events import Event, EventTable, stamp
from tests.support.modes import mode_of

if TYPE_CHECKING:
    from tests.tap.command import Run, Tap

COMPRESSIONS = pytest.mark.parametrize("compression", ["gzip", "none"])
RECORDS: list[dict[str, object]] = [{"ID": number, "TEXT": "é\n"} for number in range(7)]
ROWS = [row_type(["ID", "TEXT"])(*record.values()) for record in RECORDS]


def fill(table: EventTable, count: int) -> None:
    table.add(*(Event(number, stamp(number // 3, number), "é\n") for number in range(count)))


def batch_config(folder: Path, compression: str = "gzip", **more: object) -> dict[str, Any]:
    encoding = {"format": "jsonl", "compression": compression}
    return {"encoding": encoding, "storage": {"root": folder.as_uri()}, **more}


def path_of(url: str) -> Path:
    return Path(url.removeprefix("file://"))


def read(path: Path) -> list[dict[str, Any]]:
    content = path.read_bytes()
    text = gzip.decompress(content) if path.name.endswith(".gz") else content
    return [json.loads(line) for line in text.splitlines()]


def rows_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    return [record for url in message["manifest"] for record in read(path_of(url))]


def batches(run: Run) -> list[dict[str, Any]]:
    return [message for message in run.messages if message["type"] == "BATCH"]


def announced(run: Run) -> list[Path]:
    return [path_of(url) for message in batches(run) for url in message["manifest"]]


def is_up_to(row: dict[str, Any], place: dict[str, Any]) -> bool:
    at = row["EVENT_TIMESTAMP"].removesuffix("+00:00") + "000"
    return bool(at < place["at"] or (at == place["at"] and row["ID"] <= (place["id"] or -1)))


@COMPRESSIONS
@pytest.mark.parametrize("batch_size", [3, 4, 25, 100])
def test_files_hold_each_row_once_and_a_state_covers_only_files_before_it(
    tap: Tap, table: EventTable, tmp_path: Path, batch_size: int, compression: str
) -> None:
    fill(table, 25)
    config: dict[str, Any] = {
        "page_size": 4,
        "batch_config": batch_config(tmp_path / "files", compression, batch_size=batch_size),
    }
    run = tap.run(**config)
    assert run.code == 0
    assert run.records == []
    written: list[dict[str, Any]] = []
    for message in run.messages:
        if message["type"] == "BATCH":
            assert message["encoding"] == {"format": "jsonl", "compression": compression}
            assert all(len(read(path_of(url))) <= batch_size for url in message["manifest"])
            written += rows_of(message)
        elif message["type"] == "STATE":
            place = message["value"]["bookmarks"].get("TXLOG_EVENTS", {}).get("position")
            covered = [row for row in table.records() if place and is_up_to(row, place)]
            assert covered == written[: len(covered)]
    assert written == table.records()
    assert run.types[-1] == "STATE"
    assert "BATCH" not in tap.run_from(run.states[-1], **config).types


def test_each_page_is_announced_before_its_state(
    tap: Tap, table: EventTable, tmp_path: Path
) -> None:
    fill(table, 8)
    run = tap.run(page_size=4, batch_config=batch_config(tmp_path / "files"))
    assert run.types == ["STATE", "SCHEMA", "BATCH", "STATE", "BATCH", "STATE"]
    assert run.states[1]["bookmarks"]["TXLOG_EVENTS"]["position"]["id"] == 3


@pytest.mark.parametrize("storage", [None, {"prefix": "p-"}])
def test_without_a_root_files_go_to_the_folder_where_the_target_looks_for_them(
    tap: Tap, table: EventTable, storage: dict[str, str] | None
) -> None:
    fill(table, 4)
    config = {"encoding": {"format": "jsonl", "compression": "none"}}
    run = tap.run(batch_config=config if storage is None else {**config, "storage": storage})
    (path,) = announced(run)
    assert path.parent.name == DEFAULT_ROOT
    assert [path] == list(path.parent.iterdir())


def test_there_is_no_file_but_the_announced_ones_and_no_name_comes_twice(
    tap: Tap, table: EventTable, tmp_path: Path
) -> None:
    fill(table, 9)
    config = batch_config(tmp_path / "files", batch_size=2)
    config["storage"]["prefix"] = "events-"
    found = [path for _ in range(2) for path in announced(tap.run(batch_config=config))]
    assert len(found) == len(set(found)) == 10
    assert set(found) == set((tmp_path / "files").iterdir())
    assert all(path.name.startswith("events-") for path in found)


class KeepingSink(BatchSink):
    """Any target's sink; how it reads files is the SDK's own way."""

    max_size = 1_000
    kept: ClassVar[list[dict[str, Any]]] = []

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        self.kept.extend(context["records"])


class KeepingTarget(Target):
    name = "target-keeping"
    config_jsonschema: ClassVar[dict[str, Any]] = {"properties": {}}
    default_sink_class = KeepingSink


@COMPRESSIONS
@pytest.mark.parametrize("root", ["file://{}/files", "file://{}/a b/%20", "{}/a b/%20", "files"])
def test_a_target_of_the_sdk_reads_them(
    tap: Tap, table: EventTable, tmp_path: Path, compression: str, root: str
) -> None:
    fill(table, 9)
    config = batch_config(tmp_path, compression)
    config["storage"]["root"] = root.format(tmp_path)
    run = tap.run(page_size=4, batch_config=config)
    assert all(tmp_path in path_of(url).parents for one in batches(run) for url in one["manifest"])
    KeepingSink.kept.clear()
    KeepingTarget().listen(io.StringIO(run.stdout.decode()))
    assert KeepingSink.kept == table.records()


# Catalog, stream maps, flattening


def test_columns_that_the_catalog_leaves_out_are_in_no_file(
    tap: Tap, table: EventTable, tmp_path: Path
) -> None:
    fill(table, 4)
    catalog = json.loads(tap.run("--discover").stdout)
    for entry in catalog["streams"][0]["metadata"]:
        entry["metadata"]["selected"] = entry["breadcrumb"] != ["properties", "EVENT_DATA"]
    options = ("--catalog", tap.file("catalog.json", catalog))
    (message,) = batches(tap.run(*options, batch_config=batch_config(tmp_path / "files")))
    kept = [{k: v for k, v in row.items() if k != "EVENT_DATA"} for row in table.records()]
    assert rows_of(message) == kept


def test_a_stream_map_holds_for_files_as_it_does_for_records(
    tap: Tap, table: EventTable, tmp_path: Path
) -> None:
    fill(table, 9)
    rules = {"EVENT_DATA": None, "__filter__": "ID > 5", "__alias__": "renamed", "NEW": "ID * 2"}
    config = {"stream_maps": {"TXLOG_EVENTS": rules, "copy": {"__source__": "TXLOG_EVENTS"}}}
    files = batch_config(tmp_path / "files")
    run, plain = tap.run(**config, batch_config=files), tap.run(**config)
    assert {message["stream"] for message in batches(run)} == {"renamed", "copy"}
    for stream in ("renamed", "copy"):
        found = [row for one in batches(run) if one["stream"] == stream for row in rows_of(one)]
        lines = (one for one in plain.messages if one["type"] == "RECORD")
        assert found == [one["record"] for one in lines if one["stream"] == stream]
    assert tap.run_from(run.states[-1], **config, batch_config=files).types.count("BATCH") == 0


def test_flattened_rows_fit_the_schema_before_them(
    tap: Tap, table: EventTable, tmp_path: Path
) -> None:
    table.execute("CREATE TABLE NESTED (ID INTEGER, AT DATETIME, DOC JSON)")
    table.execute_with("INSERT INTO NESTED VALUES (?, ?, ?)", (1, stamp(1), '{"a":{"b":[1]}}'))
    run = tap.run(
        table="NESTED",
        replication_key="AT",
        flattening_enabled=True,
        flattening_max_depth=3,
        batch_config=batch_config(tmp_path / "files"),
    )
    assert run.schema["schema"]["properties"]["DOC"] == {"type": ["string", "null"]}
    assert [row["DOC"] for message in batches(run) for row in rows_of(message)] == [
        '{"a":{"b":[1]}}'
    ]


# Following and ending


def test_following_writes_a_file_for_what_each_poll_finds(
    tap: Tap, table: EventTable, tmp_path: Path
) -> None:
    fill(table, 3)
    files = batch_config(tmp_path / "files")
    with tap.start(poll_interval_seconds=0.05, batch_config=files) as running:
        running.read_until(b'"BATCH"')
        table.add(Event(99, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f}"))
        running.read_until(b'"BATCH"', 2)
        running.process.send_signal(signal.SIGTERM)
        run = running.rest()
    assert run.code == 143
    assert [[row["ID"] for row in rows_of(one)] for one in batches(run)] == [[0, 1, 2], [99]]


def test_a_signal_leaves_no_file_that_is_not_announced(
    tap: Tap, table: EventTable, tmp_path: Path
) -> None:
    fill(table, 3_000)
    config: dict[str, Any] = {"page_size": 10, "batch_config": batch_config(tmp_path / "files")}
    with tap.start(poll_interval_seconds=1, **config) as running:  # it does not end by itself
        running.read_until(b'"BATCH"', 3)
        running.process.send_signal(signal.SIGTERM)
        run = running.rest()
    assert run.code == 143
    assert set(announced(run)) == set((tmp_path / "files").iterdir())
    rest = tap.run_from(run.states[-1], **config)
    rows = [row for one in (*batches(run), *batches(rest)) for row in rows_of(one)]
    assert rows == table.records()


def files_in(folder: Path, **more: Any) -> BatchFiles:  # noqa: ANN401  # arguments by name
    settings: dict[str, Any] = {"form": "jsonl", "compression": "gzip", "size": 3, **more}
    return BatchFiles(StorageTarget(root=folder.as_uri()), **settings)


def test_files_that_cannot_be_announced_are_removed(tmp_path: Path) -> None:
    def announce() -> None:
        with files_in(tmp_path).holding("T", ROWS) as manifest:
            assert len(manifest) == len(list(tmp_path.iterdir())) == 3
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        announce()
    assert list(tmp_path.iterdir()) == []


def test_files_and_their_folders_are_for_the_user_of_the_tap_alone(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(0o755)
    before = os.umask(0)
    try:
        with files_in(shared / "new" / "folder").holding("T", ROWS) as manifest:
            assert {mode_of(path_of(url)) for url in manifest} == {0o600}
    finally:
        os.umask(before)
    folders = shared, shared / "new", shared / "new" / "folder"
    assert [mode_of(folder) for folder in folders] == [0o755, 0o700, 0o700]


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    names: list[str] = []

    def rows() -> list[dict[str, object]]:
        return [{"ID": Watching(), "TEXT": "x"}]

    class Watching:
        @override
        def __str__(self) -> str:  # it is called in the middle of the file
            names.extend(path.suffix for path in tmp_path.iterdir())
            return ""

    with files_in(tmp_path).holding("T", rows()):
        names.extend(path.suffix for path in tmp_path.iterdir())
    assert names == [".part", ".gz"]


@pytest.mark.parametrize("stream", ["A/B", "../A", "A B", "A%20B#C?", "é"])
def test_the_name_of_a_stream_cannot_lead_elsewhere(tmp_path: Path, stream: str) -> None:
    with files_in(tmp_path).holding(stream, ROWS) as manifest:
        found = [record for url in manifest for record in read(path_of(url))]
    assert found == RECORDS
    assert len(list(tmp_path.iterdir())) == len(manifest)


# Other storage, and what cannot be


def test_other_storage_than_files_is_written_through_the_sdk(
    tap: Tap, table: EventTable, tmp_path: Path
) -> None:
    fill(table, 4)
    config = batch_config(tmp_path)
    config["storage"]["root"] = f"local://{tmp_path}/files"  # a protocol of fsspec like any other
    (message,) = batches(tap.run(batch_config=config))
    (url,) = message["manifest"]
    assert url.startswith("local://")
    assert read(Path(urlsplit(url).path)) == table.records()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoding": {"format": "parquet"}}, "parquet.*jsonl"),
        ({"encoding": {"format": "jsonl", "compression": "zip"}}, r"gzip \| none"),
        ({"batch_size": -1}, "batch_size of -1"),
        ({"encoding": {"format": "jsonl", "level": 9}}, "batch_config.*encoding"),
        ({"storage": {"root": "s3://bucket/events"}}, "batch_config.*s3fs"),
        ({"storage": {"root": "nosuch://x"}}, "batch_config.*nosuch"),
        ({"storage": {"root": "file:///dev/null/x"}}, "batch_config.*[Nn]ot a directory"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_exit_code_2(
    tap: Tap, table: EventTable, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    fill(table, 4)
    config = batch_config(tmp_path / "files") | changes
    run = tap.run(batch_config={name: value for name, value in config.items() if value})
    (said,) = run.logged("ERROR")
    assert run.code == 2
    assert re.search(words, said), said
    assert run.types.count("BATCH") == 0
    assert "Traceback" not in run.stderr


# What a killed run has left, and pages that are not worth a file


@pytest.mark.parametrize("prefix", [None, "a", "sub/a-"])
def test_what_a_killed_run_has_left_goes_at_the_next_start(
    tap: Tap, table: EventTable, tmp_path: Path, prefix: str | None
) -> None:
    fill(table, 3)
    folder = tmp_path / "files"
    name = f"{prefix or ''}tap-oracle-txlog--TXLOG_EVENTS-0.jsonl"
    left, other = folder / name, folder / "other.jsonl"
    left.parent.mkdir(parents=True)
    for path in (left, left.with_name(f"{left.name}.part"), other):
        path.write_text("{}")
    config = batch_config(folder)
    config["storage"]["prefix"] = prefix
    run = tap.run(batch_config=config, clear_batches=True)
    assert {path for path in folder.rglob("*") if path.is_file()} == {other, *announced(run)}
    assert "removed 2 files" in run.stderr


def test_files_that_somebody_still_reads_stay(tap: Tap, table: EventTable, tmp_path: Path) -> None:
    """As target-nats-jetstream does when a tap that has ended is ahead of it."""
    fill(table, 3)
    left = tmp_path / "tap-oracle-txlog--TXLOG_EVENTS-0.jsonl"
    left.write_text("{}")
    reader = BatchRoot(str(tmp_path))
    reader.find(left.as_uri())
    config = {"batch_config": batch_config(tmp_path), "clear_batches": True}
    tap.run(**config)
    assert left.exists()
    reader.close()
    tap.run(**config)
    assert not left.exists()


def test_two_taps_that_share_a_folder_leave_each_other_their_files(tmp_path: Path) -> None:
    files = [
        BatchFiles(StorageTarget(str(tmp_path)), form="jsonl", compression=None, size=100)
        for _ in range(2)
    ]
    with (
        files[0].in_use(clear=True),
        files[0].holding("S", ROWS) as first,
        files[1].in_use(clear=True),
        files[1].holding("S", ROWS) as second,
    ):
        assert all(path_of(url).exists() for url in (*first, *second))


def test_a_page_with_few_rows_is_written_as_records(
    tap: Tap, table: EventTable, tmp_path: Path
) -> None:
    fill(table, 25)
    run = tap.run(batch_config=batch_config(tmp_path), page_size=10, batch_min_rows=10)
    kinds = [message["type"] for message in run.messages if message["type"] != "STATE"]
    assert kinds == ["SCHEMA", "BATCH", "BATCH", *["RECORD"] * 5]
    rows = [row for message in batches(run) for row in rows_of(message)]
    rows += [message["record"] for message in run.messages if message["type"] == "RECORD"]
    assert [row["ID"] for row in rows] == list(range(25))
