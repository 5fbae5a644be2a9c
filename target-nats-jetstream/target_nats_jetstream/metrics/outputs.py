"""The ways to show metrics that are asked for; what each needs is imported for it alone."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from target_nats_jetstream.metrics.otel import wish

if TYPE_CHECKING:
    from target_nats_jetstream.metrics.monitor import Monitor, Output
    from target_nats_jetstream.metrics.settings import MetricsSettings


logger = logging.getLogger(__name__)


def outputs(settings: MetricsSettings, monitor: Monitor) -> list[Output]:
    """Those that the settings ask for, and OpenTelemetry's variables."""
    found: list[Output] = []
    if settings.metrics_file is not None:
        from target_nats_jetstream.metrics.file import MetricsFile  # noqa: PLC0415

        found.append(MetricsFile(settings.metrics_file, monitor))
    if settings.health_port is not None:
        from target_nats_jetstream.metrics.health import HealthServer  # noqa: PLC0415

        found.append(HealthServer(settings, monitor))
    return found + _otlp(monitor)


def _otlp(monitor: Monitor) -> list[Output]:
    wanted = wish(os.environ)
    if wanted.why_not:
        logger.warning("no metrics are sent: %s", wanted.why_not)
    if not wanted.is_wanted:
        return []
    try:
        from target_nats_jetstream.metrics.otlp import Otlp  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("opentelemetry"):
            raise
        logger.info(
            "no metrics are sent, although OTEL_ variables ask for them: the extra is not "
            "installed. Install target-nats-jetstream[otel]"
        )
        return []
    return [Otlp(monitor)]
