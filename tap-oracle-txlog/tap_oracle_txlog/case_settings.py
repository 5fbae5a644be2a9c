"""The settings of cases that are put together from the events of a table."""

from __future__ import annotations

from typing import Annotated

from tap_oracle_txlog.config import Settings, refuse, setting
from tap_oracle_txlog.rules.durations import parse_duration


class CaseSettings(Settings, frozen=True, kw_only=True):
    """What makes a case, and when it is complete."""

    assemble_by: Annotated[
        str | None,
        setting(
            "Column whose value the events of a case share, such as CASE_ID. Adds a stream of "
            "cases, each with all its events, beside that of the events."
        ),
    ] = None
    assemble_end: Annotated[
        list[str] | None,
        setting("Event types that end a case at once, such as [CASE_CLOSED]."),
    ] = None
    assemble_type: Annotated[
        str, setting("Column with the type of an event, for `assemble_end`.")
    ] = "EVENT_TYPE"
    assemble_quiet: Annotated[
        str, setting("A case without an event for this long has ended, such as 30m or 2h.")
    ] = "30m"
    assemble_max_events: Annotated[
        int,
        setting(
            "Events in a case at most; of a longer one the first ones are sent, with `complete` "
            "false.",
            ge=1,
            le=100_000,
        ),
    ] = 1_000

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        _ = self.quiet
        if self.assemble_by is None and self.assemble_end:
            refuse("assemble_end", "is set without `assemble_by`", "Set both, or neither")

    @property
    def quiet(self) -> int:
        """`assemble_quiet` in seconds.

        Raises:
            ConfigurationError: It is no length of time.
        """
        try:
            return parse_duration(self.assemble_quiet)
        except ValueError as error:
            refuse("assemble_quiet", f"is wrong: {error}", "Write it like 30m")
