"""The Singer stream of cases, beside that of the events that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from tap_oracle_txlog.rules.case_progress import CaseProgress
from tap_oracle_txlog.stream import EventStream

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from tap_oracle_txlog.cases import CasesOf
    from tap_oracle_txlog.rules.parts import HowFar
    from tap_oracle_txlog.rules.timestamps import Instant


class CaseStream(EventStream):
    """The cases of one table, in the order in which they have ended.

    Args:
        cases: What a case is.
        arguments: Those of ``EventStream``; ``names`` are those of ``case_names``.
    """

    def __init__(self, *arguments: Any, cases: CasesOf, **others: Any) -> None:  # noqa: ANN401
        self._cases = cases
        super().__init__(*arguments, **others)

    @override
    def _is_plain(self) -> bool:
        """As for events, whose source leaves out what the catalog does; cases are made whole."""
        return super()._is_plain() and self.selected_columns() == set(self.schema["properties"])

    @override
    def _progress_of(
        self, bookmark: Mapping[str, Any], start: Instant, zone: ZoneInfo | None
    ) -> HowFar:
        return CaseProgress.from_bookmark(
            bookmark,
            start=start,
            table=self._names.table,
            assemble_by=self._cases.by,
            quiet=self._cases.quiet,
        )
