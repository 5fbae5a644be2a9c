"""stdin, stdout and stderr: whoever starts a program may have closed one of them.

The system gives a number that is free to what is opened next, so a connection could be taken for
the input.
"""

from __future__ import annotations

import errno
import os
import sys

STDOUT, STDERR = 1, 2
_UNWRITABLE = {errno.EBADF, errno.EPIPE, errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def keep_numbers() -> None:
    """Have all three numbers taken; where one was not, there is nothing to read or to write."""
    while (number := os.open(os.devnull, os.O_RDONLY)) <= STDERR:
        os.set_inheritable(number, True)
    os.close(number)
    if sys.stdout is None:
        sys.stdout = open(STDOUT, "w", closefd=False)  # noqa: SIM115 - for as long as the process


def is_of_stdout(error: Exception) -> bool:
    """Whether an error that nobody has explained says that stdout cannot be written to."""
    return isinstance(error, OSError) and error.filename is None and error.errno in _UNWRITABLE


def why_unwritable(error: OSError) -> str:
    """Why stdout cannot be written to."""
    is_closed = error.errno in {errno.EBADF, errno.EPIPE}
    return "stdout is closed" if is_closed else str(error.strerror)


def close_stdout() -> None:
    """Keep Python from complaining at exit about a closed pipe or a full disk."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
