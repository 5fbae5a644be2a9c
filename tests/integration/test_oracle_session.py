"""The Oracle source at its session: what it asks for, what it is refused, and what goes wrong."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tap_oracle_txlog.errors import AccessDeniedError, ConfigurationError, TapError
from tap_oracle_txlog.oracle import connection
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.oracle.source import OracleSource
from tap_oracle_txlog.oracle.transactions import TransactionViews
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING, instant
from tap_oracle_txlog.rules.watermark import NoneOpen, NotReadable, Oldest
from tap_oracle_txlog.source import TXLOG_COLUMNS, PageTooLargeError, SourceLostError
from tools.oracle_stand_in import faults
from tools.oracle_stand_in.events import numbered
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tests.integration.conftest import Open
    from tools.oracle_stand_in.server import StandIn

NANO = "2026-01-02T03:04:05.123456789"


# --- clock, transactions, description ------------------------------------------------------------


def test_the_clock_is_the_database_s(oracle: StandIn, open_source: Open) -> None:
    oracle.database.clock = lambda: NANO
    assert open_source().clock() == NANO


def test_the_oldest_open_transaction_is_told_with_its_holder(
    oracle: StandIn, open_source: Open
) -> None:
    source = open_source()
    assert source.open_transactions() == NoneOpen()
    oracle.database.begin(started="2026-01-01T00:00:02.000000000")
    batch = oracle.database.begin(started="2026-01-01T00:00:01.900000000", user="BATCH")
    assert source.open_transactions() == Oldest(
        instant("2026-01-01T00:00:01.000000000"), "sid 101, user BATCH", batch.xid
    )


def test_without_the_right_to_sessions_the_holder_is_not_told(
    oracle: StandIn, open_source: Open
) -> None:
    oracle.database.hidden.add("GV$SESSION")
    oracle.database.begin(started="2026-01-01T00:00:01.900000000")
    source = open_source()
    told = Oldest(instant("2026-01-01T00:00:01.000000000"), "")
    assert [source.open_transactions(), source.open_transactions()] == [told, told]
    assert [call.error for call in oracle.calls].count(942) == 2  # each refused question once


def test_transactions_of_one_node_alone_are_a_weaker_promise_told_once(
    oracle: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when the connection is lost on the way."""
    oracle.database.hidden |= {"GV$SESSION", "GV$TRANSACTION"}
    views = TransactionViews()
    settings = OracleSettings.from_config(oracle.login)
    for source in (OracleSource(settings, views=views), OracleSource(settings, views=views)):
        assert [source.open_transactions(), source.open_transactions()] == [NoneOpen(), NoneOpen()]
        source.close()
    (warning,) = caplog.messages
    assert "on a cluster, those of other nodes are not seen" in warning
    assert warning.endswith("GRANT SELECT ON SYS.GV_$TRANSACTION TO TAP")


def test_without_any_right_it_says_so_and_never_that_none_is_open(
    oracle: StandIn, open_source: Open
) -> None:
    oracle.database.hidden |= {"GV$TRANSACTION", "V$TRANSACTION"}
    found = open_source().open_transactions()
    assert isinstance(found, NotReadable)
    assert found.right_missing
    assert "TAP may not read V$TRANSACTION" in found.why
    assert found.remedy == "GRANT SELECT ON SYS.GV_$TRANSACTION TO TAP"


def test_on_a_standby_open_transactions_cannot_be_told(oracle: StandIn, open_source: Open) -> None:
    oracle.database.role = "PHYSICAL STANDBY"
    found = open_source().open_transactions()
    assert isinstance(found, NotReadable)
    assert not found.right_missing
    assert "is a physical standby" in found.why


def test_a_transaction_from_the_future_is_not_taken_for_none(
    oracle: StandIn, open_source: Open
) -> None:
    """It was not timed by the clock that is asked."""
    oracle.database.clock = lambda: "2026-06-25T01:10:00.000000000"
    oracle.database.begin(started="2026-06-25T01:50:00.000000000")
    found = open_source().open_transactions()
    assert isinstance(found, NotReadable)
    assert "starts 2400 s in the future" in found.why


def test_the_database_and_the_table_describe_themselves(oracle: StandIn, open_source: Open) -> None:
    source = open_source()
    assert (source.database.version, source.database.role) == ("19.3.0.0.0", "PRIMARY")
    assert [column.name for column in source.described] == [column.name for column in TXLOG_COLUMNS]
    assert source.columns()
    assert len(oracle.executed("introduction")) == 1


def test_the_dba_sees_who_it_is_and_the_session_runs_in_utc(
    oracle: StandIn, open_source: Open
) -> None:
    open_source()
    (setup,) = oracle.executed("session")
    assert "time_zone = '+00:00'" in setup.sql
    assert oracle.session_texts["module"] == "tap-oracle-txlog"
    assert oracle.session_texts["action"] == "SPC.TXLOG_EVENTS"


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_wrong_password_is_tried_once_and_never_shown(oracle: StandIn, open_source: Open) -> None:
    with pytest.raises(AccessDeniedError) as caught:
        open_source(password="wr0ng")
    assert "wr0ng" not in str(caught.value)
    assert "(ORA-01017)" in str(caught.value)
    assert len(oracle.logons) == 1


@pytest.mark.parametrize("code", [12514, 12516, 12528])
def test_a_refusal_of_the_listener_is_worth_another_try(
    oracle: StandIn, open_source: Open, code: int
) -> None:
    oracle.faults.set("connect", faults.refuse(code))
    with pytest.raises(SourceLostError, match=f"ORA-{code}"):
        open_source()
    assert open_source().page(Position.before(BEGINNING), 10).rows == []


def test_silence_after_the_logon_request_ends_with_the_connect_timeout(
    oracle: StandIn, open_source: Open
) -> None:
    oracle.faults.set("logon", faults.silence())
    with pytest.raises(SourceLostError, match=r"nothing within 0\.5 s"):
        open_source(connect_timeout=0.5)


def test_silence_in_the_session_setup_is_a_connection_that_does_not_come(
    oracle: StandIn, open_source: Open
) -> None:
    oracle.faults.set("execute", faults.silence(), statement="session")
    with pytest.raises(SourceLostError, match=r"cannot reach Oracle .*nothing within 0\.3 s"):
        open_source(connect_timeout=0.3, call_timeout=0.1)


FAULTS: dict[str, tuple[str, faults.Effect, type[Exception]]] = {
    "dropped at execute": ("execute", faults.drop(), SourceLostError),
    "dropped at fetch": ("fetch", faults.drop(), SourceLostError),
    "dropped within a row set": ("fetch", faults.cut(3), SourceLostError),
    "killed": ("fetch", faults.error(28, "your session has been killed"), SourceLostError),
    "end of file": ("fetch", faults.error(3113, "end-of-file"), SourceLostError),
    "snapshot too old": ("fetch", faults.error(1555, "snapshot too old"), PageTooLargeError),
    "silent at execute": ("execute", faults.silence(), PageTooLargeError),
    "silent at fetch": ("fetch", faults.silence(), PageTooLargeError),
    "column gone": ("execute", faults.error(904, "invalid identifier"), ConfigurationError),
    "grant gone": ("execute", faults.error(942, "does not exist"), AccessDeniedError),
    "unknown": ("execute", faults.error(6502, "numeric or value error"), TapError),
}


@pytest.mark.parametrize(("at", "effect", "kind"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_a_page_is_told_by_what_can_be_done_about_it(
    oracle: StandIn, open_source: Open, at: str, effect: faults.Effect, kind: type[Exception]
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(100, numbered)
    source = open_source(array_size=10, call_timeout=0.3)
    oracle.faults.set(at, effect, statement="page")
    with pytest.raises(kind) as caught:
        source.page(Position.before(BEGINNING), 100)
    assert isinstance(caught.value, kind)
    assert oracle.password not in str(caught.value)
    again = open_source() if kind is SourceLostError else source
    assert len(again.page(Position.before(BEGINNING), 100).rows) == 100


def test_silence_where_no_smaller_page_would_help_ends_the_connection(
    oracle: StandIn, open_source: Open
) -> None:
    source = open_source(call_timeout=0.2)
    oracle.faults.set("execute", faults.silence(), statement="clock")
    with pytest.raises(SourceLostError, match="longer than `call_timeout`"):
        source.clock()


def test_a_table_that_cannot_be_seen_says_which_grant_is_missing(
    oracle: StandIn, open_source: Open
) -> None:
    oracle.database.hidden.add("SPC.TXLOG_EVENTS")
    with pytest.raises(AccessDeniedError, match=r"GRANT SELECT ON SPC\.TXLOG_EVENTS TO TAP"):
        open_source().page(Position.before(BEGINNING), 10)


def test_closing_a_lost_connection_is_quiet(oracle: StandIn, open_source: Open) -> None:
    source = open_source()
    oracle.drop_sessions()
    source.close()
    source.close()


def test_closing_does_not_wait_for_a_silent_server(
    oracle: StandIn, open_source: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.1)
    source = open_source()
    oracle.faults.set("logoff", faults.silence())
    started = time.monotonic()
    source.close()
    assert time.monotonic() - started < 2


def test_a_connection_that_comes_too_late_is_closed_again(
    oracle: StandIn, open_source: Open
) -> None:
    oracle.faults.set("logon", faults.slow(0.5))
    with pytest.raises(SourceLostError):
        open_source(connect_timeout=0.2)
    wait_until(lambda: oracle.round_trips()["logoff"] == 1, what="the log-off of the late session")
