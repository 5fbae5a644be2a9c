"""Where a run starts: from the state that it is given or, where there is none, from the ledger."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from tap_oracle_txlog.rules.parts import has_time, is_before, written_time
from tap_oracle_txlog.rules.replay import is_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_oracle_txlog.settings import AllSettings
    from tap_oracle_txlog.source import TableNames

logger = logging.getLogger(__name__)

FULL_REFRESH: Final = "MELTANO_RUN_FULL_REFRESH"
"""Set to make Meltano ignore the state, like its option --full-refresh; plugins see it, too."""
TRUE: Final = ("1", "true", "t", "yes", "y", "on")  # as Meltano reads it


def _of_replay(
    kept: Mapping[str, Any], given: Mapping[str, Any], stream: str, name: str
) -> dict[str, Any]:
    """The bookmarks of a replay in the ledger's state, beside those that are given: whatever else
    it has of the stream may be older than what is given. They are taken out of there, where they
    would win.
    """
    own = given.get("bookmarks", {}).get(stream, {}).pop("partitions", [])
    partitions = kept.get("bookmarks", {}).get(stream, {}).get("partitions", [])
    found = [one for one in partitions if is_of(name, one.get("context"))]
    return {"bookmarks": {stream: {"partitions": [*own, *found]}}}


def state_from_ledger(
    settings: AllSettings, given: Mapping[str, Any], names: TableNames
) -> dict[str, Any] | None:
    """The ledger's state, if the given one does not say where to start; otherwise None.

    Warns when the given state is behind the ledger.

    Raises:
        TapError: The ledger cannot be read.
    """
    if os.environ.get(FULL_REFRESH, "").lower() in TRUE:
        logger.info("%s is set: not reading the state from the ledger", FULL_REFRESH)
        return None
    from tap_oracle_txlog.ledger import previous_state  # noqa: PLC0415

    zone = settings.source.zone
    is_backfill = bool(settings.tap.backfill(zone))
    kept, origin = previous_state(
        settings.ledger,
        stream=names.stream,
        replication_key=names.replication_key,
        is_backfill=is_backfill or settings.tap.replay is not None,
    )
    reached, known = written_time(given, names.stream), written_time(kept, names.stream)
    if has_time(given, names.stream, in_slices=is_backfill, replay=settings.tap.replay):
        if is_before(reached, known, zone):
            logger.warning(
                "the given state is complete up to %s, the ledger up to %s: rows between them are "
                "sent again. Remove the state to start from the ledger",
                reached,
                known,
            )
        return None
    if kept is None:
        logger.info("no state given and none in the ledger; starting without one")
        return None
    if settings.tap.replay is not None:
        kept = _of_replay(kept, given, names.stream, settings.tap.replay)
        known = ""
    logger.info(
        "no state given; starting from the ledger, complete up to %s (%s). To read from the "
        "beginning, set state_from_ledger: false, or %s",
        known or "the end of the slices in it",
        origin,
        FULL_REFRESH,
    )
    return kept
