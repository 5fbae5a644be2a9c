"""What a run is made of, put together from its settings.

Clients are made when they are first needed, and their modules imported then: ``--about`` has to
answer at once, and loads no client library.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.checkpoint import Checkpoints
from target_nats_jetstream.identity import new_places, pipeline_text
from target_nats_jetstream.ledger.settings import LedgerSettings
from target_nats_jetstream.message import MessageBuilder
from target_nats_jetstream.publisher.settings import NatsSettings
from target_nats_jetstream.report import Report
from target_nats_jetstream.settings import TargetSettings
from target_nats_jetstream.writer import write_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_nats_jetstream.delivery import Delivery
    from target_nats_jetstream.message import Message
    from target_nats_jetstream.stop import Stop

logger = logging.getLogger(__name__)


class Assembly:
    """The parts of one run.

    Args:
        config: All settings, with their defaults.
        stop: What the run waits by.

    Raises:
        ConfigurationError: A setting of the target or of the ledger is not usable.
    """

    def __init__(self, config: Mapping[str, Any], stop: Stop) -> None:
        self._config = config
        self._stop = stop
        self.settings = TargetSettings.from_config(config)
        self._places = new_places(pipeline_text(self.ledger_settings().program_name))
        self.made: Delivery | None = None
        """The delivery, once there is one."""

    def nats_settings(self) -> NatsSettings:
        """The settings of NATS.

        Raises:
            ConfigurationError: One is not usable, or two contradict each other.
        """
        return NatsSettings.from_config(self._config, [self.settings.subject.pattern()])

    def ledger_settings(self) -> LedgerSettings:
        """The settings of the ledger; raises as ``nats_settings``."""
        return LedgerSettings.from_config(self._config)

    @property
    def delivery(self) -> Delivery:
        """The way out; raises as ``nats_settings``."""
        if self.made is None:
            self.made = self._delivery()
        return self.made

    def _delivery(self) -> Delivery:
        from target_nats_jetstream.delivery import Delivery  # noqa: PLC0415
        from target_nats_jetstream.ledger.ledger import Ledger  # noqa: PLC0415
        from target_nats_jetstream.publisher import Publisher  # noqa: PLC0415

        ours, ledger = self.settings, self.ledger_settings()
        return Delivery(
            Publisher(
                self.nats_settings(),
                [ours.subject.sample()],
                pipeline=ledger.program_name,
                on_progress=self._stop.wake,
            ),
            Ledger(ledger, sleep=self._stop.sleep) if ledger.enabled else None,
            Checkpoints(
                every_records=ours.checkpoint_records, every_seconds=ours.checkpoint_seconds
            ),
            self._stop,
            Report(),
            batch_size=int(self._config["batch_size"]),
            write_state=write_state,
        )

    def message_builder(
        self,
        stream: str,
        schema: Mapping[str, Any],
        keys: Sequence[str],
        replication_key: str | None,
    ) -> MessageBuilder:
        """The builder for one stream, as the settings want it.

        Raises:
            ConfigurationError: The template of the message id names a field that is not there.
        """
        ours = self.settings
        ours.check_fields(stream, schema["properties"])
        builder = MessageBuilder(
            stream,
            ours.subject,
            keys,
            replication_key=replication_key,
            title=str(schema.get("title") or ""),
            places=self._places,
            added={"data_type": ours.data_type} if ours.data_type else {},
            add_trace_id=ours.add_trace_id,
            id_template=ours.id_template,
            headers=ours.headers,
        )
        logger.info("stream %s: %s", stream, builder.rule)
        return builder

    def unreadable(self, stream: str, text: bytes) -> Message:
        """The dead letter of what should have been a record of ``stream``."""
        return MessageBuilder(stream, self.settings.subject, places=self._places).unreadable(text)
