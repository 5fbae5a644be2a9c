"""The file of dead letters, which running targets and a replay share: one JSON object a line.

A writer locks the file for one line. A replay locks it only at its end, when it puts a file with
the lines that stay in the place of the old one, in one step: a kill at any moment loses none.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import contextmanager
from itertools import islice
from typing import IO, TYPE_CHECKING

from target_nats_jetstream.errors import ConfigurationError, DataError
from target_nats_jetstream.private_files import open_private
from target_nats_jetstream.publisher.letters import from_line, to_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from target_nats_jetstream.publisher.intake import DeadLetter
    from target_nats_jetstream.publisher.letters import StoredLetter

    Take = Callable[[Sequence[StoredLetter | None]], Sequence[bool]]

CHUNK = 100


def append(file: Path, letter: DeadLetter) -> None:
    """Append one line to the file, down to the disk.

    Raises:
        DataError: It cannot be written.
    """
    try:
        with _locked(file, "a+b") as end:
            end.write(_line_break_after(end) + to_line(letter).encode())
            end.flush()
            os.fsync(end.fileno())
    except OSError as error:
        reason = f"dead letter {letter.message.id} cannot be written to {file}: {error.strerror}"
        raise DataError(reason, "Set `dead_letter_file` to a file that can be written") from error


def _line_break_after(file: IO[bytes]) -> bytes:
    """What is missing where the machine has gone down in the middle of a line."""
    if not file.seek(0, os.SEEK_END):
        return b""
    file.seek(-1, os.SEEK_END)
    return b"" if file.read() == b"\n" else b"\n"


def count_in(file: Path) -> int:
    """How many dead letters the file holds; none where it is not there.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        with file.open("rb") as lines:
            return sum(1 for line in lines if line.strip())
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise _unusable(file, error) from error


def take_out(file: Path, take: Take) -> None:
    """Hand the letters to ``take``, and remove those for which it returns true.

    Where another replay has changed the file meanwhile, it stays as that one has left it.

    Raises:
        ConfigurationError: It is a folder, a pipe or a device, or cannot be read or replaced.
    """
    file = file.resolve()  # the file is replaced, and not a link to it
    if not file.exists():
        return
    if not file.is_file():
        reason = f"`dead_letter_file` {file} is not a regular file, so it cannot be replayed"
        raise ConfigurationError(reason, "Set it to the file that the target has written")
    try:
        with file.open("rb") as lines:
            _take_out(file, lines, take)
    except OSError as error:
        raise _unusable(file, error) from error


def _take_out(file: Path, lines: IO[bytes], take: Take) -> None:
    kept: list[bytes] = []
    present = _lines_before(os.fstat(lines.fileno()).st_size, lines)
    try:
        while chunk := list(islice(present, CHUNK)):
            kept += chunk
            gone = take([from_line(line) for line in chunk])
            kept[-len(chunk) :] = [line for line, out in zip(chunk, gone, strict=True) if not out]
    finally:
        with _locked(file, "ab") as now:
            if os.path.sameopenfile(now.fileno(), lines.fileno()):
                _replace(file, [*kept, *lines])


def _lines_before(end: int, file: IO[bytes]) -> Iterator[bytes]:
    """The lines that were there at the start: what comes meanwhile is for the next replay."""
    while file.tell() < end:
        yield file.readline()


def _replace(file: Path, lines: Sequence[bytes]) -> None:
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)  # what a kill has left, or a link to somewhere else
    with open_private(new, "xb") as opened:
        opened.writelines(line.removesuffix(b"\n") + b"\n" for line in lines)
        opened.flush()
        os.fsync(opened.fileno())
    shutil.copymode(file, new)
    new.replace(file)


@contextmanager
def _locked(file: Path, mode: str) -> Iterator[IO[bytes]]:
    """Open the file, which stays in its place until it is closed."""
    while True:
        with open_private(file, mode) as opened:
            fcntl.flock(opened, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(opened.fileno()), file.stat()):
                yield opened
                return


def _unusable(file: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"dead letters in {file} cannot be read or taken out: {error.strerror}",
        "Make `dead_letter_file` and its folder readable and writable",
    )
