"""The command ``target-nats-jetstream``: every failure is one line on stderr and an exit code."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys

import click

from target_nats_jetstream.errors import ConfigurationError, TargetError, call_stack, unexpected
from target_nats_jetstream.standard_streams import (
    close_stdout,
    is_of_stdout,
    keep_numbers,
    why_unwritable,
)
from target_nats_jetstream.status.command import failed

logger = logging.getLogger("target_nats_jetstream")

#: Objects made before Python looks for cycles. Records are many, live a moment and are in no cycle.
UNCOLLECTED = 100_000
#: How long a thread may keep the other one waiting (seconds). Reading never pauses: with Python's
#: default of 5 ms nats-server would run out of messages while the publisher waits for its turn.
SWITCH_SECONDS = 0.0005


def main() -> None:
    """Run the command line.

    Raises:
        SystemExit: 0 done, 1 other, 2 configuration or usage, 3 login or rights, 4 unreachable,
            5 data, 130 and 143 after a signal.
    """
    keep_numbers()
    gc.set_threshold(UNCOLLECTED)
    sys.setswitchinterval(SWITCH_SECONDS)
    code = 1
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # before a run there is nothing to save
    try:
        code = _run()
    except Exception as error:  # noqa: BLE001 - reported below
        known = _explained(error)
        logger.error("%s", known)  # noqa: TRY400 - one line
        logger.debug("where it happened: %s", call_stack(error))
        code = failed(sys.argv[1:], known)
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_IGN)  # it is ending already
        close_stdout()
        gc.freeze()  # Python would look for cycles in all that is imported, a fifth of a short run
    sys.exit(code)


def _explained(error: Exception) -> TargetError:
    if isinstance(error, click.ClickException):
        return ConfigurationError(error.format_message(), "See --help")
    if isinstance(error, OSError) and is_of_stdout(error):
        reason = f"cannot write to stdout: {why_unwritable(error)}"
        return TargetError(reason, "Check where the output goes")
    return error if isinstance(error, TargetError) else unexpected(error)


def _run() -> int:
    from target_nats_jetstream.target import TargetNatsJetstream  # noqa: PLC0415

    try:
        command = TargetNatsJetstream.cli  # sets up the log
    except Exception as error:
        logger.disabled = False  # as half of a configuration may leave it
        raise _no_log(error) from error
    if not logger.isEnabledFor(logging.DEBUG):
        logging.getLogger(TargetNatsJetstream.name).setLevel(logging.WARNING)  # SDK chatter
    return command.main(standalone_mode=False) or 0


def _no_log(error: Exception) -> TargetError:
    """Which variable of the environment keeps the log from being set up."""
    for name in ("TARGET_NATS_JETSTREAM_LOGLEVEL", "LOGLEVEL"):
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
