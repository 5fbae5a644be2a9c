"""The plan of a sliced backfill: a JSON file that says what each slice reads, and of which table.

``--plan-slices`` writes it, ``txlog-slice`` and its engines read it. Nothing here connects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec

from tap_oracle_txlog.config import unreadable
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.rules.timestamps import instant

if TYPE_CHECKING:
    from pathlib import Path

    from tap_oracle_txlog.source import TableNames

By: TypeAlias = Literal["rows", "time", "partitions"]

VERSION: Final = 1
_AGAIN: Final = "Make one with tap-oracle-txlog --plan-slices"


class PlannedSlice(msgspec.Struct, frozen=True):
    """What a slice reads: settings of the tap, by the clock of the replication key.

    Raises:
        ValueError: They are no such times, or in the wrong order.
    """

    start_date: str
    end_date: str

    def __post_init__(self) -> None:
        """See above."""
        if instant(self.start_date) >= instant(self.end_date):
            msg = f"{self.start_date} is not before {self.end_date}"
            raise ValueError(msg)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Slices that follow each other, each of which begins where the one before ends.

    Args:
        version: Of this form.
        table: The table that was looked at, as it is called in states.
        replication_key: The column by which it was cut.
        by: How.
        tail_start_date: Where the last slice ends and the tail begins.
        slices: In the order of time.
    """

    version: Literal[1] = VERSION
    table: str
    replication_key: str
    by: By
    tail_start_date: str
    slices: Annotated[list[PlannedSlice], msgspec.Meta(min_length=1)]

    def to_json(self) -> str:
        """The file, to be read by people as well.

        A slice takes one line: so the longest plan fits into a ConfigMap of Kubernetes (1 MiB).
        """
        empty = msgspec.json.encode(msgspec.structs.replace(self, slices=[]))
        head = msgspec.json.format(empty, indent=2).decode().removesuffix("]\n}")
        lines = ",\n".join(f"    {msgspec.json.encode(one).decode()}" for one in self.slices)
        return f"{head}\n{lines}\n  ]\n}}"

    def check(self, names: TableNames) -> None:
        """See that it is the plan of this table.

        Raises:
            ConfigurationError: It is of another one, or cut by another column.
        """
        planned, found = (
            f"{table} by {key}"
            for table, key in (
                (self.table, self.replication_key),
                (names.table, names.replication_key),
            )
        )
        if planned != found:
            reason = f"the plan is of {planned}, but the settings name {found}"
            raise ConfigurationError(reason, "Plan this table, or use the settings of that one")

    def slice(self, index: int) -> PlannedSlice:
        """The slice of this number, from 0 on.

        Raises:
            ConfigurationError: There is none.
        """
        if index >= len(self.slices):
            reason = f"there is no slice {index} in the plan: it has 0 to {len(self.slices) - 1}"
            raise ConfigurationError(reason, "Run as many jobs as the plan has slices")
        return self.slices[index]


def read_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        ConfigurationError: There is none, or not one of this version.
    """
    try:
        return parse_plan(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        is_ours = isinstance(error, msgspec.ValidationError)
        reason = f"cannot read the plan {path}: {error if is_ours else unreadable(error)}"
        raise ConfigurationError(reason, _AGAIN) from None


def parse_plan(text: bytes) -> Plan:
    """The plan that the JSON is; a ValueError where it is none."""
    return msgspec.json.decode(text, type=Plan)
