"""A replay: rows that were sent before, selected by what they are, and sent again under a name.

Its bookmark is one among the stream's partitions, so that the tail's stays what it is. Beside the
name stands a digest of what was selected: a name stands for one selection, because another one
would go on behind the last row of the first, and pass over rows in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tap_oracle_txlog.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Replay(NamedTuple):
    """The name of a replay, and the digest of what it selects."""

    name: str
    selection: str

    @property
    def context(self) -> dict[str, str]:
        """The place of its bookmark among the partitions."""
        return {"replay": self.name, "selection": self.selection}

    def check(self, partitions: Iterable[Mapping[str, object]]) -> None:
        """See that the name was not given to another selection.

        Args:
            partitions: The bookmarks of a stream, each with its context.

        Raises:
            ConfigurationError: It was.
        """
        for context in (one.get("context") for one in partitions):
            if is_of(self.name, context) and context != self.context:
                reason = (
                    f"the replay {self.name} was begun with another `filter`, `start_date` or "
                    "`end_date`"
                )
                remedy = "Set them as they were, or choose another name"
                raise ConfigurationError(reason, remedy, setting="replay")


def is_of(name: str, context: object) -> bool:
    """Whether a bookmark with this context is one of the replay ``name``."""
    return isinstance(context, dict) and context.get("replay") == name
