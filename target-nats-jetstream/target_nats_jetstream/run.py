"""A run, from the first line of its input to its exit code."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, NoReturn

from target_nats_jetstream.errors import TargetError, call_stack, unexpected
from target_nats_jetstream.reader import discard
from target_nats_jetstream.stop import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_nats_jetstream.assembly import Assembly
    from target_nats_jetstream.stop import Stop

logger = logging.getLogger(__name__)

#: How long a failing target goes on reading its input before it exits (seconds).
DISCARD_SECONDS = 2.0


def to_its_end(
    listen: Callable[[], None], assembly: Assembly, stop: Stop, *, from_stdin: bool
) -> None:
    """Read the input; after a signal or a failure keep what was acknowledged.

    Args:
        listen: Reads to the end of the input.
        assembly: Knows where messages go, once there are any.
        stop: Is installed meanwhile.
        from_stdin: Whether there is a tap, which would fail by itself if nobody read any more.

    Raises:
        SystemExit: 128 + signal after a signal, the error's exit code after a failure.
    """
    with stop.installed():
        try:
            listen()
        except Stopped as stopped:
            if (destination := assembly.made) is not None:
                seconds = assembly.settings.target.shutdown_timeout
                destination.stop_by_signal(stopped.signum, seconds)
            raise SystemExit(128 + stopped.signum) from None
        except Exception as error:  # noqa: BLE001 - reported below
            logger.debug("where it happened: %s", call_stack(error))
            known = error if isinstance(error, TargetError) else unexpected(error)
            _fail(known, assembly, stop, from_stdin=from_stdin)
        finally:
            if (destination := assembly.made) is not None:
                destination.close()


def _fail(error: TargetError, assembly: Assembly, stop: Stop, *, from_stdin: bool) -> NoReturn:
    if (destination := assembly.made) is not None:
        destination.fail(error)
    logger.error("%s", error)
    if from_stdin:
        with contextlib.suppress(Stopped):
            discard(0, stop.readable, time.monotonic() + DISCARD_SECONDS)
    raise SystemExit(error.exit_code) from None
