"""What people look at before they have a pipeline: which tables there are, and a few rows of one.

A sample is four files: the schema, the rows as JSON and as CSV, and of which database they are. The
rows are in the form in which the tap sends them.
"""

from __future__ import annotations

import csv
import dataclasses
import os
from typing import TYPE_CHECKING

import msgspec

from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.oracle import dictionary
from tap_oracle_txlog.private_files import make_private_folder, open_private
from tap_oracle_txlog.row import encode
from tap_oracle_txlog.rules.position import Position
from tap_oracle_txlog.rules.timestamps import BEGINNING

if TYPE_CHECKING:
    from pathlib import Path

    from tap_oracle_txlog.oracle.source import OracleSource


def list_tables(source: OracleSource, owner: str | None) -> list[dict[str, object]]:
    """The first thousand tables and views of a schema that the session may read, by name."""
    rows = source.link.ask(dictionary.readable_tables(owner))
    return [dict(zip(("owner", "name", "kind", "rows"), row, strict=True)) for row in rows]


def write_sample(source: OracleSource, count: int, folder: Path) -> list[str]:
    """Write files of the first ``count`` rows; existing ones are overwritten.

    Raises:
        ConfigurationError: They cannot be written.
    """
    columns = {column.name: column.json_schema for column in source.columns()}
    rows = [row.record() for row in source.page(Position.before(BEGINNING), count).rows]
    table = source.table.selection.table
    name = table.name.replace("/", "_")
    documents = {
        f"{name}_schema.json": {"type": "object", "properties": columns},
        f"{name}_sample.json": rows,
        "database_info.json": {"table": table.label, **dataclasses.asdict(source.database)},
    }
    sheet = folder / f"{name}_sample.csv"
    try:
        make_private_folder(folder)
        for file, document in documents.items():
            with open_private(folder / file, "wb") as lines:
                lines.write(msgspec.json.format(encode(document)))
        with open_private(sheet, "w", encoding="utf-8", newline="") as lines:
            writer = csv.writer(lines)
            writer.writerow(columns)
            writer.writerows(map(_cell, row.values()) for row in rows)
    except OSError as error:
        reason = f"cannot write into {folder}: {os.strerror(error.errno or 0)}"
        raise ConfigurationError(reason, "Set --out to a folder that can be written") from error
    return [*(str(folder / file) for file in documents), str(sheet)]


def _cell(value: object) -> str:
    """Text as it is, nothing for NULL, all else as in JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else encode(value).decode()
