"""The one place of the tests that sleeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def wait_until(condition: Callable[[], bool], *, seconds: float = 120, what: str = "") -> None:
    """Return as soon as ``condition()`` holds; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            msg = f"after {seconds} s still not: {what or condition}"
            raise AssertionError(msg)
        time.sleep(0.01)
