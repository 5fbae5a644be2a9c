"""What reads settings and needs no server, for ``--check-config``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_nats_jetstream.batch_root import BatchRoot
from target_nats_jetstream.config import check
from target_nats_jetstream.ledger.database import ledger_url
from target_nats_jetstream.ledger.mariadb import tls_context as tls_of_ledger
from target_nats_jetstream.ledger.settings import LedgerSettings
from target_nats_jetstream.metrics.settings import MetricsSettings
from target_nats_jetstream.old_settings import modern
from target_nats_jetstream.publisher.jetstream.connect import tls_context
from target_nats_jetstream.publisher.settings import NatsSettings
from target_nats_jetstream.settings import READ, TargetSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_nats_jetstream.config_check import Read

Config = dict[str, Any]


def readers(schema: Mapping[str, Any]) -> list[Read]:
    """One for each part of the settings.

    Args:
        schema: The JSON schema of all settings.
    """

    def of_the_sdk(config: Config) -> None:
        BatchRoot.of(check(config, schema, READ).get("batch_config"))

    return [of_the_sdk, _modern, _target, _nats, _ledger, _metrics]


def _modern(config: Config) -> Config:
    return modern(config, {})


def _target(config: Config) -> None:
    TargetSettings.from_config(_modern(config))


def _nats(config: Config) -> None:
    tls_context(NatsSettings.from_config(_modern(config)))


def _ledger(config: Config) -> None:
    settings = LedgerSettings.from_config(_modern(config))
    if settings.enabled:
        ledger_url(settings)
    if settings.tls:
        tls_of_ledger(settings.tls)


def _metrics(config: Config) -> None:
    MetricsSettings.from_config(_modern(config))
