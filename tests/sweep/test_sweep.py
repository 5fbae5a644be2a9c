"""Whatever is thrown at the plugins, each ends with a code that means something and one line that
says where to look and what to do: no traceback, no hang, no secret, nothing of a row.

Five hundred examples here; ``make fuzz`` runs ten thousand.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import example, given
from hypothesis import strategies as st

from tap_oracle_txlog.tap import TapOracleTxlog
from target_nats_jetstream.decoding import members_of
from target_nats_jetstream.target import TargetNatsJetstream
from tests.support.target import PASSWORD, ROW_CONTENT
from tests.sweep.odd import (
    DEEP_LIST,
    INPUTS,
    RECORD,
    SCALARS,
    SCHEMA,
    changed,
    examples,
    settings_of,
)
from tests.sweep.outcome import Nowhere, Outcome, of_ledger, of_tap, of_target

if TYPE_CHECKING:
    from collections.abc import Mapping


def _properties(plugin: type[TapOracleTxlog | TargetNatsJetstream]) -> dict[str, Any]:
    schema: dict[str, Any] = {"properties": dict(plugin.config_jsonschema["properties"])}
    plugin.append_builtin_config(schema)
    found: dict[str, Any] = schema["properties"]
    return found


INPUT = b"\n".join(json.dumps(message).encode() for message in (SCHEMA, RECORD))
#: Neither a name nor an expression in the maps is a secret: both are shown.
WORDS = SCALARS.filter(lambda value: PASSWORD not in str(value))
MAPS = st.dictionaries(
    st.sampled_from(["S", "*", "OTHER", "__else__", "__x__"]),
    WORDS
    | st.dictionaries(
        st.sampled_from(
            [
                *("ID", "X", "AT", "__else__", "__filter__", "__source__", "__alias__"),
                "__key_properties__",
            ]
        ),
        WORDS | st.sampled_from(["ID", "AT +", "int(AT)", "self.x", "f(ID)", "NO", "S", "1 / 0"]),
        max_size=3,
    ),
    max_size=2,
)


@examples(90)
@given(settings_of(_properties(TargetNatsJetstream)))
@example({"servers": []})
@example({"servers": "nats://a..b:4222"})
@example({"domain": "a b"})
@example({"stream_maps": {"__else__": "x"}})
@example({"flattening_enabled": True, "flattening_max_depth": 10**400})
@example({"log_level": "info"})
def test_odd_settings_of_the_target(config: dict[str, Any]) -> None:
    of_target(config, INPUT).check()


@examples(50)
@given(MAPS, st.sampled_from(["fail", "dead_letter"]))
def test_odd_maps_of_the_target(stream_maps: dict[str, Any], on_error: str) -> None:
    of_target({"stream_maps": stream_maps, "on_error": on_error}, INPUT).check()


def _is_record(line: bytes) -> bool:
    """Whether a line that the target has taken is a RECORD, broken or not."""
    members = members_of(line) or {}
    return members.get("type") == b'"RECORD"'


@examples(120)
@given(
    INPUTS,
    st.sampled_from(["fail", "dead_letter"]),
    st.sampled_from(
        [
            *({}, {"stream_maps": {"S": {"X": "str(ID)"}}}),
            {"flattening_enabled": True, "flattening_max_depth": 1},
            *({"validate_records": False}, {"message_id": "{stream}:{ID}"}),
        ]
    ),
)
def test_odd_messages(lines: list[bytes], on_error: str, config: Mapping[str, Any]) -> None:
    nowhere = Nowhere()
    ended = of_target({**config, "on_error": on_error}, b"\n".join(lines), nowhere).check()
    assert on_error == "dead_letter" or not nowhere.letters
    found = len(nowhere.messages) + len(nowhere.letters)
    assert found <= len(lines) - 1
    if ended.code == 0 and "stream_maps" not in config:
        assert found == sum(map(_is_record, lines))
    for letter, detail in nowhere.letters:
        assert any(letter.payload in line for line in lines)
        assert detail.startswith("line ")


FOLDER = Path(tempfile.gettempdir())
TABLE: dict[str, Any] = {"table": "E", "replication_key": "T", "id_column": "ID"}
STATE = {
    "bookmarks": {
        "E": {
            "replication_key": "T",
            "replication_key_value": "2026-01-01T00:00:00.000000000",
            "position": {"at": "2026-01-01T00:00:00.000000000", "id": 1},
            "emitted": [
                {
                    "since": "2026-01-01T00:00:00.000000000",
                    "before": "2026-01-01T00:00:01.000000000",
                }
            ],
            "table": "E",
            "partitions": [{"context": {"start": "2026", "end": "2027"}}],
            "v": 2,
        }
    }
}


def _read_table(
    columns: str = "ID INTEGER, T DATETIME",
    rows: list[tuple[object, ...]] | None = None,
    config: Mapping[str, Any] | None = None,
    **files: str,
) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.db"
        rows = [(1, "2026-01-01 00:00:00.000000")] if rows is None else rows
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(f"CREATE TABLE E ({columns})")
            connection.executemany(f"INSERT INTO E VALUES ({','.join('?' * len(rows[0]))})", rows)
        return of_tap({**TABLE, "sqlalchemy_url": f"sqlite:///{path}", **(config or {})}, **files)


#: These would reach for other places than the table, or never come to an end.
ELSEWHERE = {"sqlalchemy_url", "poll_interval_seconds", "batch_config", "max_retries"}


@examples(70)
@given(
    settings_of(
        {name: it for name, it in _properties(TapOracleTxlog).items() if name not in ELSEWHERE}
    )
)
@example({"log_level": "Warning"})
def test_odd_settings_of_the_tap(config: dict[str, Any]) -> None:
    _read_table(config=config).check()


@examples(40)
@given(changed(STATE).map(json.dumps) | st.text(max_size=9))
@example('{"bookmarks": 7}')
@example("[" * 9000 + "]" * 9000)
def test_odd_states(state: str) -> None:
    _read_table(state=state).check()


CATALOG = {
    "streams": [
        {
            "tap_stream_id": "E",
            "stream": "E",
            "key_properties": ["ID"],
            "replication_key": "T",
            "replication_method": "INCREMENTAL",
            "schema": {
                "type": "object",
                "properties": {
                    "ID": {"type": ["integer", "null"]},
                    "T": {"type": ["string", "null"], "format": "date-time"},
                },
            },
            "metadata": [
                {"breadcrumb": [], "metadata": {"selected": True}},
                {"breadcrumb": ["properties", "ID"], "metadata": {"inclusion": "automatic"}},
            ],
        }
    ]
}


def _deep_catalog(levels: int) -> str:
    deep: dict[str, Any] = {}
    for _ in range(levels):
        deep = {"properties": {"A": deep}}
    text = json.dumps(CATALOG)
    return text.replace('"T": {', f'"D": {json.dumps(deep)}, "T": {{', 1)


@examples(40)
@given(changed(CATALOG).map(json.dumps) | st.text(max_size=9))
@example(_deep_catalog(100))
@example(_deep_catalog(130))
@example(_deep_catalog(200))
@example(_deep_catalog(400))
@example(json.dumps({"streams": [{**CATALOG["streams"][0], "replication_method": PASSWORD}]}))
def test_odd_catalogs(catalog: str) -> None:
    _read_table(catalog=catalog).check()


KINDS = st.sampled_from(
    ["INTEGER", "TEXT", "BOOLEAN", "REAL", "BLOB", "DATETIME", "NUMERIC", "JSON"]
)
STORED = st.sampled_from(
    [None, 0, 1, 2**62, 1.5, "x", "", "1", b"\xff", "2026-01-01 00:00:00.000000"]
) | st.text(max_size=4)


@examples(30)
@given(KINDS, KINDS, st.lists(st.tuples(STORED, STORED), min_size=1, max_size=4))
@example(
    "INTEGER",
    "DATETIME",
    [("abc", "2026-01-01 00:00:00.000000"), (5, "2026-01-01 00:00:00.000000")],
)
@example("BOOLEAN", "DATETIME", [(0, "2026-01-01 00:00:00.000000")])
def test_odd_tables(id_kind: str, key_kind: str, rows: list[tuple[object, object]]) -> None:
    _read_table(f"ID {id_kind}, T {key_kind}", list(rows)).check()


@examples(30)
@given(MAPS.map(lambda maps: {"E" if name == "S" else name: one for name, one in maps.items()}))
def test_odd_maps_of_the_tap(stream_maps: dict[str, Any]) -> None:
    _read_table(config={"stream_maps": stream_maps}).check()


COLUMNS = {
    "LAST_SUCCESSFUL_TIME": st.sampled_from(["2026-01-01 00:00:00.000000", "soon", "2026-13-01"]),
    "LAST_RUN_TIME": st.sampled_from(["2026-01-01 00:00:00.000000", "never", 7]),
    "STATUS": st.sampled_from(["RUNNING", "SUCCESS", "?", 7, ROW_CONTENT]),
    "RECORDS_PROCESSED": st.sampled_from([7, "7", "many", 1.5, -1, 2**62, ROW_CONTENT]),
    "ERROR_MESSAGE": st.just(None),
    "SINGER_STATE": st.sampled_from(
        ["{", "[]", "7", '{"bookmarks": 7}', '{"bookmarks": {"E": {}}}', DEEP_LIST, ROW_CONTENT]
    )
    | changed(STATE).map(json.dumps),
    "STREAM_SEQUENCE": st.sampled_from([0, 7, "x", -1, 1.5]),
    "STATE_SEQUENCES": st.sampled_from(["{", "[]", "{}", "7", '{"x": [[]]}', '{"x": {"y": "z"}}']),
    "CREATED_AT": st.just("2026-01-01 00:00:00.000000"),
    "UPDATED_AT": st.sampled_from(["2026-01-01 00:00:00.000000", "soon"]),
}
ROWS = st.fixed_dictionaries(
    {}, optional={name: st.none() | values for name, values in COLUMNS.items()}
)


def _ledger(path: Path, kind: str, row: Mapping[str, object]) -> str:
    names = ", ".join(f"{name} {kind}" for name in ("PROGRAM_NAME", *row))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE ETL_PRMREC ({names})")
        marks = ",".join("?" * (len(row) + 1))
        connection.execute(f"INSERT INTO ETL_PRMREC VALUES ({marks})", ("P", *row.values()))
    return f"sqlite:///{path}"


@examples(50)
@given(st.sampled_from(["TEXT", "VARCHAR(20)", "BIGINT", "DATETIME", ""]), ROWS)
@example("VARCHAR(20)", {"RECORDS_PROCESSED": "1", "STATUS": "SUCCESS"})
def test_odd_ledgers(kind: str, row: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = _ledger(Path(folder) / "ledger.db", kind, row)
        of_ledger(url, "P").check()
    with tempfile.TemporaryDirectory() as folder:
        url = _ledger(Path(folder) / "ledger.db", kind, row)
        config = {"ledger_url": url, "program_name": "P", "state_from_ledger": True}
        _read_table(config=config).check()
