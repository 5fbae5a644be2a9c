"""The stand-in's way from the first packet to an open session, seen by the real driver."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import oracledb
import pytest

from tools.oracle_stand_in import faults
from tools.oracle_stand_in.auth import VERIFIER_10G, Login, Salts, proof
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from tools.oracle_stand_in.server import StandIn

SALTS = Salts(bytes(range(16)), bytes(range(16, 32)), bytes([0x11]) * 32)
SERVER_HALF = "D84F16F22F5A569F03B4B56880FE66508876ACDFD8F49524C88BEFA7C98E3A97"
CLIENT_HALF = "787C9ED95AEB9B13E83D999E76BA29B030E501FC6CBCF4D80A243F598215A221"
SESSION_KEY = "d840ab4d57bf51bdb3959c51070309ba450809e0f41146e1e20b37c2d4fad77d"
PROOF = "64B7D4D135C07C9D1C5A03976441A8EEA05CA5D3C8F7300E2B08045291792501"


def connect(oracle: StandIn, **changes: str | int) -> oracledb.Connection:
    arguments = {"user": oracle.user, "password": oracle.password, "dsn": oracle.dsn}
    return oracledb.connect(**{**arguments, **changes})


def refusal(oracle: StandIn, **changes: str) -> str:
    """The texts of a failed connect and of its causes."""
    with pytest.raises(oracledb.Error) as failed:
        connect(oracle, **changes)
    texts: list[str] = []
    error: BaseException | None = failed.value
    while error is not None:
        texts.append(str(error))
        error = error.__cause__
    return "\n".join(texts)


def test_the_keys_of_a_login_agree_with_the_reference() -> None:
    login = Login("tap", SALTS, iterations=(4096, 3))
    key = login.session_key(CLIENT_HALF)
    assert login.challenge()["AUTH_SESSKEY"] == (SERVER_HALF, 0)
    assert key.hex() == SESSION_KEY
    assert proof(key, bytes(16)) == PROOF


def test_connect_version_ping_transaction_and_close_reach_the_server(oracle: StandIn) -> None:
    with connect(oracle) as connection:
        assert connection.version == "19.3.0.0.0"
        connection.ping()
        connection.commit()
        connection.rollback()
    assert [call.name for call in oracle.calls] == ["ping", "commit", "rollback", "logoff"]


def test_the_session_says_who_it_is(oracle: StandIn) -> None:
    with connect(oracle) as connection:
        connection.module, connection.action = "tap-oracle-txlog", "SPC.TXLOG_EVENTS"
        connection.client_identifier, connection.clientinfo = "job 7", "nightly"
        connection.dbop = "load"
        connection.ping()
    assert oracle.session_texts == {
        "module": "tap-oracle-txlog",
        "action": "SPC.TXLOG_EVENTS",
        "client_identifier": "job 7",
        "client_info": "nightly",
        "dbop": "load",
    }
    assert oracle.logons[0]["AUTH_ALTER_SESSION"].startswith("ALTER SESSION SET TIME_ZONE=")


@pytest.mark.parametrize("user", ["tap", "TAP", "Tap"])
def test_user_names_are_taken_in_any_case(oracle: StandIn, user: str) -> None:
    connect(oracle, user=user).close()


@pytest.mark.parametrize("password", ["pässword", "€uro", "密码"])
def test_a_password_is_any_unicode_text(oracle: StandIn, password: str) -> None:
    oracle.password = password
    connect(oracle).close()
    assert "ORA-01017" in refusal(oracle, password="password")


@pytest.mark.parametrize("changes", [{"password": "S3CRET"}, {"password": ""}, {"user": "nobody"}])
def test_a_wrong_password_or_user_is_refused_and_tried_once(
    oracle: StandIn, changes: dict[str, str]
) -> None:
    assert "ORA-01017" in refusal(oracle, **changes)
    assert len(oracle.logons) == 1


@pytest.mark.parametrize("length", [1, 300])
def test_a_service_is_known_by_its_name_however_long(oracle: StandIn, length: int) -> None:
    """Connect data above 230 bytes comes in a packet of its own."""
    oracle.service_name = "N" * length
    connect(oracle).close()
    texts = refusal(oracle, dsn=oracle.dsn.replace("N", "M"))
    assert re.search("^DPY-6001.*not registered", texts, re.MULTILINE)


def test_an_unknown_sid_is_refused_as_such(oracle: StandIn) -> None:
    dsn = oracledb.makedsn(oracle.host, oracle.port, sid="NOSUCH")
    assert "DPY-6003" in refusal(oracle, dsn=dsn)


@pytest.mark.parametrize("code", [12516, 12528, 1033])
def test_the_listener_refuses_with_any_code_and_then_no_more(oracle: StandIn, code: int) -> None:
    oracle.faults.set("connect", faults.refuse(code))
    assert f"DPY-6000: Listener refused connection. (Similar to ORA-{code})" in refusal(oracle)
    connect(oracle).close()


def test_a_connection_lost_while_connecting_is_told_with_its_cause(oracle: StandIn) -> None:
    oracle.faults.set("connect", faults.drop())
    texts = refusal(oracle)
    assert "DPY-6005" in texts
    assert "DPY-4011" in texts


@pytest.mark.parametrize("at", ["connect", "logon"])
def test_a_silent_server_holds_the_client_until_it_goes(oracle: StandIn, at: str) -> None:
    oracle.faults.set(at, faults.silence())
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(refusal, oracle)
        wait_until(lambda: oracle.faults.struck(at) == 1, what="the silence")
        assert not waiting.done()
        oracle.drop_sessions()
        assert "DPY-4011" in waiting.result(timeout=10)


def test_a_locked_account_is_told_at_logon(oracle: StandIn) -> None:
    oracle.faults.set("logon", faults.error(28000, "the account is locked"))
    assert "ORA-28000: the account is locked" in refusal(oracle)


def test_a_password_of_10g_days_is_refused_by_the_driver(oracle: StandIn) -> None:
    oracle.verifier = VERIFIER_10G
    assert "DPY-3015" in refusal(oracle)


@pytest.mark.parametrize("sdu", [512, 8192, 65535])
def test_packets_of_any_agreed_size_carry_long_answers(oracle: StandIn, sdu: int) -> None:
    text = "x" * 100_000
    oracle.answer("select wide from t", ["WIDE CLOB"], [(text,)] * 3)
    with connect(oracle, sdu=sdu) as connection:
        cursor = connection.cursor()
        cursor.outputtypehandler = lambda c, _: c.var(oracledb.DB_TYPE_LONG, arraysize=c.arraysize)
        assert cursor.execute("select wide from t").fetchall() == [(text,)] * 3
