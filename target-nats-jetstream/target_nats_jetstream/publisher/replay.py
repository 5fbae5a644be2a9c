"""Sending dead letters again, once what was wrong with them is fixed.

A letter leaves its place only after the stream has acknowledged the message; one that still
cannot be published stays where it is.
"""

from __future__ import annotations

import base64
import shutil
from email.parser import BytesHeaderParser
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from target_nats_jetstream.errors import UnreachableError
from target_nats_jetstream.private_files import open_private
from target_nats_jetstream.publisher.dead_letters import from_headers, from_line
from target_nats_jetstream.publisher.inspection import ask
from target_nats_jetstream.publisher.jetstream.epoch import Epoch, EpochEnded
from target_nats_jetstream.publisher.jetstream.subjects import dead_letter_stream
from target_nats_jetstream.publisher.limits import Limits
from target_nats_jetstream.publisher.publisher import Publisher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.publisher.settings import NatsSettings

CHUNK = 100
ACK_SECONDS = 60.0


def replay_dead_letters(settings: NatsSettings) -> int:
    """Publish the dead letters of the stream and of the file that can be published now.

    Returns:
        How many were published, and removed from where they were.

    Raises:
        TargetError: NATS failed. Run it again: a letter that was published is not stored again.
    """
    publisher = Publisher(msgspec.structs.replace(settings, on_error="fail"), ())
    try:
        limits = Limits(publisher.start())
        publish = partial(_publish, publisher, limits)
        return _from_stream(settings, publish) + _from_file(
            Path(settings.dead_letter_file), publish
        )
    finally:
        publisher.close(timeout=5)


def _publish(publisher: Publisher, limits: Limits, letters: Sequence[Message]) -> list[bool]:
    """Publish those that can be published; returns for each whether it is in the stream now."""
    fit = [limits.violation(message) is None for message in letters]
    number = publisher.submit([m for m, good in zip(letters, fit, strict=True) if good])
    if not publisher.wait(number, ACK_SECONDS):
        raise publisher.failure or UnreachableError(
            f"dead letters were not acknowledged within {ACK_SECONDS:g} s", "Run it again"
        )
    return fit


def _from_stream(settings: NatsSettings, publish: Callable[[Sequence[Message]], list[bool]]) -> int:
    stream, after, total = dead_letter_stream(settings.stream), 0, 0
    while letters := ask(settings, partial(_read, stream=stream, after=after)):
        done = publish([message for _, message in letters])
        seqs = [seq for (seq, _), good in zip(letters, done, strict=True) if good]
        ask(settings, partial(_delete, stream=stream, seqs=seqs))
        after, total = letters[-1][0], total + len(seqs)
    return total


async def _read(epoch: Epoch, *, stream: str, after: int) -> list[tuple[int, Message]]:
    """The next letters after sequence ``after``; none where there is no such stream."""
    letters: list[tuple[int, Message]] = []
    while len(letters) < CHUNK:
        wanted = {"seq": after + 1, "next_by_subj": ">"}
        try:
            found = (await epoch.api(f"STREAM.MSG.GET.{stream}", wanted))["message"]
        except EpochEnded as ended:
            if ended.is_not_found:
                break
            raise
        after = found["seq"]
        headers = BytesHeaderParser().parsebytes(
            base64.b64decode(found["hdrs"]).removeprefix(b"NATS/1.0\r\n")
        )
        payload = base64.b64decode(found.get("data") or "")
        letters.append((after, from_headers(dict(headers.items()), payload)))
    return letters


async def _delete(epoch: Epoch, *, stream: str, seqs: Sequence[int]) -> None:
    for seq in seqs:
        await epoch.api(f"STREAM.MSG.DELETE.{stream}", {"seq": seq})


def _from_file(file: Path, publish: Callable[[Sequence[Message]], list[bool]]) -> int:
    if not file.exists():
        return 0
    lines = file.read_text(encoding="utf-8").splitlines()
    kept: list[str] = []
    for start in range(0, len(lines), CHUNK):
        chunk = lines[start : start + CHUNK]
        done = publish([from_line(line) for line in chunk])
        kept += [line for line, good in zip(chunk, done, strict=True) if not good]
    beside = file.with_name(f"{file.name}.tmp")
    with open_private(beside, "w", encoding="utf-8") as rest:
        rest.writelines(f"{line}\n" for line in kept)
    shutil.copymode(file, beside)
    beside.replace(file)
    return len(lines) - len(kept)
