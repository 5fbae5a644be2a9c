"""The seven ways in which the V7 loop loses or repeats rows, each played to V7 and to our rules.

V7 is re-created from jacosy/oracle-nats-publisher: it reads the rows whose time is after a stored
one, up to a cap, publishes them with random ids, and as soon as one of them was accepted stores the
time of its own host in a MySQL DATETIME.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

from typing_extensions import override

from tools.model.history import NOON, History, Tap
from tools.model.world import SECOND, Output, World, wall_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_oracle_txlog.rules.position import Position
    from tap_oracle_txlog.rules.questions import Rows


@dataclass
class Trouble:
    """What goes wrong during one poll."""

    meanwhile: Callable[[], object] = lambda: None  # what the database does while rows go out
    refused: frozenset[int] = frozenset()  # rows that the server does not take
    unreadable: frozenset[int] = frozenset()  # rows whose CLOB cannot be read
    dies: bool = False  # killed when the rows are out and nothing is stored yet


class Reader(ABC):
    """A loop that reads ``world``, and the stream that it fills: message id to row."""

    def __init__(self, world: World, cap: int) -> None:
        self.world = world
        self.cap = cap
        self.stream: dict[str, int] = {}

    @abstractmethod
    def poll(self, trouble: Trouble) -> None:
        """Read what is new, publish it, store how far it came."""


class V7(Reader):
    def __init__(self, world: World, cap: int, host_ahead: int = 0) -> None:
        super().__init__(world, cap)
        self.host_ahead = host_ahead
        self.since = wall_clock(world.now - SECOND, None)

    @override
    def poll(self, trouble: Trouble) -> None:
        behind = [row for at, row in self.world.visible if at > self.since]
        failed = trouble.refused | trouble.unreadable  # a line in the log
        good = [int(row) for row in behind[: self.cap] if row is not None and row not in failed]
        self.stream |= {str(uuid4()): row for row in good}
        trouble.meanwhile()
        if good and not trouble.dies:
            host = self.world.now + self.host_ahead
            rounded = (host + SECOND // 2) // SECOND * SECOND
            self.since = wall_clock(rounded, None)


class RunEndedError(Exception):
    """The run ends here, with whatever STATE it has written."""


class Ours(Reader):
    """The real rules; each poll is a run that resumes from the STATE of the one before."""

    def __init__(self, world: World, cap: int) -> None:
        super().__init__(world, cap)
        self.output = Output()

    @override
    def poll(self, trouble: Trouble) -> None:
        history = History(0, "auto", 300, page_size=self.cap, zone=None, start=0, steps=())
        tap = OneRun(self.world, history, self.output)
        tap.reader, tap.trouble = self, trouble
        try:
            for _ in tap.one_pass():
                pass
        except RunEndedError:
            self.output.writer_died()


class OneRun(Tap):
    reader: Reader
    trouble: Trouble
    emitted = 0

    @override
    def page(self, question: Rows) -> list[Position]:
        if self.emitted >= self.reader.cap:
            raise RunEndedError
        positions = super().page(question)
        if any(position.id in self.trouble.unreadable for position in positions):
            raise RunEndedError  # a CLOB comes with its page, or the page does not come
        return positions

    @override
    def emit(
        self, positions: Sequence[Position], new: list[bool], *, has_keys: bool = True
    ) -> Iterator[None]:
        for position, is_new in zip(positions, new, strict=True):
            if is_new and position.id in self.trouble.refused:
                raise RunEndedError
            if is_new and position.id is not None:
                self.reader.stream[f"{position.at}/{position.id}"] = int(position.id)
        self.emitted += sum(new)
        yield from super().emit(positions, new, has_keys=has_keys)
        if positions:
            self.trouble.meanwhile()
        if self.trouble.dies:
            raise RunEndedError


def at_noon(seconds: float = 0) -> World:
    return World(NOON + int(seconds * SECOND))


def commit_a_row(world: World) -> int:
    transaction = world.begin(node=0)
    row = world.insert(transaction, world.now)
    world.commit(transaction)
    assert isinstance(row, int)
    return row


def poll_twice(reader: Reader, trouble: Trouble | None = None) -> list[int]:
    """One poll with ``trouble``, one a second later without; the rows in the stream."""
    reader.poll(trouble or Trouble())
    reader.world.now += SECOND
    reader.poll(Trouble())
    return sorted(reader.stream.values())


def test_loss_1_rows_beyond_the_cap_of_a_poll() -> None:
    def story(make: Callable[[World, int], Reader]) -> list[int]:
        world = at_noon()
        for _ in range(5):
            commit_a_row(world)
        return poll_twice(make(world, 3))

    assert story(V7) == [1, 2, 3]
    assert story(Ours) == [1, 2, 3, 4, 5]


def test_loss_2_rows_committed_between_the_reading_and_the_storing_of_the_time() -> None:
    def story(make: Callable[[World, int], Reader]) -> list[int]:
        world = at_noon()
        commit_a_row(world)

        def meanwhile() -> None:
            world.now += 2 * SECOND
            commit_a_row(world)
            world.now += 2 * SECOND

        return poll_twice(make(world, 10), Trouble(meanwhile))

    assert story(V7) == [1]
    assert story(Ours) == [1, 2]


def test_loss_3_rows_that_were_refused_in_a_batch_that_was_not_refused_as_a_whole() -> None:
    def story(make: Callable[[World, int], Reader]) -> list[int]:
        world = at_noon()
        for _ in range(3):
            commit_a_row(world)
        return poll_twice(make(world, 10), Trouble(refused=frozenset({2})))

    assert story(V7) == [1, 3]
    assert story(Ours) == [1, 2, 3]


def test_loss_4_rows_in_the_rest_of_the_second_that_a_time_is_rounded_to() -> None:
    def story(make: Callable[[World, int], Reader]) -> list[int]:
        world = at_noon(seconds=0.6)
        commit_a_row(world)
        reader = make(world, 10)
        reader.poll(Trouble())
        world.now += SECOND * 3 // 10
        commit_a_row(world)
        return poll_twice(reader)

    assert story(V7) == [1]
    assert story(Ours) == [1, 2]


def test_loss_5_rows_of_the_time_by_which_the_clock_of_the_host_is_ahead() -> None:
    def story(make: Callable[[World, int], Reader]) -> list[int]:
        world = at_noon()
        commit_a_row(world)
        reader = make(world, 10)
        reader.poll(Trouble())
        world.now += 1_800 * SECOND
        commit_a_row(world)
        return poll_twice(reader)

    assert story(partial(V7, host_ahead=3_600 * SECOND)) == [1]
    assert story(Ours) == [1, 2]


def test_loss_6_ids_made_up_at_random_so_that_what_is_sent_again_is_stored_again() -> None:
    def story(make: Callable[[World, int], Reader]) -> list[int]:
        world = at_noon()
        commit_a_row(world)
        return poll_twice(make(world, 10), Trouble(dies=True))

    assert story(V7) == [1, 1]
    assert story(Ours) == [1]


def test_loss_7_rows_whose_clob_could_not_be_read() -> None:
    def story(make: Callable[[World, int], Reader]) -> list[int]:
        world = at_noon()
        for _ in range(3):
            commit_a_row(world)
        return poll_twice(make(world, 10), Trouble(unreadable=frozenset({2})))

    assert story(V7) == [1, 3]
    assert story(Ours) == [1, 2, 3]
