"""The bookmarks of a run in the tap's state: one for each part, and the mark of what is unread.

What a part is, and what the mark tells a target, is in ``rules.parts``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from tap_oracle_txlog.rules.parts import READING, clear_marks_in, parts_of, retire_slices

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.reading import Emission
    from tap_oracle_txlog.rules.parts import HowFar, Part
    from tap_oracle_txlog.rules.replay import Replay
    from tap_oracle_txlog.rules.timestamps import Instant
    from tap_oracle_txlog.settings import TapSettings
    from tap_oracle_txlog.source import TableNames


class Bookmarks:
    """Where each part of a run stands.

    Args:
        state: The state of the tap.
        of_context: The bookmark of a partition in the tap's state, or of the stream for None; it
            is made where there is none.
        zone: The time zone of a replication key that has none of its own, as far as it is known
            without the database. Assign the real one as ``zone`` once connected.
        replay: What the run is, if it is a replay.
        read: Makes of a bookmark, and of where its part begins, how far that is read.
    """

    def __init__(  # noqa: PLR0913 - all that says where a run stands, and what it is
        self,
        state: Mapping[str, object],
        of_context: Callable[[dict[str, Any] | None], dict[str, Any]],
        names: TableNames,
        settings: TapSettings,
        zone: ZoneInfo | None,
        *,
        replay: Replay | None,
        read: Callable[[Mapping[str, Any], Instant, ZoneInfo | None], HowFar],
    ) -> None:
        self._state = cast("dict[str, Any]", state)  # a TypedDict of the SDK, with members of ours
        self._of_context = of_context
        self._names = names
        self._settings = settings
        self._replay = replay
        self._read = read
        self.zone = zone

    @property
    def parts(self) -> list[Part]:
        """What the run reads, in this order."""
        start, backfill = self._settings.start(self.zone), self._settings.backfill(self.zone)
        return parts_of(start, backfill, self._replay)

    def first_unread(self, parts: Iterable[Part]) -> Part | None:
        """The first of ``parts`` that is not read to its end."""
        return next((part for part in parts if not part.is_read(self.progress(part))), None)

    def progress(self, part: Part) -> HowFar:
        """What is out of a part.

        Raises:
            DataError: Its bookmark cannot be used.
        """
        return self._read(self._of_context(part.context), part.start, self.zone)

    def announce(self) -> None:
        """Mark what is going to be read, as far as that is known without the database.

        Raises:
            ConfigurationError: The name of the replay was given to another selection.
            DataError: The bookmark of a slice cannot be used.
        """
        if self._replay is not None:
            self._replay.check(self._of_context(None).get("partitions", ()))
            clear_marks_in(self._of_context(None))
            self._of_context(dict(self._replay.context))[READING] = True
        elif self.zone is not None and self._settings.end_date:
            clear_marks_in(self._of_context(None))
            self._of_context(None)[READING] = True  # slices begin as the column's type has it
        else:
            self.mark_first()

    def mark_first(self) -> None:
        """Let the mark stand where reading begins, and nowhere else; raises as ``announce``."""
        clear_marks_in(self._of_context(None))
        self._mark_next(self.parts)
        retire_slices(self._state, self._names.stream, self.parts)

    def update(self, parts: Sequence[Part], emission: Emission[HowFar], *, is_capped: bool) -> None:
        """Set the bookmark of the first of ``parts``, and the mark if there is more to read.

        Args:
            parts: The part that the emission belongs to, and those that follow it.
            emission: What is out now.
            is_capped: Whether the run has had all the rows that it may have.
        """
        part, *following = parts
        bookmark = self._of_context(part.context)
        kept = {name: bookmark[name] for name in ("context", "partitions") if name in bookmark}
        bookmark.clear()
        bookmark |= kept | emission.progress.to_bookmark()
        if is_capped:
            clear_marks_in(self._of_context(None))
        elif part.is_read(emission.progress, at_end=emission.ends_pass):
            self._mark_next(following)
        else:
            bookmark[READING] = True

    def _mark_next(self, parts: Iterable[Part]) -> None:
        if (part := self.first_unread(parts)) is not None:
            self._of_context(part.context)[READING] = True
