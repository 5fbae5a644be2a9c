"""Opens one connection to Oracle, within a deadline, and prepares its session.

The driver's own timeout covers the TCP connection only: a listener that accepts and stays silent
would hold it for ever. What the connection is used for is not known here.
"""

from __future__ import annotations

import importlib
import threading
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import oracledb

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle.session import SESSION
from tap_oracle_txlog.oracle.settings import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_oracle_txlog.oracle.settings import OracleSettings

CLOSE_SECONDS = 2.0
STORES = ("aws", "azure", "gcp", "oci")
"""Where the driver's plugins look up address and login; each is an extra of this package."""


def connect(settings: OracleSettings) -> oracledb.Connection:
    """A connection whose session is in UTC and says to the DBA who it is.

    Raises:
        TimeoutError: There was no answer within ``connect_timeout``.
        oracledb.Error, OSError: As the driver has it.
        ConfigurationError: Something that the settings need is not installed.
    """
    if settings.thick_mode:
        oracledb.init_oracle_client(lib_dir=settings.lib_dir, config_dir=settings.config_dir)
    else:  # not left to the first connect to settle: until that one ends, others would wait
        oracledb.enable_thin_mode()  # type: ignore[no-untyped-call]  # the driver's own
    _load_provider(settings.dsn or "")
    return _in_time(partial(_open, settings), settings.connect_timeout)


def close(connection: oracledb.Connection) -> None:
    """Log off, if the server still listens; never raises, never waits for long."""
    with suppress(oracledb.Error, OSError):
        if connection.is_healthy():  # on a lost one, setting a timeout crashes the driver (26.1)
            connection.call_timeout = round(CLOSE_SECONDS * 1000)
        connection.close()


def _open(settings: OracleSettings) -> oracledb.Connection:
    connection = oracledb.connect(**settings.connect_arguments())
    try:
        connection.module = PROGRAM
        connection.action = settings.table_name.label[:32]
        connection.client_identifier = PROGRAM
        with connection.cursor() as cursor:
            cursor.execute(SESSION.text)
    except BaseException:
        close(connection)
        raise
    connection.call_timeout = round(settings.call_timeout * 1000)
    return connection


def _in_time(attempt: Callable[[], oracledb.Connection], seconds: float) -> oracledb.Connection:
    """``attempt`` in a thread that is left behind if it does not come back in time.

    A connection that comes too late is dropped with the thread, and then the driver logs it off.
    """
    outcome: Future[oracledb.Connection] = Future()

    def run() -> None:
        try:
            outcome.set_result(attempt())
        except Exception as error:  # noqa: BLE001  # it is raised in the thread that waits
            outcome.set_exception(error)

    threading.Thread(target=run, name="oracle-connect", daemon=True).start()
    wait([outcome], timeout=seconds)
    if not outcome.done():
        msg = f"nothing within {seconds:g} s"
        raise TimeoutError(msg)
    return outcome.result()


def _load_provider(dsn: str) -> None:
    """Import the driver's plugin for a store that ``config-azure://`` and the like name."""
    store = next((name for name in STORES if dsn.startswith(f"config-{name}")), None)
    if store is None:
        return
    try:
        importlib.import_module(f"oracledb.plugins.{store}_config_provider")
    except ImportError as cause:
        reason = f"`dsn` names a store of {store}, whose client is not installed: {cause.name}"
        raise ConfigurationError(reason, f"Install tap-oracle-txlog[{store}]") from cause
