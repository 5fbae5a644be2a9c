"""``--print-grants``: the least rights of the users that the tap logs in as.

The sources are imported where they are used, because not each is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_oracle_txlog.settings import AllSettings


def grants(config: Mapping[str, Any], settings: AllSettings) -> Iterator[str]:
    """The statements, for the source and for the ledger where it is read.

    Raises:
        ConfigurationError: It is not said who the users are.
    """
    if settings.tap.sqlalchemy_url:
        from tap_oracle_txlog.sqlalchemy.engine import grant_for  # noqa: PLC0415

        yield grant_for(settings.tap.sqlalchemy_url, settings.source.table)
    else:
        from tap_oracle_txlog.oracle import grants as oracle  # noqa: PLC0415
        from tap_oracle_txlog.oracle.settings import OracleSettings  # noqa: PLC0415

        with_watermark = settings.tap.late_commit_strategy != "lookback"
        yield from oracle.grants(OracleSettings.unchecked(config), with_watermark=with_watermark)
    if settings.tap.state_from_ledger:
        from tap_oracle_txlog.ledger import grant_for_ledger  # noqa: PLC0415

        yield grant_for_ledger(settings.ledger)
