"""What a case of one table is, and what its record looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tap_oracle_txlog.config import refuse
from tap_oracle_txlog.rules.filter import Filter
from tap_oracle_txlog.source import TableNames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_oracle_txlog.rules.cases import CaseId
    from tap_oracle_txlog.source import Column

MEMBERS: Final = ("complete", "revision", "first", "last", "count", "events")
"""What a record has beside the column of the case."""


class CasesOf(NamedTuple):
    """The cases of one table, by the names that its columns have; times in seconds."""

    by: str
    type: str | None
    ends: frozenset[str]
    quiet: int
    max_events: int

    def is_end(self, kind: object) -> bool:
        """Whether an event of this type ends a case; a CHAR has blanks behind it."""
        return kind is not None and str(kind).rstrip(" ") in self.ends

    def rows(self, *ids: CaseId | None) -> Filter:
        """The events of these cases."""
        return Filter({self.by: ids}, "assemble_by")


def case_names(names: TableNames, by: str) -> TableNames:
    """What messages and state call the cases of a table."""
    stream = f"{names.stream.removesuffix('_EVENTS')}_CASES"
    return TableNames(stream, f"{names.table} by {by}", "last", by)


def case_schema(columns: Sequence[Column], cases: CasesOf, key: str) -> dict[str, Any]:
    """The JSON schema of a case, with that of the table's columns for its events.

    Raises:
        ConfigurationError: A column is not there, or cannot be what it is to be.
    """
    known = {column.name: dict(column.json_schema) for column in columns}
    for setting, name in (("assemble_by", cases.by), ("assemble_type", cases.type)):
        if name is not None and name not in known:
            refuse(
                setting,
                f"names the column {name}, which is not read",
                f"It is one of {', '.join(known):.500}",
            )
    if cases.type is not None and not _is_id(known[cases.type]):
        refuse(
            "assemble_type",
            f"names the column {cases.type}, which has no types",
            "Choose a column of text or whole numbers",
        )
    if cases.by in MEMBERS or "format" in known[cases.by] or not _is_id(known[cases.by]):
        refuse(
            "assemble_by",
            f"names the column {cases.by}, which cannot tell cases apart",
            "Choose a column of text or whole numbers",
        )
    return {
        "type": "object",
        "properties": {
            cases.by: known[cases.by],
            "complete": {"type": "boolean"},
            "revision": {"type": "integer"},
            "first": known[key],
            "last": known[key],
            "count": {"type": "integer"},
            "events": {"type": "array", "items": {"type": "object", "properties": known}},
        },
    }


def _is_id(schema: Mapping[str, Any]) -> bool:
    """Whether values can be told apart and asked for: neither objects nor times."""
    kinds = schema.get("type", ())
    return not {"object", "array", "boolean"} & ({kinds} if isinstance(kinds, str) else set(kinds))
