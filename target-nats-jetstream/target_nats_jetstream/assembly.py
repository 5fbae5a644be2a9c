"""What a run is made of, put together from its settings.

Clients are made when they are first needed, and their modules imported then: ``--about`` has to
answer at once, and loads no client library.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from target_nats_jetstream.checkpoint import Checkpoints
from target_nats_jetstream.errors import ConfigurationError, one_line
from target_nats_jetstream.identity import new_places, pipeline_text
from target_nats_jetstream.message import MessageBuilder
from target_nats_jetstream.replay import ids_of
from target_nats_jetstream.report import Report
from target_nats_jetstream.writer import write_state

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_nats_jetstream.delivery import Delivery
    from target_nats_jetstream.destination import Destination
    from target_nats_jetstream.settings import AllSettings
    from target_nats_jetstream.stop import Stop
    from target_nats_jetstream.verify.verification import Asked, Verification

logger = logging.getLogger(__name__)


class Assembly:
    """The parts of one run.

    Args:
        settings: All of them.
        stop: What the run waits by.
    """

    def __init__(self, settings: AllSettings, stop: Stop) -> None:
        self.settings = settings
        self._stop = stop
        self._places = new_places(pipeline_text(settings.ledger.program_name))
        self._replication_keys: dict[str, str | None] = {}
        self._subjects: dict[str, str] = {}
        self.made: Destination | None = None
        """The destination, once there is one."""

    @property
    def destination(self) -> Destination:
        """Where the messages go: to JetStream, unless they are compared."""
        if self.made is None:
            self.made = self._delivery()
        return self.made

    def verification(self, asked: Asked) -> Verification:
        """Compare the messages of this run, and publish none of them."""
        from target_nats_jetstream.verify.verification import Verification  # noqa: PLC0415

        if self.settings.target.is_upsert:
            reason = (
                "--verify compares all that was sent; with `load_method: upsert` it is not kept"
            )
            raise ConfigurationError(reason, "Compare the last messages of the subjects instead")
        made = Verification(self.settings, asked, self._stop, self._replication_keys)
        self.made = made
        return made

    def _delivery(self) -> Delivery:
        from target_nats_jetstream.delivery import Delivery  # noqa: PLC0415
        from target_nats_jetstream.ledger.ledger import Ledger  # noqa: PLC0415
        from target_nats_jetstream.metrics.monitor import Monitor  # noqa: PLC0415
        from target_nats_jetstream.metrics.outputs import outputs  # noqa: PLC0415
        from target_nats_jetstream.publisher.publisher import Publisher  # noqa: PLC0415

        ours, nats, ledger, metrics = self.settings
        publisher = Publisher(
            nats,
            [ours.subject_template.sample()],
            pipeline=ledger.program_name,
            on_progress=self._stop.wake,
        )
        kept = Ledger(ledger, sleep=self._stop.sleep) if ledger.enabled else None
        monitor = Monitor(ledger.program_name, publisher, kept)
        monitor.outputs = outputs(metrics, monitor)
        return Delivery(
            publisher,
            kept,
            Checkpoints(
                every_records=ours.checkpoint_records, every_seconds=ours.checkpoint_seconds
            ),
            self._stop,
            Report(ours.statistics_every),
            monitor,
            batch_size=nats.batch_size,
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
        ours = self.settings.target
        ours.check_fields(stream, schema["properties"])
        if ours.is_upsert:
            self._check_keys(stream, keys)
        self._replication_keys[stream] = replication_key
        builder = MessageBuilder(
            stream,
            ours.subject_template,
            keys,
            replication_key=replication_key,
            title=str(schema.get("title") or ""),
            places=self._places,
            added={"data_type": ours.data_type} if ours.data_type else {},
            add_trace_id=ours.add_trace_id,
            id_template=ours.id_template,
            headers=ours.header_templates,
            before=ids_of(ours.replay) + ("upsert:" if ours.is_upsert else ""),
        )
        logger.info("stream %s: %s", one_line(stream), builder.rule)
        return builder

    def _check_keys(self, stream: str, keys: Sequence[str]) -> None:
        """See that each key of an upsert gets a subject that no other key has."""
        if not keys:
            reason = f"stream {one_line(stream)} has no key properties: upsert cannot tell its rows"
            remedy = "Set its key_properties in the tap's catalog, or `load_method: append-only`"
            raise ConfigurationError(reason, remedy)
        (subject,) = self.settings.target.subject_template.subjects(stream, [{}])
        other = self._subjects.setdefault(subject, stream)
        if other != stream:
            names = f"{one_line(other)} and {one_line(stream)}"
            reason = f"streams {names} have one subject, {subject}: upsert would mix their keys"
            remedy = "Put {stream} into `subject`, or rename a stream (`stream_maps`, __alias__)"
            raise ConfigurationError(reason, remedy)
