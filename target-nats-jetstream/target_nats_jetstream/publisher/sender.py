"""The reconnect loop: delivers in epoch after epoch, until it is stopped.

The modes know the wire, ``failures`` knows what a failure means, ``Outstanding`` knows the order.
What is left to decide here is when to connect again and when to give up.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from typing import TYPE_CHECKING

import nats.errors

from target_nats_jetstream.errors import UnreachableError
from target_nats_jetstream.publisher.backoff import Backoff
from target_nats_jetstream.publisher.dead_letters import DeadLetters
from target_nats_jetstream.publisher.failures import (
    Action,
    Lost,
    Mismatch,
    Refused,
    Rewound,
    verdict_on,
)
from target_nats_jetstream.publisher.jetstream.connect import Unreached, error_text
from target_nats_jetstream.publisher.jetstream.epoch import Epoch
from target_nats_jetstream.publisher.jetstream.lifetime import EpochEnded
from target_nats_jetstream.publisher.jetstream.read_back import stored_after
from target_nats_jetstream.publisher.jetstream.stream import (
    check_subjects,
    find_stream,
    read_stream_info,
)
from target_nats_jetstream.publisher.jetstream.wire import pipeline_line
from target_nats_jetstream.publisher.limits import Limits, Violation
from target_nats_jetstream.publisher.log import format_duration, log_mode, warn_of_duplicates
from target_nats_jetstream.publisher.modes.atomic import Atomic
from target_nats_jetstream.publisher.modes.choice import choose_mode, singly_mode
from target_nats_jetstream.publisher.modes.fast import Fast
from target_nats_jetstream.publisher.modes.window import Window
from target_nats_jetstream.publisher.recall import digest_of, reads_back, recall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_nats_jetstream.errors import TargetError
    from target_nats_jetstream.publisher.failures import Failure, Verdict
    from target_nats_jetstream.publisher.intake import Intake
    from target_nats_jetstream.publisher.jetstream.stream_info import StreamInfo
    from target_nats_jetstream.publisher.known import Known
    from target_nats_jetstream.publisher.settings import NatsSettings

MIN_TRY_SECONDS = 2.0
"""The least time for one try to connect."""

logger = logging.getLogger(__name__)


class Sender:
    """Delivers ``intake`` to the stream.

    Args:
        settings: Where to, and how.
        intake: What is to be delivered.
        subjects: Subjects that the messages will have; they must reach the stream.
        wake: Set by the caller's thread when there is something new.
        on_start: Called once, with what the server first says of the stream.
    """

    def __init__(
        self,
        settings: NatsSettings,
        intake: Intake,
        subjects: Sequence[str],
        wake: asyncio.Event,
        on_start: Callable[[StreamInfo], None],
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._subjects = subjects
        self._wake = wake
        self._on_start = on_start
        self._started = False
        self._began = 0.0
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._epoch: Epoch | None = None
        self._servers = deque(settings.servers)
        self._refused: dict[str, str] = {}
        self._why_atomic = ""
        self._singly_until = 0
        self._batch_size = settings.batch_size
        self._last_failure: Failure | None = None
        self._backoff = Backoff(
            settings.connect_timeout, delays=settings.backoff, chance=random.random
        )
        self.mode = ""
        """The mode in use; empty before the first connection."""

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, and the stream was found."""
        epoch = self._epoch
        return self._started and epoch is not None and not epoch.is_over

    def stop(self) -> None:
        """End ``run``; what is in flight is left to the next run."""
        self._stopping = True
        out = self._intake.outstanding
        if self._epoch is not None and out.floor < out.end:
            self._epoch.end(Lost("stopped"))  # within publish(), nats-py swallows a cancellation
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Deliver until stopped.

        Raises:
            TargetError: It cannot go on.
        """
        self._task = asyncio.current_task()
        self._began = asyncio.get_running_loop().time()
        try:
            while not self._stopping:
                before = self._intake.achieved
                ended = await self._run_epoch()
                await self._recover(ended, moved=self._intake.achieved > before)
        except asyncio.CancelledError:
            if not self._stopping:
                raise

    async def _recover(self, ended: EpochEnded, *, moved: bool) -> None:
        """Do what the verdict says, and wait where only time can help."""
        clock = asyncio.get_running_loop().time
        again = ended.failure == self._last_failure and not moved
        self._last_failure = ended.failure
        if moved:
            self._backoff.progress()
            self._batch_size = min(self._batch_size * 2, self._settings.batch_size)
        verdict = self._act_on(ended, again=again)
        if verdict.action is not Action.RESEND and not again and self._backoff.is_free():
            return
        wait = self._backoff.failed(clock(), since=None if self._started else self._began)
        if wait is None:
            raise self._gave_up(verdict, clock())
        if self._backoff.tries == 1 and not self._stopping:
            limit = format_duration(self._backoff.limit)
            logger.warning("NATS: %s; trying again for %s", verdict.why, limit)
        await asyncio.sleep(wait)

    # One epoch

    async def _run_epoch(self) -> EpochEnded:
        """One connection, from the first try to its end."""
        settings, intake = self._settings, self._intake
        server = self._servers[0]
        self._servers.rotate(-1)  # the next try goes to the next one
        seconds = max(MIN_TRY_SECONDS, settings.connect_timeout / 2 / len(self._servers))
        seconds = min(seconds, settings.connect_timeout)
        try:
            self._epoch = epoch = await Epoch.open(settings, server, seconds, self._wake)
        except Unreached as unreached:
            return EpochEnded(Lost(unreached.cause))
        try:
            intake.counts.epochs += 1
            self._servers += [url for url in epoch.discovered if url not in self._servers]
            await self._deliver(epoch, await self._prepare(epoch))
        except EpochEnded as ended:
            epoch.end(ended.failure, ended.start, ended.end)
        except (OSError, nats.errors.Error) as error:
            epoch.end(Lost(error_text(error)))
        finally:
            await epoch.close()
            self._epoch = None
        if isinstance(epoch.ended_by.failure, Lost) and not self._stopping:
            intake.counts.outages += 1
        return epoch.ended_by

    async def _prepare(self, epoch: Epoch) -> StreamInfo:
        """Read the stream's state again, and reconcile what the last epoch left in doubt."""
        settings, intake = self._settings, self._intake
        epoch.permissions.spellings.update(self._subjects)
        if not self._started:
            info = await find_stream(epoch, settings)
            await check_subjects(epoch, info, self._subjects)
            await epoch.try_rights(info)
            warn_of_duplicates(settings, info)
            intake.begin(info.last_seq)
        else:
            info = await read_stream_info(epoch, settings.stream)
            if info.last_seq < intake.last_seq:
                raise EpochEnded(Rewound(info.last_seq, intake.last_seq))
            if intake.in_doubt_until > intake.outstanding.floor and info.keeps_what_is_read:
                ours = settings.stream_subjects
                stored = await stored_after(epoch, info, ours, intake.last_seq)
                intake.reconcile(stored, keeps_last=info.max_msgs_per_subject == 1)
        choice = choose_mode(settings.publish_mode, info, self._refused, self._why_atomic)
        if choice.mode != self.mode:
            self.mode = choice.mode
            log_mode(settings.publish_mode, choice, info)
        if not self._started:
            self._started = True
            self._backoff.limit = settings.max_outage
            self._backoff.progress()
            self._on_start(info)
        return info

    async def _deliver(self, epoch: Epoch, info: StreamInfo) -> None:
        """Publish until the epoch is over."""
        settings, intake, out = self._settings, self._intake, self._intake.outstanding
        if intake.is_idle:  # to be connected is all that is wanted
            self._backoff.progress()
        dead_letters = DeadLetters(settings, epoch)
        limits = Limits(info, pipeline_line(intake.pipeline))
        intake.begin_epoch(limits)

        async def refill() -> None:
            if intake.queue and intake.known is None:
                intake.known = await self._known(epoch)
            intake.take(limits)
            await self._compare_suspects(epoch)
            while intake.dead_letters:
                await dead_letters.store(intake.dead_letters[0])
                intake.dead_letter_stored(intake.dead_letters.popleft())

        def window(mode: str) -> Window:
            limit = 1 if mode == "sync" else settings.max_in_flight
            return Window(epoch, intake, refill, stream=info.stream, limit=limit)

        if out.floor < self._singly_until:
            await window(singly_mode(info)).pump(self._singly_until)
        match self.mode:
            case "fast":
                await Fast(
                    epoch,
                    intake,
                    refill,
                    info,
                    limit=settings.max_in_flight,
                    lingers=isinstance(self._last_failure, Mismatch),
                    watches_pace=settings.publish_mode == "auto" and not self._why_atomic,
                ).pump()
            case "atomic":
                await Atomic(epoch, intake, refill, info, limit=self._batch_size).pump()
            case mode:
                await window(mode).pump()

    async def _compare_suspects(self, epoch: Epoch) -> None:
        """See whether the ids that are known to the server are those of the same records."""
        suspects = self._intake.suspects
        while suspects:
            digest = await digest_of(epoch, self._settings.stream, suspects[0])
            self._intake.compare(suspects[0], digest)
            suspects.popleft()

    async def _known(self, epoch: Epoch) -> Known:
        """What a run before this one may have stored without its STATE."""
        settings, intake = self._settings, self._intake
        info = await read_stream_info(epoch, settings.stream)
        intake.is_blind = not reads_back(settings, info)
        return await recall(epoch, info, settings, intake.pipeline, intake.past)

    # Its end

    def _act_on(self, ended: EpochEnded, *, again: bool) -> Verdict:
        intake, failure, messages = self._intake, ended.failure, ended.end - ended.start
        verdict = verdict_on(failure, stream=self._settings.stream, messages=messages, again=again)
        epoch, action = intake.counts.epochs, verdict.action
        logger.debug("epoch %d ended: %s (%s)", epoch, verdict.why, action.name)
        if not (self.mode == "atomic" and isinstance(failure, Refused) and failure.code < 500):
            # Only an atomic batch that was refused is certainly not stored.
            intake.mark_in_doubt(intake.sent)
        match action:
            case Action.STOP if verdict.error is not None:
                raise verdict.error
            case Action.DEAD_LETTER:
                intake.dead_letter(ended.start, Violation("refused", verdict.why))
            case Action.SINGLY:
                self._singly_until = ended.end
            case Action.PREFER_ATOMIC:
                self._singly_until, self._why_atomic = ended.end, verdict.why
            case Action.SMALLER:
                self._batch_size = max(1, min(self._batch_size, messages) // 2)
            case Action.FALL_BACK:
                self._refused[self.mode] = verdict.why
        return verdict

    def _gave_up(self, verdict: Verdict, now: float) -> TargetError:
        tried = f"{self._backoff.tries} tries in {format_duration(self._backoff.lasted(now))}"
        if verdict.error is not None:
            return type(verdict.error)(f"{verdict.error.reason} ({tried})", verdict.error.remedy)
        servers = ", ".join(self._settings.servers)
        return UnreachableError(
            f"cannot reach NATS at {servers}: {verdict.why}, {tried}",
            "Start the server or set `servers`. The next run resends unacknowledged messages",
        )
