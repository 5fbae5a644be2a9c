"""What an error of the driver means for the reader, and what the operator can do about it.

The driver wraps one error into another (every failure to connect is a DPY-6005), so the whole chain
of causes is read, and the innermost code that is in `error_table.py` decides. The driver is not
imported. Its own texts are repeated only for codes that are not in the table, as they may quote a
connect string.
"""

from __future__ import annotations

import re
import socket
import ssl
from typing import TYPE_CHECKING

from tap_oracle_txlog.errors import DataError, TapError
from tap_oracle_txlog.oracle.error_table import (
    ERROR_TABLE,
    ErrorEntry,
    RightMissingError,
    lost,
    misconfigured,
)
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["RightMissingError", "classify", "not_visible"]

WITHOUT_CODE: tuple[tuple[type[Exception], ErrorEntry], ...] = (
    (
        UnicodeDecodeError,
        ErrorEntry(
            "",
            DataError,
            "a text in {table} at {where} is not in the character set of the database",
            "Have it corrected, or leave its column out with `columns`",
        ),
    ),
    (
        socket.gaierror,
        lost("", "the host of {where} cannot be found", "Check `dsn` and DNS"),
    ),
    (
        ssl.SSLCertVerificationError,
        misconfigured(
            "",
            "the certificate of Oracle at {where} cannot be verified",
            "Check `wallet_location`, and ssl_server_dn_match in `dsn`",
        ),
    ),
    (
        ssl.SSLError,
        misconfigured(
            "",
            "the TLS handshake with Oracle at {where} failed",
            "Check protocol and port in `dsn`, and the wallet",
        ),
    ),
    (OSError, lost("", "cannot reach Oracle at {where}", "Check `dsn` and firewall")),
)
"""For the innermost cause, where it is not an error of the driver; the first match decides."""

_BY_CODE: Mapping[str, ErrorEntry] = {
    code: entry for entry in ERROR_TABLE for code in entry.codes.split()
}
_CONNECTING = "DPY-6005"
_WRAPPERS = {"DPY-5005", "DPY-6000", "ORA-12801", _CONNECTING}
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
    entry, detail = _known(codes, chain[-1])
    if entry is None:
        return _unknown(error, names)
    found = _error_from(entry, detail, names)
    return found if entry.then is None else entry.then(found)


def not_visible(names: Mapping[str, str]) -> TapError:
    """The error of a table of which the dictionary says nothing."""
    return _error_from(_BY_CODE["ORA-00942"], "no columns", names)


def _error_from(entry: ErrorEntry, detail: str, names: Mapping[str, str]) -> TapError:
    reason = f"{entry.reason.format_map(names)} ({detail})"
    return entry.error(reason, entry.remedy.format_map(names))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, innermost last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _known(codes: list[str], innermost: BaseException) -> tuple[ErrorEntry | None, str]:
    """The most telling entry: of a code, else of the innermost cause, else of what wraps it."""
    known = [code for code in codes if code in _BY_CODE]
    wrappers = _WRAPPERS | ({"DPY-4011"} if _CONNECTING in known else set())
    for code in reversed(known):
        if code not in wrappers:
            return _BY_CODE[code], code
    for kind, entry in WITHOUT_CODE:
        if isinstance(innermost, kind):
            return entry, _of_system(innermost)
    return (_BY_CODE[known[-1]], known[-1]) if known else (None, "")


def _of_system(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).lower()


def _unknown(error: BaseException, names: Mapping[str, str]) -> TapError | SourceLostError:
    text = _HELP.sub("", str(error)) or type(error).__name__
    found = TapError(
        f"Oracle at {names['where']} fails: {text}", "Look the code up, or ask the DBA"
    )
    is_recoverable = getattr(error.args[0] if error.args else None, "isrecoverable", False)
    return SourceLostError(found) if is_recoverable else found
