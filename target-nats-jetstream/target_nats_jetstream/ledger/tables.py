"""The tables as they are created when there are none; existing ones may lack columns."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

_TIME: Final = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql")
_NAME: Final = sa.String(255).with_variant(mysql.VARCHAR(255, collation="utf8mb4_bin"), "mysql")
_LONG_TEXT: Final = sa.Text().with_variant(mysql.LONGTEXT(), "mysql")


def ledger_table(name: str) -> sa.Table:
    """ETL_PRMREC: a row for each pipeline, and for each of its streams."""
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("PROGRAM_NAME", _NAME, primary_key=True),
        sa.Column("LAST_SUCCESSFUL_TIME", _TIME),
        sa.Column("LAST_RUN_TIME", _TIME),
        sa.Column("STATUS", sa.String(50)),
        sa.Column("RECORDS_PROCESSED", sa.BigInteger, server_default="0"),
        sa.Column("ERROR_MESSAGE", sa.Text),
        sa.Column("SINGER_STATE", _LONG_TEXT),
        sa.Column("STREAM_SEQUENCE", sa.BigInteger),
        sa.Column("STATE_SEQUENCES", _LONG_TEXT),
        sa.Column("CREATED_AT", _TIME, server_default=sa.func.now(6)),
        sa.Column("UPDATED_AT", _TIME, server_default=sa.func.now(6)),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )


def history_table(ledger: str) -> sa.Table:
    """ETL_PRMREC_RUNS: a row for each run. The key has the runs of a pipeline in their order."""
    return sa.Table(
        f"{ledger}_RUNS",
        sa.MetaData(),
        sa.Column("PROGRAM_NAME", _NAME, primary_key=True),
        sa.Column("RUN_ID", sa.String(36), primary_key=True),
        sa.Column("BEGAN_AT", _TIME),
        sa.Column("ENDED_AT", _TIME),
        sa.Column("STATUS", sa.String(50)),
        sa.Column("RECORDS_PROCESSED", sa.BigInteger),
        sa.Column("DEAD_LETTERS", sa.BigInteger),
        sa.Column("ERROR_MESSAGE", sa.Text),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
    )
