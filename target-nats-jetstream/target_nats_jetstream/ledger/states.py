"""What the STATEs of a run say, put onto what the row said when the run began.

Pure. A STATE that cannot be written while the database is away is not lost: it is written with the
next one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from target_nats_jetstream import bookmarks, completed
from target_nats_jetstream.ledger.sequences import StateSequences

if TYPE_CHECKING:
    from target_nats_jetstream.ledger.row import LedgerProgress, LedgerRow


class States:
    """The columns SINGER_STATE and STATE_SEQUENCES, for one run."""

    def __init__(self) -> None:
        self._before: dict[str, object] = {}
        self._said: dict[str, object] | None = None
        self._stood_before = self._stood = StateSequences()
        self._compared = False

    def begin_from(self, row: LedgerRow) -> None:
        """Take over what the row says; what this run has said already stands above it."""
        self._before = bookmarks.without_test_stream(row.state)
        self._before.pop(completed.RETIRED, None)  # that is for the tap of this run to say
        self._stood_before = row.sequences

    def note(self, progress: LedgerProgress) -> None:
        """Take the STATE of a checkpoint; a second time changes nothing.

        An empty one is that of a tap that has written none: it only has a place in the stream.
        """
        if (state := progress.state) is None:
            return
        if state:
            self._said = bookmarks.merge(self._said or {}, state)
        if stream := progress.stream:
            sequence, places = progress.state_sequence, progress.places
            self._stood = self._stood.added(stream, state, sequence, places)

    def columns(self) -> dict[str, str]:
        """What the row is to say; without a column of which nothing new is known."""
        columns = {}
        if self._said is not None:
            columns["SINGER_STATE"] = bookmarks.encode(self._merged())
        if self._stood.stream:
            columns["STATE_SEQUENCES"] = self._stood_before.followed_by(self._stood).to_json()
        return columns

    def with_times(self, progress: LedgerProgress) -> LedgerProgress:
        """The progress by all that is known of its streams: a backfill leaves the time alone up to
        which the tail of its stream is complete.
        """
        times = completed.complete_times(self._merged())
        streams = {
            name: part._replace(complete_up_to=times.get(name, part.complete_up_to))
            for name, part in progress.streams.items()
        }
        return replace(progress, streams=streams)

    def others(self) -> tuple[list[str], list[str]] | None:
        """The streams of the row and those of this run, where they have none in common; asked once,
        at the first STATE.
        """
        before, said = bookmarks.streams(self._before), bookmarks.streams(self._said or {})
        if self._compared or not said:
            return None
        self._compared = True
        return (sorted(before), sorted(said)) if before and not before & said else None

    def held_back(self) -> tuple[str, str] | None:
        """The stream of this run that all its others wait for, and up to when it is complete."""
        said = bookmarks.streams(self._said or {})
        return completed.held_back(self._before, bookmarks.only(self._merged(), said))

    def _merged(self) -> dict[str, object]:
        return bookmarks.merge(self._before, self._said or {})
