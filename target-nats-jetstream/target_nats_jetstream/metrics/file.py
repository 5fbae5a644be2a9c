"""``metrics_file``: for the textfile collector of node_exporter, for cron and CI."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from prometheus_client import write_to_textfile

from target_nats_jetstream.metrics.prometheus import registry_of

if TYPE_CHECKING:
    from target_nats_jetstream.metrics.monitor import Monitor

logger = logging.getLogger(__name__)


class MetricsFile:
    """Replaced as a whole, so that nobody ever reads half of it."""

    def __init__(self, path: str, monitor: Monitor) -> None:
        self._path = path
        self._registry = registry_of(monitor)
        self._has_failed = False

    def start(self) -> None:
        """Nothing: until the first checkpoint, the file has the last run's metrics."""

    def update(self) -> None:
        """Replace the file; the first time that it cannot be, say so."""
        try:
            write_to_textfile(self._path, self._registry)
        except (OSError, ValueError) as error:  # a path may hold what no path can
            cause = error.strerror if isinstance(error, OSError) else "it is not a path"
            if not self._has_failed:
                logger.warning(
                    "cannot write `metrics_file` %s: %s. The run goes on", self._path, cause
                )
            self._has_failed = True

    def close(self) -> None:
        """Nothing: the file stays."""
