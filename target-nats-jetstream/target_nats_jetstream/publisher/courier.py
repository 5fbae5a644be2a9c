"""The loop that delivers: epoch after epoch, obeying the verdicts, until it is stopped.

Modes know the wire, ``judge`` knows the meaning, ``Outstanding`` knows the order. What is left to
decide here is when to connect again and when to give up.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from typing import TYPE_CHECKING

import nats.errors

from target_nats_jetstream.errors import UnreachableError
from target_nats_jetstream.publisher.atomic import Atomic
from target_nats_jetstream.publisher.connect import Unreached, words
from target_nats_jetstream.publisher.dead_letters import DeadLetters
from target_nats_jetstream.publisher.epoch import Doubt, Epoch
from target_nats_jetstream.publisher.facts import Fitness, Unfit, choose_mode, singly_mode
from target_nats_jetstream.publisher.fast import Fast
from target_nats_jetstream.publisher.judge import Action, Lost, Refused, Rewound, judge
from target_nats_jetstream.publisher.notices import (
    reads_back,
    span,
    tell_mode,
    warn_of_duplicates,
)
from target_nats_jetstream.publisher.patience import Patience
from target_nats_jetstream.publisher.read_back import stored_after
from target_nats_jetstream.publisher.recall import digest_of, recall
from target_nats_jetstream.publisher.stream import check_subjects, find_stream, read_facts
from target_nats_jetstream.publisher.window import Window
from target_nats_jetstream.publisher.wire import pipeline_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_nats_jetstream.errors import TargetError
    from target_nats_jetstream.publisher.facts import StreamFacts
    from target_nats_jetstream.publisher.judge import Failure, Verdict
    from target_nats_jetstream.publisher.known import Known
    from target_nats_jetstream.publisher.settings import NatsSettings
    from target_nats_jetstream.publisher.work import Work

MIN_TRY_SECONDS = 2.0
"""The least time for one try to connect."""

logger = logging.getLogger(__name__)


class Courier:
    """Delivers ``work`` to the stream.

    Args:
        settings: Where to, and how.
        work: What is to be delivered.
        subjects: Subjects that the messages will have; they must reach the stream.
        wake: Set by the caller's thread when there is new work.
        on_start: Called once, with the first facts of the stream.
    """

    def __init__(
        self,
        settings: NatsSettings,
        work: Work,
        subjects: Sequence[str],
        wake: asyncio.Event,
        on_start: Callable[[StreamFacts], None],
    ) -> None:
        self._settings = settings
        self._work = work
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
        self._singly_until = 0
        self._batch_size = settings.batch_size
        self._last_failure: Failure | None = None
        self._patience = Patience(
            settings.connect_timeout,
            initial=settings.backoff.initial_backoff,
            longest=settings.backoff.max_backoff,
            factor=settings.backoff.backoff_multiplier,
            chance=random.random,
        )
        self.mode = ""
        """The mode in use; empty before the first connection."""

    def stop(self) -> None:
        """End ``run``; what is in flight is left to the next run."""
        self._stopping = True
        if self._epoch is not None and self._work.outstanding.floor < self._work.outstanding.end:
            self._epoch.doubt(Lost("stopped"))  # within publish(), nats-py swallows a cancellation
        if self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Deliver until stopped.

        Raises:
            TargetError: It cannot go on.
        """
        self._task = asyncio.current_task()
        self._began = asyncio.get_running_loop().time()
        out = self._work.outstanding
        try:
            while not self._stopping:
                floor = out.floor
                doubt = await self._until_doubt()
                await self._go_on_after(doubt, moved=out.floor > floor)
        except asyncio.CancelledError:
            if not self._stopping:
                raise

    async def _go_on_after(self, doubt: Doubt, *, moved: bool) -> None:
        """Do what the verdict says, and wait where only time can help."""
        clock = asyncio.get_running_loop().time
        again = doubt.failure == self._last_failure and not moved
        self._last_failure = doubt.failure
        if moved:
            self._patience.progress()
            self._batch_size = min(self._batch_size * 2, self._settings.batch_size)
        verdict = self._obey(doubt, again=again)
        if verdict.action is not Action.RESEND and not again:
            return
        wait = self._patience.failed(clock(), since=None if self._started else self._began)
        if wait is None:
            raise self._gave_up(verdict, clock())
        if self._patience.tries == 1 and not self._stopping:
            limit = span(self._patience.limit)
            logger.warning("NATS: %s; trying again for %s", verdict.why, limit)
        await asyncio.sleep(wait)

    # One epoch

    async def _until_doubt(self) -> Doubt:
        """One connection, from its first try to the doubt that ends it."""
        settings, work = self._settings, self._work
        server = self._servers[0]
        self._servers.rotate(-1)  # the next try goes to the next one
        seconds = max(MIN_TRY_SECONDS, settings.connect_timeout / 2 / len(self._servers))
        seconds = min(seconds, settings.connect_timeout)
        try:
            self._epoch = epoch = await Epoch.open(settings, server, seconds, self._wake)
        except Unreached as unreached:
            return Doubt(Lost(unreached.cause))
        try:
            work.counts.epochs += 1
            self._servers += [url for url in epoch.discovered if url not in self._servers]
            await self._deliver(epoch, await self._prepare(epoch))
        except Doubt as doubt:
            epoch.doubt(doubt.failure, doubt.start, doubt.end)
        except (OSError, nats.errors.Error) as error:
            epoch.doubt(Lost(words(error)))
        finally:
            await epoch.close()
            self._epoch = None
        return epoch.ended_by

    async def _prepare(self, epoch: Epoch) -> StreamFacts:
        """Read the facts anew and settle what the last epoch left in doubt."""
        settings, work = self._settings, self._work
        epoch.spellings.update(self._subjects)
        if not self._started:
            facts = await find_stream(epoch, settings)
            await check_subjects(epoch, facts, self._subjects)
            warn_of_duplicates(settings, facts)
            work.begin(facts.last_seq)
        else:
            facts = await read_facts(epoch, settings.stream)
            if facts.last_seq < work.last_seq:
                raise Doubt(Rewound(facts.last_seq, work.last_seq))
            if work.doubtful > work.outstanding.floor and reads_back(settings, facts):
                ours = settings.stream_subjects
                work.recognise(await stored_after(epoch, facts, ours, work.last_seq))
        choice = choose_mode(settings.publish_mode, facts, self._refused)
        if choice.mode != self.mode:
            self.mode = choice.mode
            tell_mode(settings.publish_mode, choice, facts)
        if not self._started:
            self._started = True
            self._patience.limit = settings.max_outage
            self._on_start(facts)
        return facts

    async def _deliver(self, epoch: Epoch, facts: StreamFacts) -> None:
        """Publish until there is a doubt."""
        settings, work, out = self._settings, self._work, self._work.outstanding
        if out.floor == out.end:
            self._patience.progress()
        letters = DeadLetters(settings, epoch)
        fitness = Fitness(facts, pipeline_line(work.pipeline))
        work.begin_epoch(fitness)

        async def refill() -> None:
            if work.queue and work.known is None:
                work.known = await self._known(epoch)
            work.take(fitness)
            await self._compare_suspects(epoch)
            while work.letters:
                await letters.put_away(work.letters[0])
                work.put_away(work.letters.popleft())

        def window(mode: str) -> Window:
            limit = 1 if mode == "sync" else settings.max_in_flight
            return Window(epoch, work, refill, stream=facts.stream, limit=limit)

        async def singly(until: int) -> None:
            if out.floor < until:
                await window(singly_mode(facts)).pump(until)

        await singly(self._singly_until)
        match self.mode:
            case "fast":
                others = choose_mode(settings.publish_mode, facts, {**self._refused, "fast": ""})
                await Fast(
                    epoch,
                    work,
                    refill,
                    facts,
                    singly,
                    subjects=settings.stream_subjects,
                    limit=settings.max_in_flight,
                    patient=settings.publish_mode == "fast" or others.mode != "atomic",
                ).pump()
            case "atomic":
                await Atomic(epoch, work, refill, facts, limit=self._batch_size).pump()
            case mode:
                await window(mode).pump()

    async def _compare_suspects(self, epoch: Epoch) -> None:
        """See whether the ids that are known to the server are those of the same records."""
        suspects = self._work.suspects
        while suspects:
            digest = await digest_of(epoch, self._settings.stream, suspects[0])
            self._work.compare(suspects[0], digest)
            suspects.popleft()

    async def _known(self, epoch: Epoch) -> Known:
        """What a run before this one may have stored without its STATE."""
        settings, work = self._settings, self._work
        facts = await read_facts(epoch, settings.stream)
        work.is_blind = not reads_back(settings, facts)
        return await recall(epoch, facts, settings, work.pipeline, work.past)

    # Its end

    def _obey(self, doubt: Doubt, *, again: bool) -> Verdict:
        work, failure, messages = self._work, doubt.failure, doubt.end - doubt.start
        verdict = judge(failure, stream=self._settings.stream, messages=messages, again=again)
        epoch, action = work.counts.epochs, verdict.action
        logger.debug("epoch %d ended: %s (%s)", epoch, verdict.why, action.name)
        if not (self.mode == "atomic" and isinstance(failure, Refused) and failure.code < 500):
            # Only an atomic batch that was refused is certainly not stored.
            work.doubt(work.sent)
        match action:
            case Action.STOP if verdict.error is not None:
                raise verdict.error
            case Action.DEAD_LETTER:
                work.divert(doubt.start, Unfit("refused", verdict.why))
            case Action.SINGLY:
                self._singly_until = doubt.end
            case Action.SMALLER:
                self._batch_size = max(1, min(self._batch_size, messages) // 2)
            case Action.FALL_BACK:
                self._refused[self.mode] = verdict.why
        return verdict

    def _gave_up(self, verdict: Verdict, now: float) -> TargetError:
        tried = f"{self._patience.tries} tries in {span(self._patience.lasted(now))}"
        if verdict.error is not None:
            return type(verdict.error)(f"{verdict.error.reason} ({tried})", verdict.error.remedy)
        servers = ", ".join(self._settings.servers)
        return UnreachableError(
            f"cannot reach NATS at {servers}: {verdict.why}, {tried}",
            "Start the server or set `servers`. What is not acknowledged is sent by the next run",
        )
