"""Making one check: whatever becomes of it is a finding, and hides no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_nats_jetstream.diagnosis import Finding, failed
from target_nats_jetstream.errors import AccessDeniedError, TargetError, place_of

if TYPE_CHECKING:
    from collections.abc import Callable


def made(check: Callable[[], Finding], *, fix: Callable[[], str] = str) -> Finding:
    """What the check found, or what became of it.

    Args:
        check: Asks and judges.
        fix: The command that grants what is missing, where a right is.
    """
    try:
        return check()
    except AccessDeniedError as error:
        return failed(error.reason, error.remedy, type(error), fix())
    except TargetError as error:
        return failed(error.reason, error.remedy, type(error))
    except Exception as error:  # noqa: BLE001 - one check must not hide the others
        return failed(f"the check fails: {place_of(error)}", "Report it", TargetError)
