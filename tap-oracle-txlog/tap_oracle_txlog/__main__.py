"""The command ``tap-oracle-txlog``: every failure is one line on stderr and an exit code."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from tap_oracle_txlog.errors import ConfigurationError, TapError, call_stack, unexpected
from tap_oracle_txlog.standard_streams import (
    close_stdout,
    is_of_stdout,
    keep_numbers,
    why_unwritable,
)
from tap_oracle_txlog.stop import Stop, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("tap_oracle_txlog")

#: Objects made before Python looks for cycles. A page is tens of thousands that live a moment and
#: are in no cycle; with the default of 700 a third of the time of a run goes into looking at them.
UNCOLLECTED = 100_000


def main() -> None:
    """Run the command line; raises as ``run``."""
    run(lambda: logged_command().main(standalone_mode=False) or 0)


def run(command: Callable[[], int]) -> NoReturn:
    """Run a command of this package to its end, which is that of the process.

    Raises:
        SystemExit: 0 done, 1 other, 2 configuration or usage, 3 login or rights, 4 unreachable,
            5 data, 6 a backfill that is not complete yet, 130 and 143 after a signal.
    """
    keep_numbers()
    gc.set_threshold(UNCOLLECTED)
    code = 1
    try:
        with Stop().installed():
            code = command()
    except Stopped as stopped:
        code = 128 + stopped.signum
    except click.ClickException as error:
        known = ConfigurationError(error.format_message(), "See --help")
        logger.error("%s", known)  # noqa: TRY400 - one line
        code = known.exit_code
    except TapError as error:
        logger.error("%s", error)  # noqa: TRY400 - one line
        code = error.exit_code
        logger.debug("where it happened: %s", call_stack(error))
    except Exception as error:  # noqa: BLE001 - reported below
        logger.error("%s", _explained(error))  # noqa: TRY400 - one line
        logger.debug("where it happened: %s", call_stack(error))
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_IGN)  # it is ending already
        close_stdout()
        gc.freeze()  # Python would look for cycles in all that is imported, a fifth of a short run
    sys.exit(code)


def _explained(error: Exception) -> TapError:
    if isinstance(error, OSError) and is_of_stdout(error):
        reason = f"cannot write to stdout: {why_unwritable(error)}"
        return TapError(reason, "Check where the output goes")
    return unexpected(error)


def logged_command() -> click.Command:
    """The command line of the tap; the log is set up by the SDK as soon as this is there.

    Raises:
        ConfigurationError: It cannot be set up.
    """
    from tap_oracle_txlog.tap import TapOracleTxlog  # noqa: PLC0415

    try:
        command = TapOracleTxlog.cli  # sets up the log
    except Exception as error:
        logger.disabled = False  # as half of a configuration may leave it
        raise _no_log(error) from error
    if not logger.isEnabledFor(logging.DEBUG):
        logging.getLogger(TapOracleTxlog.name).setLevel(logging.WARNING)  # the SDK's own chatter
    return command


def _no_log(error: Exception) -> TapError:
    """Which variable of the environment keeps the log from being set up."""
    for name in ("TAP_ORACLE_TXLOG_LOGLEVEL", "LOGLEVEL"):
        if (os.environ.get(name) or "INFO").upper() not in logging.getLevelNamesMapping():
            reason = f"`{name}` is not the name of a level"
            return ConfigurationError(reason, "Set DEBUG, INFO, WARNING or ERROR")
    if "SINGER_SDK_LOG_CONFIG" not in os.environ:
        return unexpected(error)
    cause = error.__cause__ or error
    reason = f"cannot use the file in SINGER_SDK_LOG_CONFIG: {cause}"
    return ConfigurationError(reason, "Create the folders of its log files, or correct it")


if __name__ == "__main__":
    main()
