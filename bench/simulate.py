"""What each way of polling a table loses, repeats and delays: the same three hours for all of them.

    python -m bench.simulate [--seed N] [--hours H] [--svg FILE]
    python -m bench.simulate --histories 20000 [--seed N]

A model, not an Oracle: two nodes whose clocks are 0.8 s apart, ids from sequence caches of 20, 30
rows a second. 97 % of the transactions take 50 ms, 2.9 % five seconds and 0.1 % one to fifteen
minutes; one in 5,000 is rolled back; in 0.2 % rows are stamped up to two minutes before the
transaction's first change. Every strategy polls once a minute and sees what is committed. "This
tap" runs the rules of the package, and its state goes through JSON between two polls. Exit code 1
when it loses, repeats or delays one row, or its state grows to 2,000 runs of ids or 64,000 bytes.
With ``--histories`` it runs against so many random histories instead (``bench.histories``).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from typing_extensions import override

from bench import histories
from tap_oracle_txlog.rules.id_ranges import IdRanges, encode_runs
from tap_oracle_txlog.rules.id_sets import IdSet
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.progress import Progress
from tap_oracle_txlog.rules.questions import Answer, Keys, Question, Rows, RowsAt
from tap_oracle_txlog.rules.scan import Scan
from tap_oracle_txlog.rules.timestamps import (
    BEGINNING,
    Instant,
    from_nanoseconds,
    minus,
    parse,
    plus,
)
from tap_oracle_txlog.rules.timestamps import nanoseconds as nanoseconds_of
from tap_oracle_txlog.rules.watermark import NoneOpen, Oldest, choose_watermark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_oracle_txlog.rules.watermark import OpenTransactions, Watermark

START = nanoseconds_of(parse("2026-11-22T08:00"))
NODE_OFFSETS = (0.0, -0.8)
SEQUENCE_CACHE = 20
TRANSACTIONS_A_SECOND = 15
POLL_SECONDS = 60
PUBLISH_SECONDS = 1.5
DRAIN_SECONDS = 600  # so that strategies that hold rows back come to their end
PAGE_SIZE = 20_000
OLDEST_OF_INTEREST = 2_400  # seconds; no strategy looks further back
SKEW = 2
MAX_RUNS, MAX_BYTES = 2_000, 64_000


def clock_text(seconds: float) -> Instant:
    return from_nanoseconds(START + int(seconds * 1_000_000) * 1_000)


# The table


@dataclass
class Transaction:
    node: int
    start: float
    end: float
    commits: bool
    inserts: list[float]
    stamped_early: float


@dataclass(frozen=True)
class Row:
    position: Position
    committed: float


def make_transactions(random: Random, seconds: float) -> Iterator[Transaction]:
    start = random.expovariate(TRANSACTIONS_A_SECOND)
    while start < seconds:
        kind = random.random()
        if kind < 0.97:
            duration = random.expovariate(1 / 0.05)
        elif kind < 0.999:
            duration = random.expovariate(1 / 5)
        else:
            duration = random.uniform(60, 900)
        more = (start + random.uniform(0, duration) for _ in range(random.randrange(3)))
        yield Transaction(
            node=random.randrange(2),
            start=start,
            end=start + duration,
            commits=random.random() > 0.0002,
            inserts=[start, *more],
            stamped_early=random.uniform(0, 120) if random.random() < 0.002 else 0,
        )
        start += random.expovariate(TRANSACTIONS_A_SECOND)


def insert_rows(transactions: Sequence[Transaction]) -> list[Row]:
    """The rows that become visible, in the order of their commits; ids are drawn at the insert."""
    inserts = sorted((at, index) for index, one in enumerate(transactions) for at in one.inserts)
    rows, sequence, blocks = [], [(0, 0), (0, 0)], 0
    for at, index in inserts:
        transaction = transactions[index]
        following, last = sequence[transaction.node]
        if following == last:
            following, last = blocks * SEQUENCE_CACHE, (blocks + 1) * SEQUENCE_CACHE
            blocks += 1
        sequence[transaction.node] = (following + 1, last)
        stamp = at + NODE_OFFSETS[transaction.node] - transaction.stamped_early
        if transaction.commits:
            rows.append(Row(Position(clock_text(stamp), following + 1), transaction.end))
    return sorted(rows, key=lambda row: row.committed)


@dataclass
class View:
    """What a poll can see: the rows of the last while in the order of (time, id)."""

    clock: Instant
    visible: list[Position]
    open_transactions: OpenTransactions

    def since(self, at: Instant) -> list[Position]:
        return self.visible[bisect_left(self.visible, (at,)) :]

    def between(self, at: Instant, end: Instant) -> list[Position]:
        return self.visible[bisect_left(self.visible, (at,)) : bisect_left(self.visible, (end,))]

    def behind(self, place: Position) -> list[Position]:
        whole = (place.at,) if place.id is None else place
        return self.visible[bisect_right(self.visible, whole) :]


def polls(transactions: Sequence[Transaction], rows: Sequence[Row]) -> Iterator[tuple[float, View]]:
    visible: list[Position] = []
    committed = started = 0
    running: list[Transaction] = []
    last = max(transaction.end for transaction in transactions)
    for now in range(POLL_SECONDS, int(last) + DRAIN_SECONDS, POLL_SECONDS):
        while committed < len(rows) and rows[committed].committed <= now:
            visible.append(rows[committed].position)
            committed += 1
        while started < len(transactions) and transactions[started].start <= now:
            running.append(transactions[started])
            started += 1
        running = [transaction for transaction in running if transaction.end > now]
        visible.sort()
        del visible[: bisect_left(visible, (clock_text(now - OLDEST_OF_INTEREST),))]
        yield now, View(clock_text(now), visible, _oldest(running))


def _oldest(running: Sequence[Transaction]) -> OpenTransactions:
    if not running:
        return NoneOpen()
    starts = (int(one.start + NODE_OFFSETS[one.node]) for one in running)
    return Oldest(clock_text(min(starts)))  # the view shows whole seconds


# The strategies


class Strategy(ABC):
    """One way to poll. ``bookmark`` is what it knows of the polls before."""

    name = ""

    def __init__(self) -> None:
        self.bookmark = BEGINNING

    @abstractmethod
    def poll(self, view: View) -> Sequence[Position]:
        """The rows that this poll publishes."""


class V7(Strategy):
    name = "V7: bookmark = now() after publishing"

    @override
    def poll(self, view: View) -> Sequence[Position]:
        found = view.since(self.bookmark)
        self.bookmark = plus(view.clock, PUBLISH_SECONDS)
        return found


class Rounded(Strategy):
    name = "> max(ts), rounded by a DATETIME column"

    @override
    def poll(self, view: View) -> Sequence[Position]:
        found = [row for row in view.since(self.bookmark) if row.at > self.bookmark]
        if found:
            self.bookmark = Instant(f"{plus(found[-1].at, 0.5)[:19]}.000000000")
        return found


class SdkIncremental(Strategy):
    name = ">= max(ts), as SQL taps do"

    @override
    def poll(self, view: View) -> Sequence[Position]:
        found = view.since(self.bookmark)
        self.bookmark = found[-1].at if found else self.bookmark
        return found


class Keyset(Strategy):
    name = "keyset (ts, id)"

    def __init__(self) -> None:
        super().__init__()
        self.last = Position.before(BEGINNING)

    @override
    def poll(self, view: View) -> Sequence[Position]:
        found = view.behind(self.last)
        self.last = found[-1] if found else self.last
        return found


class Incrementing(Strategy):
    name = "> max(id)"

    def __init__(self) -> None:
        super().__init__()
        self.last = 0

    @override
    def poll(self, view: View) -> Sequence[Position]:
        found = [row for row in view.visible if isinstance(row.id, int) and row.id > self.last]
        self.last = max((int(row.id or 0) for row in found), default=self.last)
        return found


class Settled(Strategy):
    name = "hold rows for 60 s"

    @override
    def poll(self, view: View) -> Sequence[Position]:
        begin, self.bookmark = self.bookmark, minus(view.clock, 60)
        return view.between(begin, self.bookmark)


class Lookback(Strategy):
    name = "read the last 300 s again"

    @override
    def poll(self, view: View) -> Sequence[Position]:
        found = view.since(minus(self.bookmark, 300))
        self.bookmark = found[-1].at if found else self.bookmark
        return found


class HeldBack(Strategy):
    name = "hold rows until no transaction is older"

    @override
    def poll(self, view: View) -> Sequence[Position]:
        begin, self.bookmark = self.bookmark, watermark(view, lookback=300).at
        return view.between(begin, self.bookmark)


class EagerWithoutMemory(Strategy):
    name = "bookmark = watermark, no memory"

    @override
    def poll(self, view: View) -> Sequence[Position]:
        found = view.since(self.bookmark)
        self.bookmark = watermark(view, lookback=300).at
        return found


class ThisTap(Strategy):
    """The rules of the package, a new run for each poll."""

    name = "this tap"
    lookback = 300

    def __init__(self) -> None:
        super().__init__()
        self.state: str | None = None
        self.ranges = self.bytes = 0

    @override
    def poll(self, view: View) -> Sequence[Position]:
        scan = Scan(self.resume(), watermark(view, self.lookback))
        new: list[Position] = []
        while (question := scan.question) is not None:
            found = _found(view, question)
            page = found[:PAGE_SIZE]
            is_new = scan.take(Answer(page, more=len(found) > PAGE_SIZE))
            if not isinstance(question, Keys):
                new += compress(page, is_new)
            self.save(scan.progress)
        return new

    def resume(self) -> Progress:
        bookmark = None if self.state is None else json.loads(self.state)
        return Progress.from_bookmark(
            bookmark, start=BEGINNING, replication_key="EVENT_TIMESTAMP", table="SPC.TXLOG_EVENTS"
        )

    def save(self, progress: Progress) -> None:
        self.state = json.dumps(progress.to_bookmark())
        runs = sum(len(segment.ids.runs) for segment in progress.emitted.segments)
        self.ranges = max(self.ranges, runs)
        self.bytes = max(self.bytes, len(self.state))


def _found(view: View, question: Question) -> Sequence[Position]:
    if isinstance(question, RowsAt):
        wanted = set(question.positions)
        return [row for row in view.behind(Position.before(min(wanted).at)) if row in wanted]
    found = view.behind(question.after)
    if question.until is not None:
        found = found[: bisect_left(found, (question.until,))]
    if isinstance(question, Rows) and question.known:
        known = IdSet(IdRanges.decode(encode_runs(question.known)))
        found = [row for row in found if row.id not in known]
    return found


class ThisTapWithoutLookback(ThisTap):
    name = "this tap, lookback_seconds = 0"
    lookback = 0


def watermark(view: View, lookback: float) -> Watermark:
    return choose_watermark(
        view.clock, view.open_transactions, strategy="auto", lookback=lookback, skew=SKEW
    )


STRATEGIES: tuple[type[Strategy], ...] = (
    V7,
    Rounded,
    SdkIncremental,
    Keyset,
    Incrementing,
    Settled,
    Lookback,
    HeldBack,
    EagerWithoutMemory,
    ThisTapWithoutLookback,
    ThisTap,
)


# The result


@dataclass
class Result:
    strategy: Strategy
    times: Counter[int] = field(default_factory=Counter)
    first: dict[int, float] = field(default_factory=dict)
    lost: int = 0
    repeated: int = 0
    median: float = 0
    late: float = 0
    added: float = 0

    def take(self, now: float, found: Sequence[Position]) -> None:
        ids = [row.id for row in found if isinstance(row.id, int)]
        self.times.update(ids)
        for row in ids:
            self.first.setdefault(row, now)

    def sum_up(self, rows: Sequence[Row]) -> None:
        """``added`` is by how much more than the wait for the next poll a row was delayed."""
        committed = {row.position.id: row.committed for row in rows}
        self.lost = sum(1 for row in committed if row not in self.first)
        self.repeated = sum(self.times.values()) - len(self.first)
        delays = [now - committed[row] for row, now in self.first.items()]
        cuts = quantiles(delays, n=100)
        self.median, self.late = cuts[49], cuts[98]
        self.added = max(
            now - math.ceil(committed[row] / POLL_SECONDS) * POLL_SECONDS
            for row, now in self.first.items()
        )


def simulate(seed: int, hours: float) -> tuple[int, list[Result]]:
    transactions = list(make_transactions(Random(seed), hours * 3600))
    rows = insert_rows(transactions)
    results = [Result(strategy()) for strategy in STRATEGIES]
    for now, view in polls(transactions, rows):
        for result in results:
            result.take(now, result.strategy.poll(view))
    for result in results:
        result.sum_up(rows)
    return len(rows), results


def table(results: Sequence[Result]) -> str:
    head = f"{'strategy':42} {'lost':>7} {'repeated':>10} {'p50 s':>6} {'p99 s':>6}  state at most"
    lines = [head, "-" * len(head)]
    for result in results:
        strategy, state = result.strategy, ""
        if isinstance(strategy, ThisTap):
            state = f"{strategy.ranges} runs, {strategy.bytes:,} bytes"
        line = f"{strategy.name:42} {result.lost:7,} {result.repeated:10,}"
        lines.append(f"{line} {result.median:6.0f} {result.late:6.0f}  {state}".rstrip())
    return "\n".join(lines)


def broken_promises(result: Result) -> list[str]:
    strategy = result.strategy
    assert isinstance(strategy, ThisTap)
    checks = {
        f"{result.lost:,} rows lost": result.lost,
        f"{result.repeated:,} rows repeated": result.repeated,
        f"a row delayed by {result.added:.0f} s": result.added > 0,
        f"{strategy.ranges} runs of ids in the state": strategy.ranges >= MAX_RUNS,
        f"{strategy.bytes:,} bytes of state": strategy.bytes >= MAX_BYTES,
    }
    return [text for text, is_broken in checks.items() if is_broken]


# The plot

PANELS = ("rows lost", "rows repeated", "delay p99, s")
ROW_HEIGHT, LABEL_WIDTH, PANEL_WIDTH, BAR_WIDTH = 26, 320, 190, 110


def plot(results: Sequence[Result], title: str) -> str:
    """Bars of logarithmic length, zero being no bar."""
    width = LABEL_WIDTH + len(PANELS) * PANEL_WIDTH
    height = ROW_HEIGHT * (len(results) + 3)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">',
        "<style>text {font: 13px sans-serif} .b {font-weight: bold} .g {fill: #57606a}</style>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(12, 0, f"{title} (bars on a log scale)", "b"),
    ]
    for column, panel in enumerate(PANELS):
        parts.append(_text(LABEL_WIDTH + column * PANEL_WIDTH, 1, panel, "g"))
    most = [max(values) for values in zip(*map(_values, results), strict=True)]
    for line, result in enumerate(results, start=2):
        ours = result.strategy.name == ThisTap.name
        weight = "b" if ours else ""
        parts.append(_text(12, line, result.strategy.name, weight))
        for column, value in enumerate(_values(result)):
            left = LABEL_WIDTH + column * PANEL_WIDTH
            length = BAR_WIDTH * math.log1p(value) / math.log1p(most[column] or 1)
            colour = "#1a7f37" if ours else "#bf8700" if column else "#cf222e"
            top = line * ROW_HEIGHT + 5
            parts.append(
                f'<rect x="{left}" y="{top}" width="{length:.1f}" height="16" fill="{colour}"/>'
            )
            parts.append(_text(left + length + 5, line, f"{value:,.0f}", weight))
    return "\n".join([*parts, "</svg>\n"])


def _values(result: Result) -> tuple[float, float, float]:
    return result.lost, result.repeated, result.late


def _text(x: float, line: int, text: str, style: str = "") -> str:
    y = line * ROW_HEIGHT + 18
    return f'<text x="{x:.1f}" y="{y}" class="{style}">{escape(text)}</text>'


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=3)
    parser.add_argument("--svg", type=Path, help="write the table as a plot")
    parser.add_argument("--histories", type=int, help="play so many random histories instead")
    options = parser.parse_args()
    if options.histories is not None:
        return histories.run(options.seed, options.histories)
    count, results = simulate(options.seed, options.hours)
    title = (
        f"{count:,} rows in {options.hours:g} h, a poll every {POLL_SECONDS} s, seed {options.seed}"
    )
    print(title, table(results), sep="\n\n")
    if options.svg is not None:
        options.svg.write_text(plot(results, title), encoding="utf-8")
    broken = broken_promises(results[-1])
    print(f"\nthis tap: {', '.join(broken) or 'no row lost, repeated or delayed'}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
