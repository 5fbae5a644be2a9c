"""Outstanding: never early, never lost, always in order, whatever comes in whatever order."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from target_nats_jetstream.message import Message
from target_nats_jetstream.publisher.outstanding import Outstanding


class OutstandingMachine(RuleBasedStateMachine):
    """Agreement with a model that keeps everything for ever."""

    @initialize()
    def begin(self) -> None:
        self.outstanding = Outstanding()
        self.messages: list[Message] = []
        self.acked: set[int] = set()
        self.batches: list[tuple[int, int]] = []  # (end position, dead letters still open)

    @rule(size=st.integers(0, 4), letters=st.integers(0, 2))
    def add(self, size: int, letters: int) -> None:
        start = len(self.messages)
        batch = [Message("s", f"id-{n}", b"") for n in range(start, start + size)]
        self.messages += batch
        self.batches.append((start + size, letters))
        assert self.outstanding.add(batch, letters) == len(self.batches)

    @precondition(lambda self: self.messages)
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        position = data.draw(st.integers(0, len(self.messages) - 1))
        self.outstanding.ack(position)
        self.acked.add(position)

    @rule(data=st.data())
    def ack_a_run(self, data: st.DataObject) -> None:
        position = data.draw(st.integers(0, len(self.messages)))
        self.outstanding.ack_before(position)
        self.acked |= set(range(position))

    @precondition(lambda self: any(letters for _, letters in self.batches))
    @rule(data=st.data())
    def put_a_letter_away(self, data: st.DataObject) -> None:
        waiting = [n for n, (_, letters) in enumerate(self.batches) if letters]
        index = data.draw(st.sampled_from(waiting))
        end, letters = self.batches[index]
        self.batches[index] = (end, letters - 1)
        self.outstanding.dead_letter_stored(index + 1)

    @precondition(lambda self: len(self.acked) < len(self.messages))
    @rule(data=st.data())
    def dead_letter(self, data: st.DataObject) -> None:
        open_ones = [n for n in range(len(self.messages)) if n not in self.acked]
        position = data.draw(st.sampled_from(open_ones))
        number = self.outstanding.dead_letter(position)
        self.acked.add(position)
        end, letters = self.batches[number - 1]
        assert position < end
        self.batches[number - 1] = (end, letters + 1)

    @invariant()
    def the_floor_is_the_first_gap(self) -> None:
        floor = next((n for n in range(len(self.messages)) if n not in self.acked), None)
        assert self.outstanding.floor == (len(self.messages) if floor is None else floor)

    @invariant()
    def acked_through_is_the_unbroken_prefix_of_done_batches(self) -> None:
        through = 0
        for end, letters in self.batches:
            if letters or any(n not in self.acked for n in range(end)):
                break
            through += 1
        assert self.outstanding.acked_through == through

    @invariant()
    def what_is_not_acknowledged_can_be_sent_again_in_order(self) -> None:
        floor = self.outstanding.floor
        assert self.outstanding.messages(floor, 10_000) == self.messages[floor:]
        assert self.outstanding.messages(floor, 3) == self.messages[floor : floor + 3]
        for position in range(len(self.messages)):
            assert self.outstanding.acked(position) == (position in self.acked)


def test_outstanding_agrees_with_a_model_that_forgets_nothing() -> None:
    run_state_machine_as_test(
        OutstandingMachine,
        settings=settings(max_examples=100, stateful_step_count=30),
    )
