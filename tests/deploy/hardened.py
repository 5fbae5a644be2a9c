"""Runs a command under what a unit says of memory and system calls, without systemd.

python -m tests.deploy.hardened UNIT COMMAND…
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys

from tests.deploy.environments import unit

PR_SET_NO_NEW_PRIVS, PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 38, 65, 1
SCMP_ACT_KILL_PROCESS, SCMP_ACT_ALLOW = 0x80000000, 0x7FFF0000


def allowed(name: str) -> set[str]:
    """The system calls that the unit leaves, in the order of its lines."""
    found: set[str] = set()
    for line in (value for key, value in unit(name) if key == "SystemCallFilter"):
        calls = {call for group in line.removeprefix("~").split() for call in _calls(group)}
        found = found - calls if line.startswith("~") else found | calls
    return found


def _calls(group: str) -> set[str]:
    """What systemd means by such a group, and by those in it."""
    told = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", group],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    words = [line.strip() for line in told.splitlines()[1:]]
    calls = {word for word in words if re.fullmatch(r"\w+", word)}
    return calls.union(*(_calls(word) for word in words if word.startswith("@")))


def restrict(name: str) -> None:
    """Restrict this process and its children as the unit does; nothing can undo it."""
    libc = ctypes.CDLL(None, use_errno=True)
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    settings = dict(unit(name))
    if settings["MemoryDenyWriteExecute"] == "yes":
        assert libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(SCMP_ACT_KILL_PROCESS))
    for call in allowed(name):
        number = seccomp.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            assert seccomp.seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0) == 0
    assert seccomp.seccomp_load(context) == 0


if __name__ == "__main__":
    restrict(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - that is what it is for
