"""What each error code means for the reader, row by row, with exceptions of the driver's making."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from typing import TYPE_CHECKING

import oracledb
import pytest
from oracledb import errors as driver

from tap_oracle_txlog.errors import (
    AccessDeniedError,
    ConfigurationError,
    DataError,
    SourceUnreachableError,
    TapError,
)
from tap_oracle_txlog.oracle.error_table import ERROR_TABLE, RightMissingError
from tap_oracle_txlog.oracle.errors import WITHOUT_CODE, classify, not_visible
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES = {"where": "db:1521/ORCL", "user": "SPC_READ", "table": "SPC.TXLOG_EVENTS"}
LOST, SMALLER = SourceLostError, PageTooLargeError

# What the reader does on each code: come back, ask for less, or stop with this error.
EXPECTED: Mapping[type[Exception], str] = {
    LOST: """
        ORA-00018 ORA-00020 ORA-00022 ORA-00028 ORA-00030 ORA-00031 ORA-00045 ORA-00051 ORA-00054
        ORA-00257 ORA-00376 ORA-00378 ORA-00600 ORA-00602 ORA-00603 ORA-00609 ORA-01000 ORA-01002
        ORA-01003 ORA-01012 ORA-01033 ORA-01034 ORA-01035 ORA-01041 ORA-01043 ORA-01089 ORA-01090
        ORA-01092 ORA-01109 ORA-01115 ORA-01219 ORA-01410 ORA-01507 ORA-02049 ORA-02068 ORA-02391
        ORA-02392 ORA-02394 ORA-02396 ORA-02397 ORA-02399 ORA-03113 ORA-03114 ORA-03122 ORA-03135
        ORA-03136 ORA-03172 ORA-04020 ORA-04021 ORA-04061 ORA-04062 ORA-04065 ORA-04068 ORA-07445
        ORA-08103 ORA-08176 ORA-08177 ORA-10173 ORA-10456 ORA-12151 ORA-12152 ORA-12153 ORA-12157
        ORA-12161 ORA-12170 ORA-12203 ORA-12224 ORA-12500 ORA-12514 ORA-12516 ORA-12518 ORA-12519
        ORA-12520 ORA-12521 ORA-12523 ORA-12525 ORA-12526 ORA-12527 ORA-12528 ORA-12535 ORA-12537
        ORA-12541 ORA-12543 ORA-12545 ORA-12547 ORA-12552 ORA-12560 ORA-12564 ORA-12566 ORA-12569
        ORA-12570 ORA-12571 ORA-12583 ORA-12592 ORA-12599 ORA-12606 ORA-12607 ORA-12608 ORA-12609
        ORA-12612 ORA-12637 ORA-12757 ORA-12801 ORA-12805 ORA-12827 ORA-12842 ORA-12850 ORA-16456
        ORA-25401 ORA-25402 ORA-25403 ORA-25404 ORA-25405 ORA-25406 ORA-25407 ORA-25408 ORA-25409
        ORA-27101 ORA-27102 ORA-27146 ORA-28365 ORA-28511 ORA-28865 ORA-29701 ORA-29702 ORA-29740
        ORA-30006 ORA-56600
        DPY-1001 DPY-4011 DPY-4033 DPY-5005 DPY-6000 DPY-6001 DPY-6005""",
    SMALLER: """
        ORA-00040 ORA-01013 ORA-01555 ORA-01652 ORA-02393 ORA-02395 ORA-04030 ORA-04031 ORA-04036
        ORA-22924 DPY-4024""",
    AccessDeniedError: """
        ORA-01017 ORA-01045 ORA-28000 ORA-28001 ORA-28032 ORA-28040 ORA-28051 ORA-28052 ORA-28112
        ORA-28113 ORA-28150 DPY-3015""",
    RightMissingError: "ORA-00942 ORA-01031 ORA-01039 ORA-41900",
    ConfigurationError: """
        ORA-00904 ORA-00932 ORA-01005 ORA-02019 ORA-02085 ORA-04063 ORA-04064 ORA-12154 ORA-12162
        ORA-12504 ORA-12505 ORA-12533 ORA-12538 ORA-12649 ORA-12650 ORA-12660 ORA-28759 ORA-28860
        ORA-28868 ORA-29002 ORA-29003 ORA-29024 ORA-65011
        DPY-2017 DPY-2018 DPY-2019 DPY-2029 DPY-2049 DPY-2056 DPY-2057 DPY-2058 DPY-2059 DPY-3001
        DPY-3010 DPY-3012 DPY-3029 DPY-3040 DPY-4000 DPY-4001 DPY-4017 DPY-4018 DPY-4021 DPY-4022
        DPY-4026 DPY-4027 DPY-6002 DPY-6003 DPY-6006 DPY-6008 DPY-6009 DPI-1047""",
    DataError: """
        ORA-01157 ORA-01426 ORA-01427 ORA-01476 ORA-01489 ORA-01578 ORA-01722 ORA-01830 ORA-01841
        ORA-01843 ORA-01847 ORA-01858 ORA-01861 ORA-01878 ORA-01882 ORA-22835 ORA-26040 ORA-29275
        ORA-29913 ORA-31011 ORA-40441 ORA-40478 DPY-3022""",
}
ROWS = [(code, kind) for kind, codes in EXPECTED.items() for code in codes.split()]


def raised(code: str) -> oracledb.Error:
    """The exception that the driver makes of a code."""
    prefix, number = code.split("-")
    if prefix == "DPY":
        error = driver._create_err(int(number))
    else:
        error = driver._Error(f"{code}: text of the database", code=int(number) * (prefix == "ORA"))
    exception = error.exc_type(error)
    assert isinstance(exception, oracledb.Error)
    return exception


def told_by(error: BaseException) -> TapError:
    """What the operator hears in the end."""
    found = classify(error, NAMES)
    return found.error if isinstance(found, (LOST, SMALLER)) else found


def test_every_code_of_the_table_is_expected_here() -> None:
    codes = [code for entry in ERROR_TABLE for code in entry.codes.split()]
    assert sorted(codes) == sorted(code for code, _ in ROWS)


@pytest.mark.parametrize(("code", "kind"), ROWS)
def test_each_code_leads_to_its_action_and_one_line(code: str, kind: type[Exception]) -> None:
    error = raised(code)
    assert type(classify(error, NAMES)) is kind
    told = told_by(error)
    assert code in str(told) or "Similar to ORA-" in str(error)
    assert not re.search(r"\n|[{}]|https?:", str(told))
    assert "text of the database" not in str(told)
    assert len(told.remedy) > 3
    if kind in {LOST, SMALLER}:
        assert isinstance(told, SourceUnreachableError)


@pytest.mark.parametrize(
    ("kind", "entry"), WITHOUT_CODE, ids=lambda value: getattr(value, "__name__", "")
)
def test_each_failure_without_a_code_is_explained(kind: type[Exception], entry: object) -> None:
    assert entry in [known for _, known in WITHOUT_CODE]
    error = (
        kind("utf-8", b"\xff", 0, 1, "bad") if kind is UnicodeDecodeError else kind(1, "it fails")
    )
    assert re.search(r"\((it fails|'utf-8' codec.*)\)\. \w", str(told_by(error)))


def wrapped(cause: BaseException, code: str = "DPY-6005") -> oracledb.Error:
    """What connect() raises: the reason is only in the cause."""
    error = raised(code)
    error.__cause__ = cause
    return error


def refused(code: int) -> oracledb.Error:
    error = driver._create_err(driver.ERR_LISTENER_REFUSED_CONNECTION, error_code=code)
    exception = error.exc_type(error)
    assert isinstance(exception, oracledb.Error)
    return wrapped(exception)


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (
            raised("ORA-01017"),
            3,
            (
                "Oracle refuses the login of SPC_READ at db:1521/ORCL (ORA-01017). Check `user` and"
                " `password`; not tried again, so that the account is not locked"
            ),
        ),
        (
            raised("ORA-00942"),
            3,
            (
                "SPC.TXLOG_EVENTS at db:1521/ORCL does not exist, or SPC_READ may not see it"
                " (ORA-00942). Check `table`, or GRANT SELECT ON SPC.TXLOG_EVENTS TO SPC_READ"
            ),
        ),
        (
            wrapped(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")),
            4,
            ("cannot reach Oracle at db:1521/ORCL (connection refused). Check `dsn` and firewall"),
        ),
        (
            refused(12541),
            4,
            "cannot reach Oracle at db:1521/ORCL (ORA-12541). Check `dsn` and firewall",
        ),
        (
            refused(12516),
            4,
            (
                "Oracle at db:1521/ORCL has no room for another session (ORA-12516). Raise"
                " PROCESSES, or SESSIONS_PER_USER of SPC_READ, or run fewer jobs at once"
            ),
        ),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            4,
            (
                "the host of db:1521/ORCL cannot be found (name or service not known). Check `dsn`"
                " and DNS"
            ),
        ),
        (
            TimeoutError("nothing within 30 s"),
            4,
            ("cannot reach Oracle at db:1521/ORCL (nothing within 30 s). Check `dsn` and firewall"),
        ),
    ],
    ids=lambda value: value if isinstance(value, int) else None,
)
def test_the_line_that_the_operator_reads(error: Exception, exit_code: int, line: str) -> None:
    assert str(told_by(error)) == line
    assert told_by(error).exit_code == exit_code


def test_a_refused_service_is_worth_another_try_and_a_refused_sid_is_not() -> None:
    for number, kind in ((driver.ERR_INVALID_SERVICE_NAME, LOST), (driver.ERR_INVALID_SID, None)):
        inner = driver._create_err(number, service_name="X", sid="X", host="db", port=1521)
        found = classify(wrapped(inner.exc_type(inner)), NAMES)
        assert type(found) is (kind or ConfigurationError)


def test_a_killed_session_is_told_apart_from_a_lost_one() -> None:
    killed = raised("ORA-00028")  # the driver puts DPY-4011 in front of it
    assert str(killed).startswith("DPY-4011")
    assert "was killed (ORA-00028)" in str(told_by(killed))


def test_a_connection_that_breaks_in_mid_run_is_not_one_that_cannot_be_had() -> None:
    reset = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    broken = wrapped(reset, "DPY-4011")
    assert str(told_by(broken)).startswith("lost the connection to Oracle at db:1521/ORCL")
    assert str(told_by(wrapped(broken))).startswith("cannot reach Oracle at db:1521/ORCL")


def test_a_connection_closed_while_connecting_is_worth_another_try() -> None:
    found = classify(wrapped(raised("DPY-4011")), NAMES)
    assert type(found) is LOST


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), ConfigurationError),
        (ssl.SSLError(1, "wrong version number"), ConfigurationError),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), LOST),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), LOST),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_cause_of_a_failed_connect_decides(cause: Exception, kind: type[Exception]) -> None:
    assert type(classify(wrapped(cause), NAMES)) is kind


def test_the_code_that_is_known_wins_over_what_surrounds_it() -> None:
    text = "ORA-12801: error signaled in parallel query server P000\nORA-01555: snapshot too old"
    error = driver._Error(text, code=12801)
    assert type(classify(error.exc_type(error), NAMES)) is SMALLER


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ORA-12801: error signaled in parallel query server P000, instance 2", LOST),
        ("ORA-01115: IO error reading block\nORA-01110: data file 7: '/u01/x.dbf'", LOST),
        ("ORA-04068: existing state of packages has been discarded\nORA-06512: at line 1", LOST),
        (
            "ORA-00604: error occurred at recursive SQL level 1\nORA-01652: unable to extend",
            SMALLER,
        ),
        ("ORA-01722: invalid number\nORA-02063: preceding line from OTHER", DataError),
    ],
)
def test_lines_that_only_accompany_a_code_do_not_hide_it(text: str, kind: type[Exception]) -> None:
    error = driver._Error(text, code=int(text[4:9]))
    assert type(classify(error.exc_type(error), NAMES)) is kind


def test_an_unknown_code_keeps_its_text_in_one_line_without_links() -> None:
    error = raised("ORA-06502")
    assert "\n" in str(error)
    told = classify(error, NAMES)
    assert type(told) is TapError
    assert str(told) == (
        "Oracle at db:1521/ORCL fails: ORA-06502: text of the database. Look the code up, or ask"
        " the DBA"
    )


def test_what_the_driver_calls_recoverable_is_worth_another_try() -> None:
    error = driver._Error("ORA-99999: new in a later release", code=99999, isrecoverable=True)
    assert type(classify(error.exc_type(error), NAMES)) is LOST


def test_the_line_says_not_visible_before_the_database_does() -> None:
    told = not_visible(NAMES)
    assert type(told) is RightMissingError
    assert "GRANT SELECT ON SPC.TXLOG_EVENTS TO SPC_READ" in str(told)


@pytest.mark.parametrize("code", ["DPY-4018", "DPY-4017", "DPY-2056"])
def test_a_connect_string_that_the_driver_quotes_is_not_repeated(code: str) -> None:
    error = driver._create_err(
        int(code[4:]), data="u/s3cret@db", protocol="config-x", arg="k=s3cret"
    )
    exception = error.exc_type(error)
    assert "s3cret" in str(exception)
    assert "s3cret" not in str(told_by(exception))
