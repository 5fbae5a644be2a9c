"""What NATS is asked, on one connection.

Rights are tried with empty messages that nobody gets: servers since 2.11 deliver none that has to
be traced only, and for older ones a header names a stream that there is not, so that none stores
it.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from target_nats_jetstream.publisher.failures import Forbidden
from target_nats_jetstream.publisher.inspection import ask_at, no_answer, unreachable
from target_nats_jetstream.publisher.jetstream.connect import Unreached
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.permissions import NO_STREAM
from target_nats_jetstream.publisher.jetstream.stored import stored_from
from target_nats_jetstream.publisher.jetstream.subjects import captures, dead_letter_stream
from target_nats_jetstream.publisher.rights import nobody, trials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_nats_jetstream.errors import TargetError
    from target_nats_jetstream.publisher.jetstream.epoch import Epoch
    from target_nats_jetstream.publisher.jetstream.stored import Stored
    from target_nats_jetstream.publisher.settings import NatsSettings

NEWEST: Final = 32
"""So many messages are looked at to see who writes."""


@dataclass(slots=True)
class Visit:
    """What was found out; what could not be asked is None.

    Args:
        server: URL of the server that was asked.
        unreached: The others of which none answered, each with the cause.
        refused: Subjects that may not be published to, in lower case.
        failure: What kept the API from being asked.
        is_deaf: Whether it is that no answer may come.
        stream: The answer to STREAM.INFO; empty where there is no such stream.
        captors: Other streams that capture the sample subject.
        letters: The answer to STREAM.INFO of the dead letters; empty where there is none.
        newest: The newest messages on our subjects.
        clock_ahead: Seconds that this machine's clock is ahead of the server's, at least; negative
            where it is behind.
    """

    server: str = ""
    version: tuple[int, int, int] = (0, 0, 0)
    max_payload: int = 0
    is_encrypted: bool = False
    unreached: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    failure: TargetError | None = None
    is_deaf: bool = False
    stream: Mapping[str, Any] | None = None
    captors: list[str] = field(default_factory=list)
    letters: Mapping[str, Any] | None = None
    newest: list[Stored] | None = None
    clock_ahead: float | None = None


def visit(settings: NatsSettings, sample: str) -> Visit:
    """Ask the first server that answers, and see whether the others do.

    Args:
        settings: Where, and as whom.
        sample: A subject that a message can have.

    Raises:
        TargetError: None can be reached, or the login is refused.
    """
    found, unreached = Visit(), list[str]()
    for server in settings.servers:
        try:
            if found.server:
                ask_at(server, settings, _look)
            else:
                found = ask_at(server, settings, partial(_Questions.ask, settings, sample))
        except Unreached as one:
            unreached.append(str(one))
    if not found.server:
        raise unreachable(unreached)
    found.unreached = unreached
    return found


async def _look(_: Epoch) -> None:
    """Ask for nothing but the login."""


class _Questions:
    """The questions to one server."""

    def __init__(self, settings: NatsSettings, sample: str, epoch: Epoch) -> None:
        self._settings = settings
        self._sample = sample
        self._epoch = epoch
        self._found = Visit(
            epoch.server, epoch.version, epoch.max_payload, is_encrypted=epoch.is_encrypted
        )

    @classmethod
    async def ask(cls, settings: NatsSettings, sample: str, epoch: Epoch) -> Visit:
        """Ask them all, as far as it is allowed."""
        questions = cls(settings, sample, epoch)
        found = questions._found
        try:
            await questions._try_rights()
            await questions._about_streams()
        except EpochEnded as ended:
            found.failure = no_answer(settings, epoch.server, ended)
            found.is_deaf = isinstance(ended.failure, Forbidden)
        return found

    async def _try_rights(self) -> None:
        own, api = trials(self._settings)
        not_stored = dict([NO_STREAM])
        unheard = nobody(self._settings)
        found = self._found
        found.refused = await self._epoch.refused([unheard], not_stored)
        if not found.refused:  # else there is nowhere to send the trace to
            traced = {"Nats-Trace-Only": "true", "Nats-Trace-Dest": unheard}
            found.refused = await self._epoch.refused([*own, *api], not_stored | traced)
        else:
            found.refused = await self._epoch.refused(api, not_stored)
        names = f"{self._settings.api_prefix}.STREAM.NAMES"  # not one that a run needs
        self._may_look_for_others = not await self._epoch.refused([names], not_stored)

    async def _about_streams(self) -> None:
        found, stream = self._found, self._settings.stream
        before = datetime.now(UTC)
        found.stream = await self._info(stream)
        after = datetime.now(UTC)
        if found.stream is None:
            return
        found.clock_ahead = _ahead(before, found.stream.get("ts"), after)
        if self._may_look_for_others:
            answer = await self._epoch.api("STREAM.NAMES", {"subject": self._sample})
            found.captors = [name for name in answer.get("streams") or () if name != stream]
        if self._settings.on_error == "dead_letter":
            found.letters = await self._info(dead_letter_stream(stream))
        if found.stream and not self._refuses(call := f"STREAM.MSG.GET.{stream}"):
            found.newest = await self._newest(call, found.stream["state"])

    async def _info(self, stream: str) -> Mapping[str, Any] | None:
        """What is said of a stream; empty where there is none, None where it may not be asked."""
        if self._refuses(call := f"STREAM.INFO.{stream}"):
            return None
        try:
            return await self._epoch.api(call)
        except EpochEnded as ended:
            if ended.is_not_found:
                return {}
            raise

    async def _newest(self, call: str, state: Mapping[str, Any]) -> list[Stored]:
        first, last = max(state["first_seq"], 1), state["last_seq"]
        sequences = range(max(first, last + 1 - NEWEST), last + 1)
        asked = (self._message(call, sequence) for sequence in sequences)
        return [one for one in await asyncio.gather(*asked) if one is not None]

    async def _message(self, call: str, sequence: int) -> Stored | None:
        """A message on one of our subjects; None for another, and for one that is gone."""
        try:
            answer = (await self._epoch.api(call, {"seq": sequence}))["message"]
        except EpochEnded as ended:
            if ended.is_not_found:
                return None
            raise
        ours = self._settings.stream_subjects
        if not any(captures(pattern, answer["subject"]) for pattern in ours):
            return None
        return stored_from(sequence, base64.b64decode(answer.get("hdrs") or ""))

    def _refuses(self, call: str) -> bool:
        """Whether the right is missing, under whichever prefix the server knows it."""
        return any(subject.endswith(f".{call.lower()}") for subject in self._found.refused)


def _ahead(before: datetime, at: str | None, after: datetime) -> float | None:
    """How far this machine's clock is ahead of the server's, which read ``at`` between the two."""
    if at is None:  # servers before 2.10
        return None
    told = datetime.fromisoformat(at)
    behind, ahead = (told - after).total_seconds(), (before - told).total_seconds()
    return ahead if ahead > 0 else -max(behind, 0)
