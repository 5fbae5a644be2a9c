"""SQLAlchemy's own dialect on the stand-in: what an engine sends, and what it gets."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.oracle_stand_in.server import StandIn

EVENTS = sa.table(
    "txlog_events",
    sa.column("id", sa.Integer),
    sa.column("event_data", sa.Text),
    sa.column("event_timestamp", sa.TIMESTAMP),
    schema="spc",
)


@pytest.fixture
def engine(oracle: StandIn) -> Iterator[sa.Engine]:
    engine = sa.create_engine(
        "oracle+oracledb://@",
        connect_args={"user": oracle.user, "password": oracle.password, "dsn": oracle.dsn},
        pool_pre_ping=True,
    )
    yield engine
    engine.dispose()


def test_an_engine_connects_asks_its_questions_and_logs_off(
    oracle: StandIn, engine: sa.Engine
) -> None:
    with engine.connect() as connection:
        assert connection.dialect.server_version_info == (19, 3, 0, 0, 0)
        assert connection.dialect.default_schema_name == oracle.user.lower()
        assert connection.default_isolation_level == "READ COMMITTED"
    engine.dispose()
    asked = [call.statement or call.name for call in oracle.calls]
    assert asked[:4] == ["current schema", "transaction id", "decimal", "rollback"]
    assert asked[-1] == "logoff"


def test_a_pooled_connection_is_pinged_before_it_is_used_again(
    oracle: StandIn, engine: sa.Engine
) -> None:
    oracle.answer("select 2 from dual", ["2 NUMBER"], [(2,)])
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.scalar(sa.text("select 2 from dual")) == 2
    sessions = {call.session for call in oracle.calls}
    assert len(sessions) == 1


def test_a_lost_connection_is_replaced_by_the_pool(oracle: StandIn, engine: sa.Engine) -> None:
    oracle.answer("select 2 from dual", ["2 NUMBER"], [(2,)])
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.scalar(sa.text("select 2 from dual")) == 2
        oracle.drop_sessions()
    assert len({call.session for call in oracle.calls}) == 2


def test_core_selects_give_clobs_inline_and_bind_timestamps_as_such(
    oracle: StandIn, engine: sa.Engine
) -> None:
    at = datetime(2026, 1, 1, 12, 0, 0, 654321)  # noqa: DTZ001 - as in the column
    rows = [(1, "x" * 40_000, "2026-01-01T12:00:00.654321000"), (2, None, None)]
    oracle.answer(
        "SELECT spc.txlog_events.id, spc.txlog_events.event_data, spc.txlog_events.event_timestamp"
        " FROM spc.txlog_events WHERE spc.txlog_events.event_timestamp >= :event_timestamp_1",
        ["ID NUMBER(19)", "EVENT_DATA CLOB", "EVENT_TIMESTAMP TIMESTAMP(6)"],
        rows,
    )
    with engine.connect() as connection:
        read = connection.execute(sa.select(EVENTS).where(EVENTS.c.event_timestamp >= at)).all()
    assert [tuple(row) for row in read] == [(1, "x" * 40_000, at), (2, None, None)]
    (call,) = oracle.executed("canned")
    assert call.binds == (("event_timestamp_1", 180, "2026-01-01T12:00:00.654321000"),)
