"""The error codes of the database and the driver, and what each of them means.

For each code the class of the error, its text, its remedy, and what the reader can do. `errors.py`
looks them up. The driver is not imported.
"""

from __future__ import annotations

from dataclasses import dataclass

from tap_oracle_txlog.errors import (
    AccessDeniedError,
    ConfigurationError,
    DataError,
    SourceUnreachableError,
    TapError,
)
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError


class RightMissingError(AccessDeniedError):
    """The session may not see a table or view, or it is not there: the database does not tell."""


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """What codes mean; ``reason`` and ``remedy`` name ``{where}``, ``{user}`` and ``{table}``.

    ``then`` is what the reader can do: come back with a new connection, or ask for a smaller page.
    """

    codes: str
    error: type[TapError]
    reason: str
    remedy: str
    then: type[SourceLostError | PageTooLargeError] | None = None


def lost(codes: str, reason: str, remedy: str) -> ErrorEntry:
    """A new connection, and the query once more, may succeed."""
    return ErrorEntry(codes, SourceUnreachableError, reason, remedy, SourceLostError)


def _too_large(codes: str, reason: str, remedy: str) -> ErrorEntry:
    return ErrorEntry(codes, SourceUnreachableError, reason, remedy, PageTooLargeError)


def _denied(codes: str, reason: str, remedy: str) -> ErrorEntry:
    return ErrorEntry(codes, AccessDeniedError, reason, remedy)


def misconfigured(codes: str, reason: str, remedy: str) -> ErrorEntry:
    """A setting, or what it leads to, has to be changed."""
    return ErrorEntry(codes, ConfigurationError, reason, remedy)


ERROR_TABLE: tuple[ErrorEntry, ...] = (
    lost(
        "ORA-00022 ORA-00030 ORA-00045 ORA-00378 ORA-00600 ORA-00602 ORA-00603 ORA-00609"
        " ORA-01012 ORA-01041 ORA-01043 ORA-02068 ORA-03113 ORA-03114 ORA-03122 ORA-03135"
        " ORA-07445 ORA-12151 ORA-12152 ORA-12153 ORA-12157 ORA-12161 ORA-12537 ORA-12547"
        " ORA-12552 ORA-12560 ORA-12566 ORA-12569 ORA-12570 ORA-12571 ORA-12583 ORA-12592"
        " ORA-12599 ORA-12637 ORA-12757 ORA-25401 ORA-25402 ORA-25403 ORA-25404 ORA-25405"
        " ORA-25406 ORA-25407 ORA-25408 ORA-25409 ORA-27146 ORA-28511 ORA-28865 ORA-29740"
        " ORA-56600 DPY-1001 DPY-4011",
        "lost the connection to Oracle at {where}",
        "If it happens again, ask for the alert log of that time",
    ),
    lost(
        "ORA-00028 ORA-00031",
        "the session of {user} at {where} was killed",
        "Ask the DBA why",
    ),
    lost(
        "ORA-02396 DPY-4033",
        "Oracle at {where} closed the session, which was idle for too long",
        "Raise IDLE_TIME in the profile of {user}",
    ),
    lost(
        "ORA-02392 ORA-02394 ORA-02397 ORA-02399",
        "Oracle at {where} closed the session of {user}, which exceeded a resource limit",
        "Raise CONNECT_TIME, CPU_PER_SESSION and the like in the profile of {user}",
    ),
    lost(
        "ORA-00257 ORA-00376 ORA-01033 ORA-01034 ORA-01035 ORA-01089 ORA-01090 ORA-01092"
        " ORA-01109 ORA-01115 ORA-01219 ORA-01507 ORA-03172 ORA-10456 ORA-12521 ORA-12526"
        " ORA-12527 ORA-12528 ORA-16456 ORA-27101 ORA-28365 ORA-29701 ORA-29702",
        "Oracle at {where} is starting, stopping or not fully open",
        "Wait until it is open, or raise `max_retries`",
    ),
    lost(
        "ORA-00018 ORA-00020 ORA-02391 ORA-12500 ORA-12516 ORA-12518 ORA-12519 ORA-12520",
        "Oracle at {where} has no room for another session",
        "Raise PROCESSES, or SESSIONS_PER_USER of {user}, or run fewer jobs at once",
    ),
    lost(
        "ORA-00051 ORA-00054 ORA-02049 ORA-04020 ORA-04021 ORA-10173 ORA-12801 ORA-12805"
        " ORA-12827 ORA-12842 ORA-12850 ORA-27102 ORA-30006",
        "Oracle at {where} was short of a resource for the query",
        "If it happens again, ask for the alert log of that time",
    ),
    lost(
        "ORA-01000 ORA-01002 ORA-01003 ORA-04061 ORA-04062 ORA-04065 ORA-04068 ORA-08176 ORA-08177",
        "a query of {table} at {where} must be executed again",
        "If it happens again, have {table} checked: something keeps changing it",
    ),
    lost(
        "ORA-01410 ORA-08103",
        "{table} at {where} was truncated, moved or lost a partition while it was read",
        "Run it again when that work is done",
    ),
    lost(
        "ORA-12514 DPY-6001",
        "the listener of {where} does not know the service",
        "Check the service in `dsn`, and that the database is open",
    ),
    lost(
        "ORA-03136 ORA-12170 ORA-12203 ORA-12224 ORA-12523 ORA-12525 ORA-12535 ORA-12541"
        " ORA-12543 ORA-12545 ORA-12564 ORA-12606 ORA-12607 ORA-12608 ORA-12609 ORA-12612",
        "cannot reach Oracle at {where}",
        "Check `dsn` and firewall",
    ),
    lost(
        "DPY-6000 DPY-6005 DPY-5005",
        "cannot connect to Oracle at {where}: the listener refused",
        "Check `dsn`, and the log of the listener",
    ),
    _too_large(
        "ORA-01555 ORA-22924",
        "reading {table} at {where} took longer than undo is retained",
        "Lower `page_size`, or raise UNDO_RETENTION",
    ),
    _too_large(
        "DPY-4024 ORA-01013",
        "reading {table} at {where} took longer than `call_timeout`",
        "Lower `page_size`, raise `call_timeout`, or create the index that --doctor proposes",
    ),
    _too_large(
        "ORA-00040 ORA-02393 ORA-02395",
        "reading {table} at {where} used more than a query of {user} is allowed",
        "Create the index that --doctor proposes, or raise the limit of the resource plan",
    ),
    _too_large(
        "ORA-01652 ORA-04030 ORA-04031 ORA-04036",
        "Oracle at {where} does not have enough memory for a page of {table}",
        "Lower `page_size`, or create the index that --doctor proposes",
    ),
    _denied(
        "ORA-01017",
        "Oracle refuses the login of {user} at {where}",
        "Check `user` and `password`; not tried again, so that the account is not locked",
    ),
    _denied(
        "ORA-28000 ORA-28051 ORA-28052",
        "the account of {user} at {where} is locked",
        "Have it unlocked",
    ),
    _denied(
        "ORA-28001 ORA-28032", "the password of {user} at {where} has expired", "Set a new password"
    ),
    _denied("ORA-01045", "{user} may not log in at {where}", "GRANT CREATE SESSION TO {user}"),
    _denied(
        "ORA-28040 DPY-3015",
        "the password of {user} at {where} is stored in a form that is too old for the driver",
        "Have it set again (12C verifier), or set `thick_mode`",
    ),
    _denied(
        "ORA-28150",
        "{user} may not log in for the other user at {where}",
        "ALTER USER of that user GRANT CONNECT THROUGH {user}",
    ),
    _denied(
        "ORA-28112 ORA-28113",
        "a security policy on {table} at {where} fails for {user}",
        "Have the policy (DBMS_RLS) checked",
    ),
    ErrorEntry(
        "ORA-00942 ORA-01031 ORA-01039 ORA-41900",
        RightMissingError,
        "{table} at {where} does not exist, or {user} may not see it",
        "Check `table`, or GRANT SELECT ON {table} TO {user}",
    ),
    misconfigured(
        "ORA-00904",
        "a column of {table} at {where} does not exist, or {user} may not see it",
        "Check `columns`, `replication_key` and `id_column`, and run discovery again",
    ),
    misconfigured(
        "ORA-00932",
        "the type of a column of {table} at {where} has changed",
        "Run it again; if a catalog is stored, run discovery again",
    ),
    misconfigured(
        "ORA-04063 ORA-04064",
        "the view {table} at {where} has errors",
        "Have it recompiled, with its dependencies",
    ),
    misconfigured(
        "ORA-02019 ORA-02085",
        "{table} at {where} is a view over a database link that cannot be used",
        "Have the link checked, or read from the database that it leads to",
    ),
    misconfigured(
        "DPY-3001 DPY-3012 DPY-3040 ORA-12649 ORA-12650 ORA-12660",
        "Oracle at {where} requires something that only the Oracle Client supports, usually Native "
        "Network Encryption",
        "Set `thick_mode` (and `lib_dir`), or use TLS",
    ),
    misconfigured(
        "DPY-3010", "Oracle at {where} is older than 12.1", "Set `thick_mode` and `lib_dir`"
    ),
    misconfigured(
        "ORA-12154 ORA-12162 DPY-4000 DPY-4026 DPY-4027",
        "the alias {where} is not in any tnsnames.ora",
        "Check `dsn`, and set `config_dir` to the directory of that file",
    ),
    misconfigured(
        "ORA-12533 ORA-12538 DPY-2049 DPY-4017 DPY-4018 DPY-4021 DPY-4022 DPY-3029",
        "`dsn` is not an alias, Easy Connect string or connect descriptor",
        "Write it as host:port/service_name",
    ),
    misconfigured(
        "ORA-12504",
        "no service name was sent to the listener of {where}",
        "Write it into `dsn`, as in db:1521/SERVICE",
    ),
    misconfigured(
        "ORA-65011",
        "there is no pluggable database of that name at {where}",
        "Check the service in `dsn`",
    ),
    misconfigured(
        "ORA-12505 DPY-6003",
        "the listener of {where} does not know the SID",
        "Check the SID in `dsn`; most databases want a service, as in db:1521/SERVICE",
    ),
    misconfigured(
        "DPY-2018 ORA-28759",
        "`wallet_location` contains no usable wallet",
        "Put ewallet.pem there; ewallet.p12 and cwallet.sso are for `thick_mode`",
    ),
    misconfigured("DPY-2029", "an HTTPS proxy needs TLS", "Begin `dsn` with tcps://"),
    misconfigured("DPY-4001 ORA-01005", "no password is set for {user}", "Set `password`"),
    misconfigured(
        "DPY-6002 DPY-6006 DPY-6008 DPY-6009 ORA-28860 ORA-28868 ORA-29002 ORA-29003 ORA-29024",
        "the certificate of Oracle at {where} is not the expected one",
        "Check the host in `dsn` and `wallet_location`, or its ssl_server_dn_match",
    ),
    misconfigured(
        "DPY-2056 DPY-2057",
        "the configuration store in `dsn` cannot be used",
        "Check the URL, and the rights of this job in that store",
    ),
    misconfigured(
        "DPY-2058",
        "the configuration store in `dsn` has a password in plain text, which the driver refuses",
        "Give it the type base64, or one that names a vault",
    ),
    misconfigured(
        "DPY-2059",
        "the configuration store in `dsn` has no connect_descriptor",
        "Add it, or check the key in the URL",
    ),
    misconfigured(
        "DPI-1047 DPY-2017 DPY-2019",
        "the Oracle Client libraries cannot be loaded",
        "Install the Oracle Instant Client, and set `lib_dir` to its directory",
    ),
    ErrorEntry(
        "DPY-3022 ORA-01878 ORA-01882",
        DataError,
        "a time in {table} at {where} has a time zone that cannot be read",
        "Leave its column out with `columns`",
    ),
    ErrorEntry(
        "ORA-01426 ORA-01427 ORA-01476 ORA-01489 ORA-01722 ORA-01830 ORA-01841 ORA-01843"
        " ORA-01847 ORA-01858 ORA-01861 ORA-22835 ORA-29275 ORA-31011 ORA-40441 ORA-40478",
        DataError,
        "a value in {table} at {where} cannot be converted",
        "Have the view or the value corrected, or leave its column out with `columns`",
    ),
    ErrorEntry(
        "ORA-01157 ORA-01578 ORA-26040 ORA-29913",
        DataError,
        "a part of {table} at {where} cannot be read from its file",
        "Ask the DBA to recover it",
    ),
)
