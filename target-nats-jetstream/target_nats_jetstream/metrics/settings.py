"""What of a run is shown to others, and where."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from target_nats_jetstream.config import Settings, setting

Port: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class MetricsSettings(Settings, frozen=True, kw_only=True):
    """All off by default."""

    metrics_file: Annotated[
        str | None,
        setting(
            "File for metrics in Prometheus' text format, such as "
            "/var/lib/node_exporter/txlog.prom; replaced at each checkpoint and at the end."
        ),
    ] = None
    health_port: Annotated[
        Port | None,
        setting(
            "Port for /metrics, /healthz and /readyz over HTTP while the target runs, for follow "
            "mode; 0 takes a free one, which the log names."
        ),
    ] = None
    health_address: Annotated[
        str,
        setting(
            "Address of health_port. With 0.0.0.0, everybody who reaches this host reads them."
        ),
    ] = "127.0.0.1"
    health_max_age: Annotated[
        int, setting("Seconds without progress after which /healthz answers 503.", ge=1)
    ] = 300
