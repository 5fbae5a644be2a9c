"""Ports that stay free while their server is away.

A port that the system gave out is also one that it gives to the next outgoing connection: when a
test kills its server and starts it again, somebody may sit there. So these lie below that range,
and a lock keeps them from the other test processes of the machine.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from collections import deque
from contextlib import suppress
from pathlib import Path

_LOWEST, _HIGHEST = 10_000, 32_768
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_KEPT = 200
"""More than any test needs at a time; the locks of older ones are given back."""
_locks: deque[int] = deque()


def free_port() -> int:
    """A port of 127.0.0.1 that no test process takes for now."""
    highest = min(_HIGHEST, int(_RANGE.read_text().split()[0])) if _RANGE.exists() else _HIGHEST
    for port in random.sample(range(_LOWEST, max(highest, 2 * _LOWEST)), 1_000):
        if _is_free(port) and _lock(port):
            return port
    msg = "no free port"
    raise OSError(msg)


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def _lock(port: int) -> bool:
    """Whether the port is ours from now on."""
    folder = Path(tempfile.gettempdir()) / f"test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    _locks.append(lock)
    if len(_locks) > _KEPT:
        os.close(_locks.popleft())
    return True
