"""Rows through the real driver: every one, exact, in order; on the stand-in or a real Oracle."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tap_oracle_txlog.errors import AccessDeniedError, DataError
from tap_oracle_txlog.oracle.doctor import examine
from tap_oracle_txlog.oracle.sample import list_tables
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.oracle.types import CONVERSIONS
from tap_oracle_txlog.rules.digests import digest_of
from tap_oracle_txlog.rules.id_ranges import Run
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, END, instant, seconds_between
from tap_oracle_txlog.rules.watermark import NoneOpen, Oldest
from tap_oracle_txlog.settings import OURS, TapSettings
from tests.integration.served import EVENTS
from tests.integration.types_table import NANO, ROWS, TYPES_MD, Row, written
from tools.oracle_stand_in.events import event

if TYPE_CHECKING:
    from tap_oracle_txlog.oracle.source import OracleSource
    from tap_oracle_txlog.rules.timestamps import Instant
    from tests.integration.conftest import Open
    from tests.integration.served import Served
    from tools.oracle_stand_in.server import StandIn

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")


def filled(served: Served, columns: tuple[str, ...], *rows: tuple[Any, ...]) -> str:
    """A new table with these rows; its name."""
    table = served.create(*columns)
    transaction = served.begin()
    transaction.insert(table, *rows)
    transaction.commit()
    return table


def walk(
    source: OracleSource, size: int, *, until: Instant | None = None
) -> list[tuple[Position, dict[str, object]]]:
    """All rows with a key, page by page."""
    after = Position.before(BEGINNING)
    found: list[tuple[Position, dict[str, object]]] = []
    while True:
        page = source.page(after, size, until=until)
        assert len(page.positions) == len(page.rows) <= size
        found += zip(page.positions, (row.record() for row in page.rows), strict=True)
        if len(page.rows) < size:
            return found
        after = page.positions[-1]


def ids(source: OracleSource, size: int, *, until: Instant | None = None) -> list[object]:
    return [position.id for position, _ in walk(source, size, until=until)]


# --- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 300, 1000])
def test_every_row_comes_once_and_in_order_whatever_the_page_size(
    served: Served, open_served: Open, size: int
) -> None:
    """With 300 rows of one instant, smaller and larger than a page."""
    tie = "2026-01-01T00:00:01.500000"
    rows = [
        event(id_, tie if 20 <= id_ < 320 else f"2026-01-01T00:00:0{id_ // 320 * 2}.25")
        for id_ in range(360)
    ]
    table = filled(served, EVENTS, *reversed(rows))
    found = walk(open_served(table=table), size)
    assert [position.id for position, _ in found] == list(range(360))
    assert [row["ID"] for _, row in found] == list(range(360))
    assert all(row["EVENT_TIMESTAMP"] == f"{position.at[:26]}+00:00" for position, row in found)


def test_large_texts_come_inline_and_whole(served: Served, open_served: Open) -> None:
    texts = ["x" * 32_768, "ü€😀" * 20_000, json.dumps({"n": list(range(20_000))}), "", None, "y"]
    rows = (event(id_, NANO[:26], text) for id_, text in enumerate(texts))
    found = walk(open_served(table=filled(served, EVENTS, *rows)), 4)
    assert [row["EVENT_DATA"] for _, row in found] == [text or None for text in texts]


def test_a_row_that_commits_later_is_seen_by_the_next_page_only(
    served: Served, open_served: Open
) -> None:
    times = {id_: event(id_, f"2026-01-01T00:00:0{id_}") for id_ in range(4)}
    table = filled(served, EVENTS, times[1], times[3])
    late = served.begin()
    late.insert(table, times[2])
    source = open_served(table=table)
    assert ids(source, 10) == [1, 3]
    late.commit()
    assert ids(source, 10) == [1, 2, 3]


def test_until_is_an_open_end(served: Served, open_served: Open) -> None:
    rows = (event(id_, f"2026-01-01T00:00:0{id_}") for id_ in range(5))
    source = open_served(table=filled(served, EVENTS, *rows))
    assert ids(source, 2, until=instant("2026-01-01T00:00:03.000000000")) == [0, 1, 2]
    assert ids(source, 2, until=END) == [0, 1, 2, 3, 4]


def test_rows_without_a_key_are_read_by_id(served: Served, open_served: Open) -> None:
    rows = (event(id_, None if id_ % 2 else NANO[:26]) for id_ in range(10))
    source = open_served(table=filled(served, EVENTS, *rows))
    first = source.null_key_page(None, 3)
    assert [position.id for position in first.positions] == [1, 3, 5]
    assert {row.record()["EVENT_TIMESTAMP"] for row in first.rows} == {None}
    assert [position.id for position in source.null_key_page(5, 3).positions] == [7, 9]
    assert ids(source, 3) == [0, 2, 4, 6, 8]


# --- replication keys ----------------------------------------------------------------------------

NANOS = [f"2026-01-02T03:04:05.12345678{digit}" for digit in range(10)]
SECONDS = [f"2026-01-02T03:04:0{digit // 3}" for digit in range(10)]
KEYS = {
    "TIMESTAMP(9)": (NANOS, NANOS),
    "DATE": (SECONDS, [f"{second}.000000000" for second in SECONDS]),
    "TIMESTAMP(0)": (SECONDS, [f"{second}.000000000" for second in SECONDS]),
    "TIMESTAMP(6) WITH TIME ZONE": (
        [f"2026-01-02T{10 + digit:02}:04:05.123456+{digit:02}:00" for digit in range(10)],
        ["2026-01-02T10:04:05.123456000"] * 10,
    ),
    "TIMESTAMP(9) WITH LOCAL TIME ZONE": (NANOS, NANOS),
}
"""By type: what is stored, in order, and the positions of that."""


@pytest.mark.parametrize("key_type", KEYS)
@pytest.mark.parametrize("size", [1, 4, 100])
def test_every_type_of_key_orders_and_resumes_without_loss(
    served: Served, open_served: Open, key_type: str, size: int
) -> None:
    times, positions = KEYS[key_type]
    rows = reversed([(at, id_) for id_, at in enumerate(times)])
    table = filled(served, (f"AT {key_type}", "NO NUMBER NOT NULL"), *rows)
    found = walk(open_served(table=table, replication_key="at", id_column="no"), size)
    in_json = [at if at[-6] == "+" else f"{at}+00:00" for at in times]
    assert found == [
        (Position(instant(at), id_), {"AT": in_json[id_], "NO": id_})
        for id_, at in enumerate(positions)
    ]


@pytest.mark.parametrize("size", [1, 2, 9])
def test_raw_ids_are_hex_text_and_order_rows_of_one_instant(
    served: Served, open_served: Open, size: int
) -> None:
    guids = [bytes.fromhex(text * 4) for text in ("00FFAB12", "7F000001", "9A000000", "A0BC0001")]
    columns = ("EVENT_TIMESTAMP TIMESTAMP(6)", "ID RAW(16) NOT NULL")
    table = filled(served, columns, *((NANO[:26], id_) for id_ in reversed(guids)))
    found = walk(open_served(table=table), size)
    assert [position.id for position, _ in found] == [guid.hex().upper() for guid in guids]
    assert [row["ID"] for _, row in found] == [guid.hex().upper() for guid in guids]


def test_rows_without_a_key_are_read_by_a_raw_id(served: Served, open_served: Open) -> None:
    columns = ("EVENT_TIMESTAMP TIMESTAMP(6)", "ID RAW(16) NOT NULL")
    table = filled(served, columns, *((None, bytes((id_,))) for id_ in range(3)))
    page = open_served(table=table).null_key_page("00", 9)
    assert [position.id for position in page.positions] == ["01", "02"]


def test_text_ids_order_rows_of_one_instant(served: Served, open_served: Open) -> None:
    names = ["A", "B", "a", "b", "é", "😀"]
    columns = ("EVENT_TIMESTAMP TIMESTAMP(6)", "ID VARCHAR2(36) NOT NULL")
    table = filled(served, columns, *((NANO[:26], id_) for id_ in reversed(names)))
    assert ids(open_served(table=table), 2) == names


@pytest.mark.parametrize(
    ("key", "id_"),
    [
        ("DATE", "NUMBER(19)"),
        ("TIMESTAMP(6)", "NUMBER"),
        ("TIMESTAMP(9)", "VARCHAR2(36)"),
        ("TIMESTAMP(6) WITH TIME ZONE", "RAW(16)"),
        ("TIMESTAMP(6) WITH LOCAL TIME ZONE", "NUMBER(19)"),
    ],
)
def test_the_database_adds_up_the_digest_of_rows(
    served: Served, open_served: Open, key: str, id_: str
) -> None:
    offset = "+02:00" if key.endswith("WITH TIME ZONE") and "LOCAL" not in key else ""
    made: dict[str, list[object]] = {"V": list("abcdefgh"), "R": [bytes((n,)) for n in range(8)]}
    ids_ = made.get(id_[0], list(range(8)))
    rows = [(f"2026-01-31T1{n}:00:00{offset}", ids_[n]) for n in range(8)]
    table = filled(served, (f"EVENT_TIMESTAMP {key}", f"ID {id_} NOT NULL"), *rows)
    source = open_served(table=table)
    found = [position for position, _ in walk(source, 100)]
    since, before = found[2].at, found[6].at
    assert source.digest(since, before) == digest_of(found[2:6])
    assert source.digest(BEGINNING, END) == digest_of(found)
    assert source.digest(END, END) == (0, 0)


def test_wall_clock_times_get_the_offset_of_their_zone(served: Served, open_served: Open) -> None:
    rows = event(1, "2026-07-01T12:00:00.5"), event(2, "2026-12-01T12:00:00")
    source = open_served(table=filled(served, EVENTS, *rows), source_timezone="Europe/Vienna")
    found = walk(source, 1)
    assert [position.at for position, _ in found] == [
        "2026-07-01T12:00:00.500000000",
        "2026-12-01T12:00:00.000000000",
    ]
    assert [row["EVENT_TIMESTAMP"] for _, row in found] == [
        "2026-07-01T12:00:00.500000+02:00",
        "2026-12-01T12:00:00.000000+01:00",
    ]
    assert str(source.key_zone) == "Europe/Vienna"


@pytest.mark.parametrize("zone", ["WITH TIME ZONE", "WITH LOCAL TIME ZONE"])
def test_a_zoned_key_runs_in_utc_whatever_the_zone_of_the_source(
    served: Served, open_served: Open, zone: str
) -> None:
    table = served.create("ID NUMBER NOT NULL", f"EVENT_TIMESTAMP TIMESTAMP(6) {zone}")
    assert open_served(table=table, source_timezone="Europe/Vienna").key_zone is None


# --- types ---------------------------------------------------------------------------------------

KEYED = ("ID NUMBER(19) NOT NULL", "EVENT_TIMESTAMP TIMESTAMP(6)")
TYPES = [
    *ROWS,
    Row("CLOB", "x" * 40_000, "x" * 40_000),
    Row("NCLOB", "ü€" * 40_000, "ü€" * 40_000),
    Row("BLOB", bytes(48_000), "A" * 64_000),
    Row("BLOB CHECK (VALUE IS JSON)", b'"' + b"x" * 48_000 + b'"', f'"{"x" * 48_000}"'),
    Row("XMLTYPE", f"<a>{'x' * 40_000}</a>", f"<a>{'x' * 40_000}</a>"),
]


@pytest.mark.parametrize("row", TYPES, ids=[f"{n} {row.declared}" for n, row in enumerate(TYPES)])
def test_each_type_comes_out_exact_and_so_does_its_null(
    served: Served, open_served: Open, row: Row
) -> None:
    stored = (row.stored, None, row.stored)
    rows = ((id_, NANO[:26], value) for id_, value in enumerate(stored))
    table = filled(served, (*KEYED, f"VALUE {row.declared}"), *rows)
    values = [record["VALUE"] for _, record in walk(open_served(table=table), 2)]
    assert values == [row.record, None, row.record]
    assert [type(value) for value in values] == [type(row.record), type(None), type(row.record)]


def test_the_documentation_of_the_types_is_what_these_tests_have_read() -> None:
    assert TYPES_MD.read_text(encoding="utf-8") == written()
    assert {row.column.kind for row in ROWS} == set(CONVERSIONS)


def test_a_time_before_year_1_is_never_one_of_our_era(served: Served, open_served: Open) -> None:
    before = "-4712-01-01T00:00:00"
    columns = ("ID NUMBER NOT NULL", "EVENT_TIMESTAMP TIMESTAMP(6)", "AT DATE")
    table = filled(served, columns, (1, NANO[:26], before), (2, before, NANO[:19]))
    assert [row["AT"] for _, row in walk(open_served(table=table), 5)] == [None]


def test_keys_before_year_1_are_told(
    oracle: StandIn, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].insert(event(1, "-0044-03-15T00:00:00"))
    source = open_source()
    for _ in range(2):
        assert source.page(Position.before(BEGINNING), 10).rows == []
    (warning,) = caplog.messages
    assert warning.startswith("1 rows of SPC.TXLOG_EVENTS have a EVENT_TIMESTAMP before year 1")


def test_a_type_that_nothing_can_read_is_skipped_with_one_warning(
    served: Served, open_served: Open, caplog: pytest.LogCaptureFixture
) -> None:
    table = filled(served, (*KEYED, "NOTE LONG"), (1, NANO[:26], None))
    with caplog.at_level(logging.WARNING):
        source = open_served(table=table)
        assert [column.name for column in source.columns()] == ["ID", "EVENT_TIMESTAMP"]
        assert [list(row) for _, row in walk(source, 10)] == [["ID", "EVENT_TIMESTAMP"]]
    (warning,) = caplog.messages
    assert warning.startswith(f"column NOTE of {table} is skipped: type LONG is not supported")
    assert warning.endswith("set `table` to a view that converts it")


@pytest.mark.parametrize("id_", [None, Decimal("1.5")])
def test_an_id_that_orders_nothing_stops_the_run(
    served: Served, open_served: Open, id_: object
) -> None:
    table = filled(served, ("ID NUMBER", "EVENT_TIMESTAMP TIMESTAMP(6)"), (id_, NANO[:26]))
    with pytest.raises(DataError, match=r"column ID of .* holds"):
        open_served(table=table).page(Position.before(BEGINNING), 10)


# --- clock, transactions, dictionary -------------------------------------------------------------


def test_an_open_transaction_is_seen_from_its_first_change_to_its_end(
    served: Served, open_served: Open
) -> None:
    table = served.create(*EVENTS)
    source = open_served(table=table)
    assert source.open_transactions() == NoneOpen()
    transaction = served.begin()
    transaction.insert(table, event(1, NANO[:26]))
    found = source.open_transactions()
    assert isinstance(found, Oldest)
    assert 0 <= seconds_between(source.clock(), found.at) < 60
    transaction.commit()
    assert source.open_transactions() == NoneOpen()


def test_a_table_that_is_not_there_says_which_grant_is_missing(open_served: Open) -> None:
    with pytest.raises(AccessDeniedError, match=r"GRANT SELECT ON SPC\.NOT_THERE TO "):
        open_served(table="SPC.NOT_THERE").page(Position.before(BEGINNING), 10)


def test_the_doctor_has_an_answer_to_each_of_its_questions(served: Served) -> None:
    table = filled(served, EVENTS, event(1, NANO[:26]), event(2, None))
    defaults = {name: one.get("default") for name, one in OURS.items()}
    config = defaults | served.login | {"table": table}
    how = TapSettings.from_config(config).extraction
    found = {line.check: line.finding for line in examine(OracleSettings.from_config(config), how)}
    assert {name: finding.status for name, finding in found.items()} == {
        "login": "ok",
        "transactions": "ok",
        "table": "ok",
        "columns": "ok",
        "id": "warning",
        "index": "warning",
        "plan": "ok",
        "NULL keys": "warning",
        "zone": "ok",
        "clock": "warning",
        "lateness": "ok",
    }
    assert found["NULL keys"].text.startswith("1 rows have no EVENT_TIMESTAMP")
    assert "days" in found["clock"].text
    assert "at most 0.0 s after EVENT_TIMESTAMP (newest 1 rows)" in found["lateness"].text


def test_what_can_be_read_beside_the_table_is_listed(served: Served, open_served: Open) -> None:
    owner, _, name = served.create(*EVENTS).partition(".")
    tables = list_tables(open_served(), owner)
    assert (owner, name) in [(table["owner"], table["name"]) for table in tables]


# --- late rows -----------------------------------------------------------------------------------


def test_late_count_are_asked_for_without_those_that_are_out(
    served: Served, open_served: Open
) -> None:
    rows = [event(id_, f"2026-01-01T00:00:0{id_ // 10}.5") for id_ in range(60)]
    source = open_served(table=filled(served, EVENTS, *rows))
    known = [Run(0, 20), Run(22, 40, 2), Run(45, 59)]
    after, until = Position.before(BEGINNING), instant("2026-01-01T00:00:05.000000000")
    page = source.page(after, 100, until=until, known=known)
    assert [row.id for row in page.positions] == [21, *range(23, 40, 2), 41, 42, 43, 44]
    rest = source.page(page.positions[3], 3, until=until, known=known)
    assert rest.positions == page.positions[4:7]


def test_keys_are_those_of_the_pages_and_lead_to_the_same_rows(
    served: Served, open_served: Open
) -> None:
    rows = [event(id_, f"2026-01-01T00:00:0{id_ // 10}.5") for id_ in range(60)]
    source = open_served(table=filled(served, EVENTS, *rows))
    found = walk(source, 7)
    positions = [position for position, _ in found]
    assert list(source.keys(Position.before(BEGINNING), 100)) == positions
    assert list(source.keys(positions[9], 5)) == positions[10:15]
    wanted = [positions[place] for place in (3, 17, 17, 40)]
    page = source.rows_at([*wanted, Position(END, 7)])
    assert [row.record() for row in page.rows] == [found[place][1] for place in (3, 17, 40)]
    assert source.null_keys(10) == 0
