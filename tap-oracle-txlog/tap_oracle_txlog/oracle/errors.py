"""What an error of the driver means for the reader, and what the operator can do about it.

`MEANINGS` is the table: codes of the database and the driver to the class of the error, its text
and its remedy. The driver wraps one error into another (every failure to connect is a DPY-6005), so
the whole chain of causes is read, and the innermost code that is in the table decides. The driver
is not imported. Its own texts are repeated only for codes that are not in the table: they may quote
a connect string.
"""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tap_oracle_txlog.errors import (
    AccessDeniedError,
    ConfigurationError,
    DataError,
    SourceUnreachableError,
    TapError,
)
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class RightMissingError(AccessDeniedError):
    """The session may not see a table or view, or it is not there: the database does not tell."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What codes mean; ``reason`` and ``remedy`` name ``{where}``, ``{user}`` and ``{table}``.

    ``then`` is what the reader can do: come back with a new connection, or ask for a smaller page.
    """

    codes: str
    error: type[TapError]
    reason: str
    remedy: str
    then: type[SourceLostError | PageTooLargeError] | None = None


def _lost(codes: str, reason: str, remedy: str) -> Meaning:
    return Meaning(codes, SourceUnreachableError, reason, remedy, SourceLostError)


def _too_large(codes: str, reason: str, remedy: str) -> Meaning:
    return Meaning(codes, SourceUnreachableError, reason, remedy, PageTooLargeError)


def _denied(codes: str, reason: str, remedy: str) -> Meaning:
    return Meaning(codes, AccessDeniedError, reason, remedy)


def _misconfigured(codes: str, reason: str, remedy: str) -> Meaning:
    return Meaning(codes, ConfigurationError, reason, remedy)


MEANINGS: tuple[Meaning, ...] = (
    _lost(
        "ORA-00022 ORA-00045 ORA-00378 ORA-00600 ORA-00602 ORA-00603 ORA-00609 ORA-01012"
        " ORA-01041 ORA-01043 ORA-03113 ORA-03114 ORA-03122 ORA-03135 ORA-12153 ORA-12537"
        " ORA-12547 ORA-12570 ORA-12571 ORA-12583 ORA-12757 ORA-12805 ORA-25402 ORA-25408"
        " ORA-27146 ORA-28511 ORA-56600 DPY-1001 DPY-4011",
        "lost the connection to Oracle at {where}",
        "If it happens again, ask for the alert log of that time",
    ),
    _lost(
        "ORA-00028 ORA-00031",
        "the session of {user} at {where} was killed",
        "Ask the DBA why",
    ),
    _lost(
        "ORA-02396 DPY-4033",
        "Oracle at {where} closed the session, which was idle for too long",
        "Raise IDLE_TIME in the profile of {user}",
    ),
    _lost(
        "ORA-00376 ORA-01033 ORA-01034 ORA-01089 ORA-01090 ORA-01092 ORA-01115 ORA-12526"
        " ORA-12527 ORA-12528 ORA-16456",
        "Oracle at {where} is starting, stopping or not fully open",
        "Wait until it is open, or raise `max_retries`",
    ),
    _lost(
        "ORA-00018 ORA-00020 ORA-12516 ORA-12518 ORA-12519 ORA-12520",
        "Oracle at {where} has no room for another session",
        "Raise PROCESSES, or run fewer jobs at once",
    ),
    _lost(
        "ORA-12514 DPY-6001",
        "the listener of {where} does not know the service",
        "Check `service_name`, and that the database is open",
    ),
    _lost(
        "ORA-12541 ORA-12170 ORA-12535 ORA-12543 ORA-12545",
        "cannot reach Oracle at {where}",
        "Check `host`, `port` and firewall",
    ),
    _lost(
        "DPY-6000 DPY-6005 DPY-5005",
        "cannot connect to Oracle at {where}: the listener refused",
        "Check `dsn` or `host` and `port`, and the log of the listener",
    ),
    _too_large(
        "ORA-01555",
        "reading {table} at {where} took longer than the undo is kept",
        "Lower `page_size`, or raise UNDO_RETENTION",
    ),
    _too_large(
        "DPY-4024 ORA-01013",
        "reading {table} at {where} took longer than `call_timeout`",
        "Lower `page_size`, raise `call_timeout`, or create the index that --doctor proposes",
    ),
    _too_large(
        "ORA-01410 ORA-08103",
        "{table} at {where} was truncated, moved or lost a partition while it was read",
        "Run it again when that work is done",
    ),
    _too_large(
        "ORA-01652 ORA-04031",
        "Oracle at {where} has not enough memory for a page of {table}",
        "Lower `page_size`, or create the index that --doctor proposes",
    ),
    _denied(
        "ORA-01017",
        "Oracle refuses the login of {user} at {where}",
        "Check `user` and `password`; not tried again, to spare the account",
    ),
    _denied("ORA-28000", "the account of {user} at {where} is locked", "Have it unlocked"),
    _denied("ORA-28001", "the password of {user} at {where} has expired", "Set a new password"),
    _denied("ORA-01045", "{user} may not log in at {where}", "GRANT CREATE SESSION TO {user}"),
    _denied(
        "ORA-28040 DPY-3015",
        "the password of {user} at {where} is kept in a form that is too old for the driver",
        "Have it set anew (12C verifier), or set `thick_mode`",
    ),
    Meaning(
        "ORA-00942 ORA-01031 ORA-01039 ORA-41900",
        RightMissingError,
        "{table} at {where} does not exist, or {user} may not see it",
        "Check `table`, or GRANT SELECT ON {table} TO {user}",
    ),
    _misconfigured(
        "ORA-00904",
        "a column of {table} at {where} is not there, or not for {user}",
        "Check `columns`, `replication_key` and `id_column`, and discover the catalog anew",
    ),
    _misconfigured(
        "DPY-3001 DPY-3012 DPY-3040 ORA-12660",
        "Oracle at {where} asks for something that only the Oracle Client can do, most often"
        " Native Network Encryption",
        "Set `thick_mode` (and `lib_dir`), or use TLS",
    ),
    _misconfigured(
        "DPY-3010", "Oracle at {where} is older than 12.1", "Set `thick_mode` and `lib_dir`"
    ),
    _misconfigured(
        "ORA-12154 DPY-4000 DPY-4026 DPY-4027",
        "the alias {where} is in no tnsnames.ora",
        "Check `dsn`, and set `config_dir` to the directory of that file",
    ),
    _misconfigured(
        "DPY-2049 DPY-4017 DPY-4018 DPY-4021 DPY-3029",
        "`dsn` is no alias, Easy Connect string or connect descriptor",
        "Write it as host:port/service_name",
    ),
    _misconfigured(
        "ORA-12505 DPY-6003",
        "the listener of {where} does not know the SID",
        "Check `sid`; most databases want `service_name`",
    ),
    _misconfigured(
        "DPY-2018 ORA-28759",
        "no wallet that can be used is in `wallet_location`",
        "Put ewallet.pem there; ewallet.p12 and cwallet.sso are for `thick_mode`",
    ),
    _misconfigured("DPY-2029", "`https_proxy` needs TLS", "Set `protocol` to tcps"),
    _misconfigured("DPY-4001 ORA-01005", "no password is set for {user}", "Set `password`"),
    _misconfigured(
        "DPY-6002 DPY-6006 DPY-6008 DPY-6009 ORA-29024 ORA-29002",
        "the certificate of Oracle at {where} is not the one that is expected",
        "Check `host` and `wallet_location`, or `ssl_server_dn_match`",
    ),
    _misconfigured(
        "DPY-2056 DPY-2058 DPY-2059",
        "the configuration store in `dsn` cannot be used",
        "Check the URL, and the rights of this job in that store",
    ),
    _misconfigured(
        "DPI-1047 DPY-2017 DPY-2019",
        "the Oracle Client libraries cannot be loaded",
        "Install the Oracle Instant Client, and set `lib_dir` to its directory",
    ),
    Meaning(
        "DPY-3022 ORA-01878 ORA-01882",
        DataError,
        "a time in {table} at {where} has a time zone that cannot be read",
        "Leave its column out with `columns`",
    ),
)

WITHOUT_CODE: tuple[tuple[type[Exception], Meaning], ...] = (
    (
        UnicodeDecodeError,
        Meaning(
            "",
            DataError,
            "a text in {table} at {where} is not in the character set of the database",
            "Have it corrected, or leave its column out with `columns`",
        ),
    ),
    (
        socket.gaierror,
        _lost("", "the host of {where} cannot be found", "Check `host` (or `dsn`) and DNS"),
    ),
    (
        ssl.SSLCertVerificationError,
        _misconfigured(
            "",
            "the certificate of Oracle at {where} cannot be verified",
            "Check `wallet_location` and `ssl_server_dn_match`",
        ),
    ),
    (
        ssl.SSLError,
        _misconfigured(
            "", "Oracle at {where} does not speak TLS with us", "Check `protocol`, `port`, wallet"
        ),
    ),
    (OSError, _lost("", "cannot reach Oracle at {where}", "Check `host`, `port` and firewall")),
)
"""For the innermost cause, where it is not an error of the driver; the first match decides."""

_BY_CODE: Mapping[str, Meaning] = {
    code: meaning for meaning in MEANINGS for code in meaning.codes.split()
}
_CONNECTING = "DPY-6005"
_WRAPPERS = {"DPY-5005", "DPY-6000", _CONNECTING}
_CODE = re.compile(r"\b(?:ORA|DPY|DPI)-\d{4,5}\b")
_HELP = re.compile(r"\s*(?:Help: |See )?https://\S+(?: for help)?|\(CONNECTION_ID=\S*\)\.?")


def classify(
    error: BaseException, names: Mapping[str, str]
) -> TapError | SourceLostError | PageTooLargeError:
    """What the reader has to do about ``error``; an unknown one keeps its text, in one line.

    Args:
        error: From the driver, or from the operating system below it.
        names: What to call the database (``where``), the ``user`` and the ``table``.
    """
    chain = list(_causes(error))
    codes = [code for one in chain for code in _CODE.findall(str(one))]
    meaning, detail = _known(codes, chain[-1])
    if meaning is None:
        return _unknown(error, names)
    told = _told(meaning, detail, names)
    return told if meaning.then is None else meaning.then(told)


def not_visible(names: Mapping[str, str]) -> TapError:
    """The error of a table of which the dictionary says nothing."""
    return _told(_BY_CODE["ORA-00942"], "no columns", names)


def _told(meaning: Meaning, detail: str, names: Mapping[str, str]) -> TapError:
    reason = f"{meaning.reason.format_map(names)} ({detail})"
    return meaning.error(reason, meaning.remedy.format_map(names))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, innermost last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _known(codes: list[str], innermost: BaseException) -> tuple[Meaning | None, str]:
    """The most telling entry: of a code, else of the innermost cause, else of what wraps it."""
    known = [code for code in codes if code in _BY_CODE]
    wrappers = _WRAPPERS | ({"DPY-4011"} if _CONNECTING in known else set())
    for code in reversed(known):
        if code not in wrappers:
            return _BY_CODE[code], code
    for kind, meaning in WITHOUT_CODE:
        if isinstance(innermost, kind):
            return meaning, _of_system(innermost)
    return (_BY_CODE[known[-1]], known[-1]) if known else (None, "")


def _of_system(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).lower()


def _unknown(error: BaseException, names: Mapping[str, str]) -> TapError | SourceLostError:
    text = _HELP.sub("", str(error)) or type(error).__name__
    told = TapError(f"Oracle at {names['where']} fails: {text}", "Look the code up, or ask the DBA")
    is_recoverable = getattr(error.args[0] if error.args else None, "isrecoverable", False)
    return SourceLostError(told) if is_recoverable else told
