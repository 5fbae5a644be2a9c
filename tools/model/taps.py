"""Taps of the model that read in another way than the plain one."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

from typing_extensions import override

from tap_oracle_txlog.rules.timestamps import BEGINNING, END, minus, plus
from tools.model.history import Tap
from tools.model.world import wall_clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_oracle_txlog.rules.progress import Progress


class TapInSlices(Tap):
    """Backfill: each slice has a bookmark of its own, and one that is complete is not read."""

    @override
    def load(self, state: str | None) -> Progress:
        written = json.loads(state or "{}")
        start = wall_clock(self.history.start, self.history.zone)
        self.slices = tuple(pairwise((BEGINNING, minus(start, 200), start, plus(start, 290), END)))
        self.parts = {}
        for start, _ in self.slices:
            self.start = start
            self.parts[start] = super().load(written.get(start))
        return self.parts[BEGINNING]

    @override
    def save(self, progress: Progress) -> None:
        self.progress = self.parts[self.start] = progress
        parts = dict(self.parts)
        self.output.write_state(
            lambda: json.dumps({at: json.dumps(part.to_bookmark()) for at, part in parts.items()})
        )

    @override
    def head(self) -> Iterator[None]:
        """A backfill does not poll."""
        yield

    @override
    def one_pass(self) -> Iterator[None]:
        for start, until in self.slices:
            self.start, self.until, self.progress = start, until, self.parts[start]
            if not self.progress.covers(until):
                yield from self.keys()
                self.parts[start] = self.progress
        self.start, self.progress = BEGINNING, self.parts[BEGINNING]
        yield from self.null_keys()


class TapWithASmallState(Tap):
    """Not all that is remembered fits into the state."""

    may_repeat = True
    state_bytes = 400
