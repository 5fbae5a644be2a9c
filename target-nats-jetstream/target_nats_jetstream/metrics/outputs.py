"""The ways to show metrics that are asked for; what each needs is imported for it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from target_nats_jetstream.metrics.monitor import Monitor, Output
    from target_nats_jetstream.metrics.settings import MetricsSettings


def outputs(settings: MetricsSettings, monitor: Monitor) -> list[Output]:
    """Those that the settings ask for."""
    found: list[Output] = []
    if settings.metrics_file is not None:
        from target_nats_jetstream.metrics.file import MetricsFile  # noqa: PLC0415

        found.append(MetricsFile(settings.metrics_file, monitor))
    if settings.health_port is not None:
        from target_nats_jetstream.metrics.health import HealthServer  # noqa: PLC0415

        found.append(HealthServer(settings, monitor))
    return found
