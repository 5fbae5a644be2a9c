"""Random histories of a table and its tap: made from a seed, played, made small when they fail."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Literal, NamedTuple
from zoneinfo import ZoneInfo

from tap_oracle_txlog.errors import AccessDeniedError
from tap_oracle_txlog.keyset import PageDidNotAdvanceError, Position, Progress, Scan
from tap_oracle_txlog.timestamps import BEGINNING, Instant
from tap_oracle_txlog.watermark import OpenTransactions, Watermark, choose_watermark
from tests.tap.rules.world import SECOND, BrokenPromiseError, Output, Transaction, World

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    seed: int
    strategy: Strategy
    lookback: int
    page_size: int
    zone: ZoneInfo | None
    start: int
    steps: tuple[Step, ...]


class Tap:
    """The rules of the package, used as the stream uses them; wherever it yields, it may be killed.

    A subclass with one method changed is a tap with one mistake in it.
    """

    may_repeat = False
    max_ranges = 1_000
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
        self.output.write_state(json.dumps(progress.to_bookmark()))

    def look(self) -> Iterator[None]:
        self.clock = self.world.clock()
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
        )

    def begin(self, watermark: Watermark) -> Scan:
        return self.progress.scan(watermark, until=self.until, max_ranges=self.max_ranges)

    def page(self, scan: Scan) -> list[Position]:
        return self.world.page(scan.after, self.history.page_size, self.until)

    def one_pass(self) -> Iterator[None]:
        """Everything that is visible, page by page; the database moves on at every yield."""
        yield from self.keys()
        yield from self.null_keys()

    def keys(self) -> Iterator[None]:
        yield from self.look()
        yield
        scan = self.begin(self.choose(self.clock, self.open_transactions))
        full_page = True
        while full_page:
            positions = self.page(scan)
            yield from self.emit(positions, scan.admit(positions))
            self.save(scan.progress)
            yield
            full_page = len(positions) == self.history.page_size
        scan.finish()
        self.save(scan.progress)
        yield

    def null_keys(self) -> Iterator[None]:
        scan = self.progress.null_key_scan(max_ranges=self.max_ranges)
        full_page = True
        while full_page:
            positions = self.world.null_key_page(scan.after_id, self.history.page_size)
            yield from self.emit(positions, scan.admit(positions))
            self.save(scan.progress)
            yield
            full_page = len(positions) == self.history.page_size
        scan.finish()
        self.save(scan.progress)

    def emit(self, positions: list[Position], new: list[bool]) -> Iterator[None]:
        rows = [position.id for position, is_new in zip(positions, new, strict=True) if is_new]
        half = len(rows) // 2
        for part in (rows[:half], rows[half:]):
            for row in part:
                assert row is not None
                self.output.emit(int(row))
            yield


@dataclass
class Play:
    """A history in the course of being played."""

    history: History
    make_tap: type[Tap]
    world: World
    output: Output
    running: Iterator[None] | None = None

    def step(self, step: Step) -> None:
        getattr(self, step.kind)(step)

    def pause(self, step: Step) -> None:
        nanoseconds = PAUSES[step.number % len(PAUSES)]
        if not self.world.readable and self.history.strategy != "watermark":
            self._end_transactions_before(nanoseconds)
        self.world.now += nanoseconds

    def begin(self, step: Step) -> None:
        transaction = self.world.begin(step.number % 2)
        self._insert_into(transaction, step.amount)

    def insert(self, step: Step) -> None:
        if self.world.open:
            self._insert_into(self._transaction(step), step.amount)

    def commit(self, step: Step) -> None:
        if self.world.open:
            self.world.commit(self._transaction(step))

    def rollback(self, step: Step) -> None:
        if self.world.open:
            self.world.rollback(self._transaction(step))

    def purge(self, step: Step) -> None:
        self.world.purge(step.number)

    def rights(self, _: Step) -> None:
        if self.history.strategy == "watermark":
            self.world.readable = not self.world.readable

    def tap(self, step: Step) -> None:
        """Let the tap go on for some of its steps; where it has ended, it begins its next pass."""
        for _ in range(1 + step.number % 4):
            if self.running is None:
                self.running = self.make_tap(self.world, self.history, self.output).one_pass()
            try:
                next(self.running)
            except (StopIteration, AccessDeniedError):
                self.running = None

    def kill(self, _: Step) -> None:
        self.running = None
        self.output.writer_died()

    def finish(self) -> None:
        """Let all transactions commit, then poll until everything is out."""
        self.world.readable = self.world.readable or self.history.strategy == "watermark"
        for transaction in tuple(self.world.open):
            self.world.commit(transaction)
        for _ in range(2):
            while self.running is not None:
                self.tap(Step("tap"))
            self.tap(Step("tap"))
        while self.running is not None:
            self.tap(Step("tap"))
        self.output.compare(self.world)

    def _transaction(self, step: Step) -> Transaction:
        return self.world.open[step.number % len(self.world.open)]

    def _insert_into(self, transaction: Transaction, amount: int) -> None:
        now = self.world.node_clock(transaction.node)
        kind, rest = amount % 16, amount // 16
        stamp: int | None = now
        if kind < 6:
            stamp = now // SECOND * SECOND  # rows that share a second, as in a DATE column
        elif kind < 10:
            earliest = transaction.started - self.history.lookback * SECOND
            if self.history.strategy == "lookback":
                earliest = max(earliest, now - self.history.lookback * SECOND)
            stamp = earliest + rest % (now - earliest + 1)
        elif kind == 10:
            stamp = now + rest % (86_400 * SECOND)
        elif kind == 11:
            stamp = None
        self.world.insert(transaction, stamp)

    def _end_transactions_before(self, nanoseconds: int) -> None:
        """What look-back cannot see is what it cannot promise: no transaction outlasts it."""
        limit = self.world.now + nanoseconds - self.history.lookback * SECOND
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
    "tap": 24,
    "kill": 2,
}
FILL = {"begin": 4, "insert": 12, "commit": 8}
BACKLOG = {"tap": 20, "kill": 6, "begin": 1, "commit": 2}
LONG_PAUSE = Step("pause", PAUSES.index(400 * SECOND))


def make(seed: int) -> History:
    """Half of the histories begin with a backlog that is read with many kills."""
    random = Random(seed)
    strategy: Strategy = random.choice(("auto", "auto", "watermark", "lookback"))
    zone = random.choice((None, None, None, BERLIN))
    steps = _steps(random, TAIL, random.randrange(10, 90))
    if random.random() < 0.5:
        fill, read = _steps(random, FILL, 20), _steps(random, BACKLOG, 20)
        steps = (*fill, LONG_PAUSE, LONG_PAUSE, *read, *steps)
    return History(
        seed=seed,
        strategy=strategy,
        lookback=300 if strategy == "lookback" else random.choice((0, 300)),
        page_size=random.choice((1, 2, 3, 7, 100)),
        zone=zone,
        start=NOON if zone is None else CLOCKS_GO_BACK - random.randrange(1_800) * SECOND,
        steps=steps,
    )


def _steps(random: Random, weights: dict[str, int], count: int) -> tuple[Step, ...]:
    kinds = random.choices(tuple(weights), tuple(weights.values()), k=count)
    return tuple(Step(kind, random.randrange(1000), random.randrange(2**60)) for kind in kinds)


def play(history: History, make_tap: type[Tap] = Tap) -> str | None:
    """How the history ends: None when every promise was kept."""
    world = World(history.start, history.zone, readable=history.strategy != "lookback")
    game = Play(history, make_tap, world, Output(make_tap.may_repeat))
    try:
        for step in history.steps:
            game.step(step)
        game.finish()
    except (BrokenPromiseError, PageDidNotAdvanceError) as broken:
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
