"""Where in the JetStream stream each of the last STATEs stood.

A run that resumes asks for the STATE that the tap starts from: all that this pipeline has in the
stream behind the sequence of that STATE can come again. The STATE may be several checkpoints old.

Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from target_nats_jetstream.bookmarks import fingerprints

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_nats_jetstream.bookmarks import State

#: Part and digest of a STATE that says nothing.
NOTHING_SAID = ("", "")
#: How many STATEs are remembered, besides the newest of each part.
REMEMBERED = 100


class Entry(NamedTuple):
    """The newest STATE in which a part of the STATE was as it was."""

    part: str
    digest: str
    sequence: int


@dataclass(frozen=True, slots=True)
class StateSequences:
    """The sequences of the last STATEs of a pipeline in one JetStream stream.

    Args:
        stream: Which stream: its name and when it was made, because the sequences of a stream that
            was made anew begin at 1 again. Empty where nothing is known.
        entries: In the order in which their STATEs were told, a part at a time: the STATE that a
            tap is given may be composed of several runs of which each wrote a part.
        places: By Singer stream, the place of its last placed message before the newest STATE.
    """

    stream: str = ""
    entries: tuple[Entry, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)

    def find(self, state: State, *, after_failure: bool = False) -> int | None:
        """Behind which sequence lies all that can come again after ``state``.

        That is the least of the sequences of its parts. None where a part is not remembered as it
        is in ``state``.

        Args:
            state: From which the tap starts.
            after_failure: Whether the last run did not end well. Then a STATE that says nothing may
                be that of before the run, whose own ones did not arrive. After a success it is a
                load from the start, and where the first one began is of no use.
        """
        entries = self.entries if after_failure else self._without_old_start()
        newest = {(entry.part, entry.digest): entry.sequence for entry in entries}
        found = [newest.get(part) for part in _parts(state)]
        known = [sequence for sequence in found if sequence is not None]
        return min(known) if len(known) == len(found) else None

    @property
    def newest(self) -> int | None:
        """The sequence of the STATE that was told last; None where none is remembered."""
        return self.entries[-1].sequence if self.entries else None

    @property
    def oldest(self) -> int | None:
        """The least sequence of the last STATEs; None where none is remembered."""
        return min((entry.sequence for entry in self.entries[-REMEMBERED:]), default=None)

    def _without_old_start(self) -> tuple[Entry, ...]:
        kept = [entry for entry in self.entries[:-1] if entry[:2] != NOTHING_SAID]
        return (*kept, *self.entries[-1:])

    def of(self, stream: str) -> Self:
        """These where they are those of ``stream``, else none."""
        return self if stream == self.stream else type(self)(stream)

    def added(
        self,
        stream: str,
        state: State,
        sequence: int,
        places: Mapping[str, str] = MappingProxyType({}),
    ) -> Self:
        """With one more STATE; those of another stream are dropped.

        Args:
            stream: As the attribute.
            state: The STATE as the tap wrote it.
            sequence: Of the last message before it; 0 when there is none.
            places: As the attribute, of the streams that sent placed messages in this run.
        """
        new = [Entry(*part, sequence) for part in _parts(state)]
        kept = self.of(stream)
        return type(self)(stream, _moved(kept.entries, new), {**kept.places, **places})

    def followed_by(self, later: Self) -> Self:
        """Both, as if those of ``later`` were added here one after the other."""
        kept = self.of(later.stream)
        places = {**kept.places, **later.places}
        return type(self)(later.stream, _moved(kept.entries, later.entries), places)

    def to_json(self) -> str:
        """The text for the ledger."""
        found = {"stream": self.stream, "states": self.entries, "places": dict(self.places)}
        return json.dumps(found, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | None) -> Self | None:
        """What ``to_json`` has written; none for no text, None for text that it has not written."""
        if not text:
            return cls()
        try:
            found = json.loads(text)
            entries = tuple(_entry(*entry) for entry in found["states"])
            return cls(str(found["stream"]), entries, _texts(found.get("places", {})))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            return None


def _moved(entries: Iterable[Entry], new: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries with those of ``new`` at their end, and without the oldest ones."""
    found = {(entry.part, entry.digest): entry for entry in entries}
    for entry in new:
        found.pop((entry.part, entry.digest), None)
        found[entry.part, entry.digest] = entry
    newest = set({entry.part: entry for entry in found.values() if entry.digest}.values())
    older = [entry for entry in found.values() if entry not in newest]
    forgotten = set(older[:-REMEMBERED])
    return tuple(entry for entry in found.values() if entry not in forgotten)


def _parts(state: State) -> list[tuple[str, str]]:
    """The fingerprints; those of an empty STATE are found by an empty STATE only."""
    return list((fingerprints(state) or dict([NOTHING_SAID])).items())


def _entry(part: Any, digest: Any, sequence: Any) -> Entry:  # noqa: ANN401 - it came as JSON
    return Entry(str(part), str(digest), int(sequence))


def _texts(found: Any) -> dict[str, str]:  # noqa: ANN401 - it came as JSON
    return {str(name): str(text) for name, text in found.items()}
