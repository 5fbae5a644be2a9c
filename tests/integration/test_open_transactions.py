"""What the views of open transactions say, and what is done when they do not."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from tap_oracle_txlog.oracle import source as oracle_source
from tap_oracle_txlog.oracle.settings import OracleSettings
from tap_oracle_txlog.oracle.source import OracleSource
from tap_oracle_txlog.oracle.transactions import ASIDE_SECONDS, TransactionViews
from tap_oracle_txlog.rules.timestamps import instant
from tap_oracle_txlog.rules.watermark import NoneOpen, NotReadable, Oldest
from tap_oracle_txlog.source import SourceLostError
from tools.oracle_stand_in import faults
from tools.oracle_stand_in.events import event

if TYPE_CHECKING:
    from tests.integration.conftest import Open, RunTap
    from tools.oracle_stand_in.server import StandIn

NOON = "2026-01-02T12:00:00"


def at_clock(oracle: StandIn, text: str) -> None:
    oracle.database.clock = lambda: f"{text}.000000000"


def looked(source: OracleSource) -> Any:  # noqa: ANN401 - each of three
    """What a pass finds that begins now."""
    source.clock()
    return source.open_transactions()


# --- what fails, hangs or is refused -------------------------------------------------------------

TROUBLE: dict[str, tuple[faults.Effect, int]] = {
    "a node without slaves": (faults.error(12850, "could not allocate slaves"), 0),
    "an error that nobody knows": (faults.error(6502, "numeric or value error"), 0),
    "silence": (faults.silence(), 0),
    "a session that dies of it": (faults.drop(), 2),
}


@pytest.mark.parametrize(("effect", "reconnects"), TROUBLE.values(), ids=TROUBLE)
def test_views_that_fail_end_no_run_and_are_named_once(
    oracle: StandIn,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    effect: faults.Effect,
    reconnects: int,
) -> None:
    monkeypatch.setattr(oracle_source, "VIEWS_SECONDS", 0.2)
    at_clock(oracle, NOON)
    batch = oracle.database.begin(started="2026-01-02T11:00:00", user="BATCH")
    views, settings = TransactionViews(), OracleSettings.from_config(oracle.login)
    oracle.faults.set("execute", effect, times=max(reconnects, 1), statement="open transactions")
    for _ in range(reconnects):
        lost = OracleSource(settings, views=views)
        with pytest.raises(SourceLostError):
            looked(lost)
        lost.close()
    source = OracleSource(settings, views=views)
    told = Oldest(instant("2026-01-02T11:00:00.000000000"), "sid 100, user BATCH", batch.xid)
    assert [looked(source), looked(source)] == [told, told]
    source.close()
    (warning,) = caplog.messages
    assert warning.startswith("late commits: GV$TRANSACTION, GV$SESSION, GV$INSTANCE")


def test_what_was_set_aside_is_asked_again_later(oracle: StandIn) -> None:
    now = [0.0]
    views = TransactionViews(lambda: now[0])
    source = OracleSource(OracleSettings.from_config(oracle.login), views=views)
    failing = faults.error(12850, "no slaves")
    oracle.faults.set("execute", failing, times=4, statement="open transactions")
    assert isinstance(looked(source), NotReadable)
    now[0] = ASIDE_SECONDS
    assert looked(source) == NoneOpen()
    assert not source.sees_one_node
    source.close()


def test_a_run_goes_on_by_look_back_where_no_view_answers(oracle: StandIn, run_tap: RunTap) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].insert(event(1, NOON))
    failing = faults.error(12850, "no slaves")
    oracle.faults.set("execute", failing, times=9, statement="open transactions")
    done = run_tap()
    assert (done.code, done.ids) == (0, [1])
    assert "V$TRANSACTION cannot be read (" in done.stderr


def test_a_cluster_of_which_one_node_answers_is_not_taken_for_the_whole(
    oracle: StandIn, open_source: Open, caplog: pytest.LogCaptureFixture
) -> None:
    oracle.database.nodes, oracle.database.answering = 3, 1
    found = looked(open_source())
    assert isinstance(found, NotReadable)
    assert found.why == "only 1 of 3 nodes of the cluster answer for GV$TRANSACTION"
    assert caplog.messages[0].startswith("late commits: only 1 of 3 nodes")
    oracle.database.answering = 3
    assert looked(open_source()) == NoneOpen()


def test_a_branch_in_doubt_holds_the_bookmark_like_an_open_transaction(
    oracle: StandIn, open_source: Open
) -> None:
    at_clock(oracle, NOON)
    oracle.database.in_doubt["1.2.345"] = "2026-01-02T09:00:00"
    oracle.database.begin(started="2026-01-02T11:00:00")
    told = Oldest(instant("2026-01-02T09:00:00.000000000"), "in doubt: 1.2.345", "1.2.345")
    assert looked(open_source()) == told
    oracle.database.hidden.add("DBA_2PC_PENDING")
    assert looked(open_source()).at == "2026-01-02T11:00:00.000000000"


# --- the clock on the wall of the host -----------------------------------------------------------


def test_a_transaction_across_the_end_of_summer_does_not_grow_younger(
    oracle: StandIn, open_source: Open
) -> None:
    """It would count an hour too young from the change on, and its rows would be missed."""
    oracle.database.host_zone = ZoneInfo("Europe/Vienna")
    oracle.database.begin(started="2026-10-24T21:00:00")
    at_clock(oracle, "2026-10-25T00:00:00")
    source = open_source()
    for clock in ("2026-10-25T00:30:00", "2026-10-25T01:30:00", "2026-10-25T09:00:00"):
        at_clock(oracle, clock)
        for each in (source, open_source()):  # a run of its own knows no more than the clock
            assert looked(each).at <= "2026-10-24T21:00:00.000000000"
    assert looked(open_source()).at == "2026-10-24T21:00:00.000000000"


@pytest.mark.parametrize("hours", [0, 2, 8, 30])
@pytest.mark.parametrize("own_zone", ["America/New_York", "Asia/Singapore", "UTC"])
def test_a_pdb_with_a_zone_of_its_own_makes_no_transaction_younger(
    oracle: StandIn, open_source: Open, own_zone: str, hours: int
) -> None:
    """SYSTIMESTAMP has that zone, V$ views have the host's."""
    began = datetime.fromisoformat("2026-07-01T12:00:00")
    oracle.database.own_zone = ZoneInfo(own_zone)
    oracle.database.begin(started=began.isoformat())
    at_clock(oracle, (began + timedelta(hours=hours)).isoformat())
    found = looked(open_source())
    assert isinstance(found, Oldest)
    assert found.at <= f"{began.isoformat()}.000000000"


# --- a standby -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hidden", "clock"),
    [
        (set(), "2026-01-02T11:29:59.000000000"),
        ({"V$DATAGUARD_STATS"}, "2026-01-02T11:30:00.000000000"),
        ({"V$DATAGUARD_STATS", "V$DATABASE"}, "2026-01-02T11:10:00.000000000"),
    ],
    ids=["by the lag", "by the SCN", "by the newest row"],
)
def test_the_clock_of_a_standby_is_that_of_the_redo_that_is_applied(
    oracle: StandIn, open_source: Open, hidden: set[str], clock: str
) -> None:
    at_clock(oracle, NOON)
    oracle.database.role = "PHYSICAL STANDBY"
    oracle.database.apply_lag = 1800
    oracle.database.hidden |= hidden
    oracle.database.tables["SPC.TXLOG_EVENTS"].insert(event(1, "2026-01-02T11:10:00"))
    source = open_source()
    assert source.clock() == clock
    assert isinstance(source.open_transactions(), NotReadable)


def test_rows_that_a_standby_applies_later_are_read(oracle: StandIn, run_tap: RunTap) -> None:
    """Apply was half an hour behind, and the bookmark went to the clock: 200 of 300 were lost."""
    table = oracle.database.tables["SPC.TXLOG_EVENTS"]
    at_clock(oracle, NOON)
    oracle.database.role = "PHYSICAL STANDBY"
    oracle.database.apply_lag = 1800
    table.insert(event(1, "2026-01-02T11:29:00"))
    first = run_tap()
    assert first.ids == [1]
    at_clock(oracle, "2026-01-02T12:10:00")
    oracle.database.apply_lag = 0
    table.insert(event(2, "2026-01-02T11:40:00"), event(3, "2026-01-02T12:05:00"))
    assert run_tap(state=first.state).ids == [2, 3]


# --- the own transaction -------------------------------------------------------------------------


def test_the_session_ends_its_own_transaction_before_it_looks(
    open_source: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A query over a database link begins one, which would be the oldest for ever."""
    caplog.set_level(logging.INFO)
    source = open_source()
    rolled_back: list[str] = []
    connection = Begun(source.link._connection, rolled_back)
    monkeypatch.setattr(source.link, "_connection", connection)
    source.clock()
    assert rolled_back == ["rollback"]
    source.clock()
    assert rolled_back == ["rollback"]


class Begun:
    """A connection on which a query has begun a transaction."""

    def __init__(self, connection: Any, rolled_back: list[str]) -> None:  # noqa: ANN401 - the driver's
        self._connection = connection
        self._rolled_back = rolled_back
        self.transaction_in_progress = True

    def rollback(self) -> None:
        self._rolled_back.append("rollback")
        self.transaction_in_progress = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it has
        return getattr(self._connection, name)
