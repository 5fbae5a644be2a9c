"""What the stand-in takes for a change: arrays of rows, and nothing before COMMIT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import oracledb
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.oracle_stand_in.messages import Bind
    from tools.oracle_stand_in.server import StandIn

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
MERGE = "merge into RESULTS t using (select :id as ID, :text as TEXT from dual) s on (t.ID = s.ID)"


@pytest.fixture
def stored(oracle: StandIn) -> dict[object, object]:
    """The table into which the statement merges."""
    table: dict[object, object] = {}

    def merge(row: tuple[Bind, ...]) -> None:
        key, text = (bind.value for bind in row)
        table[key] = text

    oracle.accept(MERGE, merge)
    return table


@pytest.fixture
def connection(oracle: StandIn) -> Iterator[oracledb.Connection]:
    with oracledb.connect(**oracle.login) as connection:
        yield connection


def test_an_array_of_rows_is_there_at_commit_and_not_before(
    connection: oracledb.Connection, stored: dict[object, object]
) -> None:
    rows: list[dict[str, Any]] = [{"id": n, "text": "x" * n} for n in (1, 40_000, 2)]
    rows += [{"id": 3, "text": None}, {"id": 1, "text": "again"}]
    with connection.cursor() as cursor:
        cursor.executemany(MERGE, rows)
        assert cursor.rowcount == 5
    assert stored == {}
    connection.commit()
    assert stored == {1: "again", 40_000: "x" * 40_000, 2: "xx", 3: None}


def test_what_is_rolled_back_or_left_never_was(
    oracle: StandIn, connection: oracledb.Connection, stored: dict[object, object]
) -> None:
    connection.cursor().execute(MERGE, id=1, text="a")
    connection.rollback()
    connection.cursor().execute(MERGE, id=2, text="b")
    connection.close()
    with oracledb.connect(**oracle.login) as another:
        another.commit()
    assert stored == {}
