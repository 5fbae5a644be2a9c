"""A STATE leaves when it is true, in its turn, and soon enough; nothing of it can be stuck."""

from __future__ import annotations

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from target_nats_jetstream.checkpoint import Checkpoint, Checkpoints

START = 1000.0


class Pipeline(RuleBasedStateMachine):
    """Records are read, batched, submitted and acknowledged; STATEs come in between.

    A STATE's value tells its turn and how many records came before it, so that whether it is true
    can be counted.
    """

    @initialize(every_records=st.integers(1, 6), every_seconds=st.integers(1, 5))
    def begin(self, every_records: int, every_seconds: int) -> None:
        self.every_records, self.every_seconds = every_records, every_seconds
        self.now = START
        self.checkpoints = Checkpoints(every_records=every_records, every_seconds=every_seconds)
        self.read = 0
        self.through: list[int] = [0]  # records in the batches up to each number
        self.acked = 0
        self.turn = 0
        self.newest: tuple[int, int] | None = None  # its turn, and the records before it
        self.last_held: tuple[int, int] | None = None
        self.last_held_at = -math.inf
        self.released: list[int] = []

    @rule(count=st.integers(1, 4))
    def read_records(self, count: int) -> None:
        self.read += count

    @rule()
    def submit_a_full_batch(self) -> None:
        if self.through[-1] < self.read:
            self.through.append(self.read)

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        self.acked = data.draw(st.integers(self.acked, len(self.through) - 1))
        self.release()

    @rule(seconds=st.floats(0, 3))
    def let_time_pass(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def read_a_state(self) -> None:
        self.turn += 1
        self.newest = (self.turn, self.read)
        self.submit_a_full_batch()
        self.checkpoints.note(
            {"turn": self.turn, "read": self.read}, self.read, barrier=len(self.through) - 1
        )
        self.hold_what_is_due()

    @rule()
    def find_the_input_silent(self) -> None:
        self.hold_what_is_due()
        self.release()

    def hold_what_is_due(self) -> None:
        due = self.newest is not None and (
            self.last_held is None
            or self.newest[1] - self.last_held[1] >= self.every_records
            or self.now >= self.last_held_at + self.every_seconds
        )
        assert self.checkpoints.due(self.now) == due
        if due:
            self.hold()

    def hold(self) -> None:
        self.checkpoints.hold(self.now)
        if self.newest is not None:
            self.last_held, self.last_held_at = self.newest, self.now
        self.newest = None

    def release(self) -> None:
        for checkpoint in self.checkpoints.release(self.acked):
            read, turn = checkpoint.state["read"], checkpoint.state["turn"]
            assert isinstance(read, int)
            assert isinstance(turn, int)
            assert read <= self.through[self.acked], "a STATE left before what it promises"
            assert turn > max(self.released, default=0), "a STATE left twice, or out of turn"
            self.released.append(turn)

    @invariant()
    def the_deadline_is_when_it_becomes_due_by_time_alone(self) -> None:
        deadline = self.checkpoints.deadline()
        assert math.isinf(deadline) == (self.newest is None)
        if self.newest is not None:
            assert self.checkpoints.due(deadline)

    @precondition(lambda self: self.turn)
    @rule()
    def a_silent_tap_gets_its_newest_state_back_in_time(self) -> None:
        self.now += self.every_seconds
        self.hold_what_is_due()
        self.all_is_acknowledged()
        assert self.released[-1] == self.turn

    def all_is_acknowledged(self) -> None:
        self.acked = len(self.through) - 1
        self.release()

    @override
    def teardown(self) -> None:
        """End of input: the newest STATE is out, and none is left behind."""
        if not hasattr(self, "checkpoints"):
            return
        self.hold()
        self.all_is_acknowledged()
        assert self.released[-1:] == ([self.turn] if self.turn else [])
        assert self.checkpoints.release(self.acked) == []


def test_no_history_makes_a_state_leave_early_late_or_out_of_turn() -> None:
    run_state_machine_as_test(Pipeline, settings=settings(max_examples=150, stateful_step_count=40))


@pytest.fixture
def checkpoints() -> Checkpoints:
    return Checkpoints(every_records=100, every_seconds=5)


def test_the_first_state_of_a_run_is_due_at_once(checkpoints: Checkpoints) -> None:
    assert not checkpoints.due(START)
    checkpoints.note({}, 0, barrier=0)
    assert checkpoints.due(START)


def test_a_later_state_is_due_at_its_count_and_not_one_record_before(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.note({"n": 10}, 10, barrier=1)
    checkpoints.hold(START)
    checkpoints.note({"n": 109}, 109, barrier=2)
    assert not checkpoints.due(START)
    checkpoints.note({"n": 110}, 110, barrier=2)
    assert checkpoints.due(START)


def test_a_later_state_is_due_at_its_time_and_not_a_moment_before(checkpoints: Checkpoints) -> None:
    checkpoints.note({}, 0, barrier=0)
    checkpoints.hold(START + 2)
    checkpoints.note({}, 1, barrier=1)
    assert not checkpoints.due(START + 6.999)
    assert checkpoints.due(START + 7)
    assert checkpoints.deadline() == START + 7


def test_a_newer_state_takes_the_place_of_one_that_is_not_yet_due(checkpoints: Checkpoints) -> None:
    for number in range(3):
        checkpoints.note({"n": number}, number, barrier=7)
    checkpoints.hold(START)
    assert checkpoints.release(6) == []
    assert checkpoints.release(7) == [Checkpoint({"n": 2}, 7)]


def test_acknowledgements_out_of_turn_release_all_that_they_cover_at_once(
    checkpoints: Checkpoints,
) -> None:
    for barrier in (1, 2, 3):
        checkpoints.note({"n": barrier}, 0, barrier=barrier)
        checkpoints.hold(START)
    assert [checkpoint.state["n"] for checkpoint in checkpoints.release(2)] == [1, 2]
    assert [checkpoint.state["n"] for checkpoint in checkpoints.release(9)] == [3]
