"""Random histories of a table and its tap: made from a seed, played, made small when they fail."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Literal, NamedTuple
from zoneinfo import ZoneInfo

from tap_oracle_txlog.errors import AccessDeniedError
from tap_oracle_txlog.rules.id_sets import MAX_STATE_BYTES
from tap_oracle_txlog.rules.null_keys import NullKeyScan
from tap_oracle_txlog.rules.position import NotUniqueError, PageDidNotAdvanceError, Position
from tap_oracle_txlog.rules.progress import Progress
from tap_oracle_txlog.rules.questions import Answer, Keys, Question, Rows, RowsAt
from tap_oracle_txlog.rules.scan import Scan
from tap_oracle_txlog.rules.timestamps import BEGINNING, Instant
from tap_oracle_txlog.rules.watermark import OpenTransactions, Watermark, choose_watermark
from tools.model.world import SECOND, BrokenPromiseError, Output, Transaction, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Strategy = Literal["auto", "watermark", "lookback"]
SKEW = 2
NOON = 1_795_262_400 * SECOND  # 2026-11-21T12:00:00Z
CLOCKS_GO_BACK = 1_792_890_000 * SECOND  # 2026-10-25T01:00:00Z, 03:00 becomes 02:00 in Berlin
BERLIN = ZoneInfo("Europe/Berlin")
PAUSES = (0, 1, 999, 300_000_000, SECOND, 3 * SECOND, 40 * SECOND, 290 * SECOND, 400 * SECOND)


class Step(NamedTuple):
    """One event; ``number`` and ``amount`` mean what the kind makes of them."""

    kind: str
    number: int = 0
    amount: int = 0


@dataclass(frozen=True)
class History:
    """A world and what happens in it; ``hops``: each process is connected to another node."""

    seed: int
    strategy: Strategy
    lookback: int
    page_size: int
    zone: ZoneInfo | None
    start: int
    steps: tuple[Step, ...]
    ids: str = "sequence"
    shift: int = 0
    lag: int = 0
    hops: bool = False

    @property
    def is_in_order(self) -> bool:
        """Whether rows commit in the order of their times, at distinct ones.

        In a zone west of Greenwich that nobody has set, every row comes below the watermark. Where
        look-back does not cover that, only those that come in order are promised.
        """
        return self.lookback < -self.shift

    @property
    def window(self) -> int:
        """Seconds by which rows may be stamped too early: what such a zone leaves of look-back."""
        return self.lookback if self.is_in_order else self.lookback + min(0, self.shift)

    @property
    def comes_into_closed_slices(self) -> bool:
        """Whether rows may come into a slice of a backfill that has ended: it is not read again."""
        is_plain = not (self.zone or self.shift or self.lag)
        kinds = {step.kind for step in self.steps}
        return self.is_in_order or "load" in kinds or (is_plain and "failover" in kinds)


class Tap:
    """The rules of the package, used as the stream uses them; wherever it yields, it may be killed.

    A subclass with one method changed is a tap with one mistake in it.
    """

    may_repeat = False
    state_bytes = MAX_STATE_BYTES
    start = BEGINNING
    until: Instant | None = None

    def __init__(self, world: World, history: History, output: Output) -> None:
        self.world = world
        self.history = history
        self.output = output
        self.progress = self.load(output.state)

    def load(self, state: str | None) -> Progress:
        bookmark = None if state is None else json.loads(state)
        return Progress.from_bookmark(
            bookmark, start=self.start, replication_key="EVENT_TIMESTAMP", table="SPC.TXLOG_EVENTS"
        )

    def save(self, progress: Progress) -> None:
        self.progress = progress
        self.output.write_state(lambda: json.dumps(progress.to_bookmark(self.state_bytes)))

    def look(self) -> Iterator[None]:
        self.clock = self.world.clock()
        self.other_clock = self.world.other_clock()
        yield
        self.open_transactions = self.world.open_transactions()

    def choose(self, clock: Instant, open_transactions: OpenTransactions) -> Watermark:
        return choose_watermark(
            clock,
            open_transactions,
            strategy=self.history.strategy,
            lookback=self.history.lookback,
            skew=SKEW,
            zone=self.history.zone,
            last=self.progress.clocks,
            other_clock=self.other_clock,
        )

    def begin(self, watermark: Watermark | None) -> Scan:
        return Scan(self.progress, watermark, self.until)

    def page(self, question: Rows) -> list[Position]:
        after, until, known = question
        return self.world.page(after, self.history.page_size + 1, until, known)

    def answer(self, question: Question) -> Answer:
        size = self.history.page_size
        if isinstance(question, RowsAt):
            asked = question.positions
            found, left = self.world.rows_at(asked[: max(2, size)]), asked[max(2, size) :]
            return Answer(found, bool(left), left[0] if left else None)
        if isinstance(question, Rows):
            found = self.page(question)
        else:
            found = self.world.page(question.after, size + 1, question.until)
        following = found[size] if len(found) > size else None
        return Answer(found[:size], following is not None, following)

    def one_pass(self) -> Iterator[None]:
        """Everything that is visible, page by page; the database moves on at every yield."""
        yield from self.keys()
        yield from self.null_keys()

    def keys(self) -> Iterator[None]:
        yield from self.look()
        yield
        yield from self.scan(self.begin(self.choose(self.clock, self.open_transactions)))

    def head(self) -> Iterator[None]:
        """A look at what is new, between two passes of a tap that keeps running."""
        yield from self.scan(self.begin(None))

    def scan(self, scan: Scan) -> Iterator[None]:
        while (question := scan.question) is not None:
            answer = self.answer(question)
            yield
            new = scan.take(answer)
            if not isinstance(question, Keys):
                yield from self.emit(answer.positions[: len(new)], new)
            self.save(scan.progress)
            yield

    def null_keys(self) -> Iterator[None]:
        scan = NullKeyScan(self.progress)
        full_page = True
        while full_page:
            positions = self.world.null_key_page(scan.after_id, self.history.page_size)
            yield from self.emit(positions, scan.admit(positions), has_keys=False)
            self.save(scan.progress)
            yield
            full_page = len(positions) == self.history.page_size
        scan.finish()
        self.save(scan.progress)

    def emit(
        self, positions: Sequence[Position], new: list[bool], *, has_keys: bool = True
    ) -> Iterator[None]:
        rows = [one for one, is_new in zip(positions, new, strict=True) if is_new]
        half = len(rows) // 2
        for part in (rows[:half], rows[half:]):
            for at, row in part:
                self.output.emit((row, at if has_keys else None))
            yield


@dataclass
class Play:
    """A history in the course of being played."""

    history: History
    make_tap: type[Tap]
    world: World
    output: Output
    process: Tap | None = None
    running: Iterator[None] | None = None
    failovers: int = 0

    def step(self, step: Step) -> None:
        getattr(self, step.kind)(step)

    def pause(self, step: Step) -> None:
        nanoseconds = PAUSES[step.number % len(PAUSES)]
        if self.world.lag:
            self._end_transactions_before(nanoseconds + self.world.lag)
        if not self.world.readable and self.history.strategy != "watermark":
            self._end_transactions_before(nanoseconds)
        self.world.pass_time(nanoseconds)

    def begin(self, step: Step) -> None:
        transaction = self.world.begin(0 if self.history.is_in_order else step.number % 2)
        self._insert_into(transaction, step.amount)
        if self.history.is_in_order:
            self.world.commit(transaction)

    def insert(self, step: Step) -> None:
        if self.world.open and not self.history.is_in_order:
            self._insert_into(self._transaction(step), step.amount)

    def commit(self, step: Step) -> None:
        if self.world.open:
            self.world.commit(self._transaction(step))

    def rollback(self, step: Step) -> None:
        if self.world.open:
            self.world.rollback(self._transaction(step))

    def purge(self, step: Step) -> None:
        self.world.purge(step.number)

    def load(self, step: Step) -> None:
        """A batch with old times, all of them newer than any that was there before."""
        end = self.world.now - self.world.lag
        stamps = sorted(end - step.amount // (n + 1) % (86_400 * SECOND) for n in range(3))
        if not self.world.open and self.world.stored(end) > self.world.newest:
            self.world.load([one for one in stamps if self.world.stored(one) > self.world.newest])

    def reload(self, step: Step) -> None:
        """All rows, or one of them, get other times; those of the future are left alone."""
        world = self.world
        rows = [one for one in world.visible if one.at <= world.stored(world.now)]
        if rows and self._is_plain():
            chosen = rows if step.number % 2 else [rows[step.number % len(rows)]]
            now = self._sure_stamp()
            span = self.history.lookback * SECOND if step.number % 3 else 0
            late = [now - (step.amount // (n + 1)) % (span + 1) for n in range(len(chosen))]
            times = [(one, world.stored(at)) for one, at in zip(chosen, late, strict=True)]
            world.give_new_times(times)
            self.output.may_come_again((one.id, at) for one, at in times)

    def twin(self, step: Step) -> None:
        """A row with an id that is there already."""
        if self._is_plain():
            self.world.repeat_id(step.number, self._sure_stamp())

    def failover(self, step: Step) -> None:
        """Another host takes over whose clock is behind; open transactions are gone with the old
        one.
        """
        if self.failovers < 2 and self._is_plain():
            self.failovers += 1
            self.world.open.clear()
            self.world.set_back((SKEW + 1 + step.number % 900) * SECOND)

    def host_clock(self, step: Step) -> None:
        """The host's wall clock goes back or on by an hour; not twice between two passes."""
        state = json.loads(self.output.state or "{}")
        seen = state.get("last_pass", {}).get("offset")
        if self.process is None and seen == self.world.host_offset:
            self.world.host_offset += 3_600 if step.number % 2 else -3_600

    def look(self, _: Step) -> None:
        """A tap that keeps running looks at what is new, without a pass."""
        if self.running is None and self.process and self.process.progress.last_pass:
            self.running = self.process.head()

    def rights(self, _: Step) -> None:
        if self.history.strategy == "watermark":
            self.world.readable = not self.world.readable

    def tap(self, step: Step) -> None:
        """Let the tap go on for some of its steps; where it has ended, it begins its next pass."""
        for _ in range(1 + step.number % 4):
            if self.running is None:
                if self.process is None:
                    if self.history.hops:
                        self.world.read_on ^= 1
                    self.process = self.make_tap(self.world, self.history, self.output)
                self.running = self.process.one_pass()
            try:
                next(self.running)
            except (StopIteration, AccessDeniedError):
                self.running = None
                if self.history.seed % 3 == 0:  # a tap that is run by a schedule
                    self.process = None

    def kill(self, _: Step) -> None:
        self.running = self.process = None
        self.output.writer_died()

    def finish(self) -> None:
        """Let all transactions commit, then poll until everything is out."""
        self.world.readable = self.world.readable or self.history.strategy == "watermark"
        for transaction in tuple(self.world.open):
            self.world.commit(transaction)
        for _ in range(4):
            while self.running is not None:
                self.tap(Step("tap"))
            self.world.pass_time(self.world.lag + 400 * SECOND)
            self.tap(Step("tap"))
        while self.running is not None:
            self.tap(Step("tap"))
        self.output.compare(self.world)

    def _is_plain(self) -> bool:
        """Whether times are what they seem to be."""
        return not (self.world.zone or self.world.shift or self.world.lag)

    def _sure_stamp(self) -> int:
        """Now, as a clock shows it that no row of an open transaction is ahead of."""
        return self.world.now

    def _transaction(self, step: Step) -> Transaction:
        return self.world.open[step.number % len(self.world.open)]

    def _insert_into(self, transaction: Transaction, amount: int) -> None:
        now = self.world.node_clock(transaction.node)
        kind, rest = amount % 16, amount // 16
        stamp: int | None = now
        if kind < 6:
            stamp = now // SECOND * SECOND  # rows that share a second, as in a DATE column
        elif kind < 10:
            earliest = transaction.started - self.history.window * SECOND
            if self.history.strategy == "lookback":
                earliest = max(earliest, now - self.history.window * SECOND)
            stamp = earliest + rest % (now - earliest + 1)
        elif kind == 10 and not self.world.shift:
            stamp = now + rest % (86_400 * SECOND)
        elif kind == 11:
            stamp = None
        if self.history.is_in_order and stamp is not None:
            self.world.pass_time(1)
            stamp = self.world.now
        self.world.insert(transaction, stamp)

    def _end_transactions_before(self, nanoseconds: int) -> None:
        """What look-back cannot see is what it cannot promise: no transaction outlasts it."""
        limit = self.world.now + nanoseconds - self.history.window * SECOND
        for transaction in tuple(self.world.open):
            if transaction.oldest_stamp <= limit:
                self.world.commit(transaction)


TAIL = {
    "pause": 16,
    "begin": 12,
    "insert": 12,
    "commit": 10,
    "rollback": 1,
    "purge": 1,
    "rights": 1,
    "load": 1,
    "failover": 1,
    "host_clock": 1,
    "look": 6,
    "tap": 24,
    "kill": 2,
}
ODD = {"pause": 12, "begin": 10, "insert": 6, "commit": 8, "tap": 20, "look": 6, "kill": 1}
FILL = {"begin": 4, "insert": 12, "commit": 8}
BACKLOG = {"tap": 20, "kill": 6, "begin": 1, "commit": 2}
LONG_PAUSE = Step("pause", PAUSES.index(400 * SECOND))


def make(seed: int, wanted: dict[str, int] | None = None) -> History:
    """Half of the histories begin with a backlog that is read with many kills.

    Args:
        seed: Makes the history.
        wanted: Steps that are to be frequent in it.
    """
    random = Random(seed)
    strategy: Strategy = random.choice(("auto", "auto", "watermark", "lookback"))
    zone = random.choice((None, None, None, BERLIN))
    odd = ODD | {random.choice(("reload", "twin", "load", "failover", "host_clock")): 3}
    weights = TAIL if random.random() < 0.6 else odd
    if wanted:
        weights = ODD | wanted
    steps = _steps(random, weights, random.randrange(10, 90))
    if random.random() < 0.5:
        fill, read = _steps(random, FILL, 20), _steps(random, BACKLOG, 20)
        steps = (*fill, LONG_PAUSE, LONG_PAUSE, *read, *steps)
    shift, lag = random.choice(((0, 0),) * 6 + ((8 * 3_600, 0), (-5 * 3_600, 0), (0, 1_800)))
    if lag:
        strategy = "lookback"
    lookback = 300 if strategy == "lookback" else random.choice((0, 300))
    if shift < 0 and seed % 2:
        lookback -= shift
    return History(
        seed=seed,
        strategy=strategy,
        lookback=lookback,
        page_size=random.choice((1, 2, 3, 7, 100)),
        zone=zone,
        start=NOON if zone is None else CLOCKS_GO_BACK - random.randrange(1_800) * SECOND,
        steps=steps,
        ids=random.choice(("sequence", "sequence", "steps", "text")),
        shift=shift,
        lag=lag * SECOND,
        hops=random.random() < 0.3,
    )


def _steps(random: Random, weights: dict[str, int], count: int) -> tuple[Step, ...]:
    kinds = random.choices(tuple(weights), tuple(weights.values()), k=count)
    return tuple(Step(kind, random.randrange(1000), random.randrange(2**60)) for kind in kinds)


def play(history: History, make_tap: type[Tap] = Tap) -> str | None:
    """How the history ends: None when every promise was kept."""
    world = World(
        history.start,
        history.zone,
        readable=history.strategy != "lookback",
        ids=history.ids,
        shift=history.shift,
        lag=history.lag,
    )
    game = Play(history, make_tap, world, Output(make_tap.may_repeat))
    try:
        for step in history.steps:
            game.step(step)
        game.finish()
    except (BrokenPromiseError, PageDidNotAdvanceError, NotUniqueError) as broken:
        if world.has_twins and not isinstance(broken, BrokenPromiseError):
            return None
        return f"{type(broken).__name__}: {broken}"
    return None


def smallest(history: History, make_tap: type[Tap] = Tap) -> History:
    """Leave out every step without which the history still fails."""
    for index in reversed(range(len(history.steps))):
        shorter = replace(history, steps=history.steps[:index] + history.steps[index + 1 :])
        if play(shorter, make_tap) is not None:
            history = shorter
    return history


def report(history: History, make_tap: type[Tap] = Tap) -> str:
    """The failure, its seed and its smallest form, for the reader of a red test."""
    small = smallest(history, make_tap)
    steps = "\n".join(f"  {step}" for step in small.steps)
    return f"{play(small, make_tap)}\nseed {history.seed}: {small!r}\n{steps}"
