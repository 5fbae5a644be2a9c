"""What is different in a replay: rows that our tap sends once more, under a name.

Their subject, their ids and their row in the ledger carry the name: so no duplicate window takes
them for what was sent before, and nobody gets them who has not asked for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from target_nats_jetstream import bookmarks
from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.publisher.jetstream.subjects import REPLAYS

if TYPE_CHECKING:
    from target_nats_jetstream.bookmarks import State

HEADER: Final = "Txlog-Replay"
"""Carries the name."""


def subject_of(subject: str, name: str | None) -> str:
    """The subject in a replay; without a name, as it is."""
    return subject if name is None else f"{REPLAYS}.{name}.{subject}"


def ids_of(name: str | None) -> str:
    """What the ids of a replay's messages begin with; without a name, nothing."""
    return "" if name is None else f"replay:{name}:"


def check_tap(state: State, name: str | None) -> None:
    """See that the tap reads what this target is to publish, as its STATE tells while there is more
    to read. That of another tap does not tell.

    Raises:
        ConfigurationError: One of them has a replay, and the other another one, or none.
    """
    read = {other for (_, other), (_, is_read) in bookmarks.replays(state).items() if is_read}
    if others := read - {name}:
        other = min(others)
        reason = f"the tap reads the replay {other}, but this target publishes "
        reason += "none" if name is None else f"the replay {name}"
        raise ConfigurationError(reason, f"Set `replay: {other}` for both", setting="replay")
    if name is not None and bookmarks.reads_other_than_replays(state):
        reason = f"this target publishes the replay {name}, but the tap reads none"
        raise ConfigurationError(reason, f"Set `replay: {name}` for both", setting="replay")


def check_selection(kept: State, state: State) -> None:
    """See that a name stands for what it stood for in the ledger, where the tap has lost its state.

    Raises:
        ConfigurationError: It stood for another selection of rows.
    """
    before = bookmarks.replays(kept)
    for (stream, name), (selection, is_read) in bookmarks.replays(state).items():
        if is_read and before.get((stream, name), (selection,))[0] != selection:
            reason = (
                f"the replay {name} was begun with another `filter`, `start_date` or `end_date`"
            )
            remedy = "Set them as they were, or choose another name"
            raise ConfigurationError(reason, remedy, setting="replay")
