"""For five-files.yml and logging.yaml: which lines go to performance.log."""

from __future__ import annotations

import logging

#: What every line has.
USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"pid"}


class HasNumbers(logging.Filter):
    """Lets a line pass if it has a number among its fields, or is a METRIC of the SDK."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it passes; Meltano has the fields of a line in a dict."""
        fields = record.msg if isinstance(record.msg, dict) else vars(record)
        if record.name == "singer_sdk.metrics" or "metric_info" in fields:
            return True
        return any(type(fields[name]) in {int, float} for name in fields.keys() - USUAL)
