"""``--doctor``: what is in order with the source and with the ledger, and what is not.

What has to do with one source alone is in ``oracle/doctor.py`` and ``sqlalchemy/doctor.py``; they
are imported where they are used, because only one of them is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_oracle_txlog.cases import CasesOf
    from tap_oracle_txlog.diagnosis import Line
    from tap_oracle_txlog.settings import AllSettings


def examine(
    config: Mapping[str, Any], settings: AllSettings, cases: CasesOf | None = None
) -> Iterator[Line]:
    """Check the source, and the ledger where a run reads it.

    Raises:
        ConfigurationError: The settings of the connection to Oracle do not go together.
    """
    if url := settings.tap.sqlalchemy_url:
        from tap_oracle_txlog.sqlalchemy import doctor as sqlalchemy  # noqa: PLC0415

        names = settings.source.names
        yield from sqlalchemy.examine(url, settings.source, settings.tap.extraction, cases)
    else:
        from tap_oracle_txlog.oracle import doctor as oracle  # noqa: PLC0415
        from tap_oracle_txlog.oracle.settings import OracleSettings  # noqa: PLC0415

        of_oracle = OracleSettings.from_config(config)
        names = of_oracle.names
        yield from oracle.examine(of_oracle, settings.tap.extraction, cases)
    if settings.tap.state_from_ledger:
        from tap_oracle_txlog.ledger_doctor import examine_ledger  # noqa: PLC0415

        yield from examine_ledger(settings, names)
