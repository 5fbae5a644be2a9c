"""One Singer stream on its way out: validates records and turns them into messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.sinks import BatchSink
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from typing_extensions import override

from target_nats_jetstream.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.helpers._batch import BaseBatchFileEncoding
    from singer_sdk.helpers.conform import DatetimeErrorTreatmentEnum

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.target import TargetNatsJetstream

#: A batch is closed at this size in bytes even when it holds few records.
MAX_BATCH_BYTES = 4 * 1024 * 1024


class CompiledValidator(BaseJSONSchemaValidator):
    """The SDK's validator is 71 % of a target's CPU time; a compiled one is a few per cent."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(schema)
        try:
            self._validator = jsonschema_rs.validator_for(schema, validate_formats=False)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            msg = f"Schema Validation Error: {error}"
            raise InvalidJSONSchema(msg) from error

    @override
    def validate(self, record: dict[str, Any]) -> None:
        """Refuse a record that does not fit, in our own words.

        The SDK prints a traceback for an ``InvalidRecord``, and the record with it.

        Raises:
            DataError: Names the field and the rule, never the value.
        """
        if self._validator.is_valid(record):
            return
        error = next(self._validator.iter_errors(record))
        field = ".".join(map(str, error.instance_path)) or "record"
        rule = "/".join(map(str, error.schema_path[-1:]))
        why = f"field {field} breaks the rule {rule!r}"
        reason = f"a record does not fit the schema of its stream: {why}"
        raise DataError(reason, "Mend the tap; what came before it is safe")


class JetStreamSink(BatchSink):
    """Collects the messages of a batch and hands them to the target's publisher."""

    def __init__(
        self,
        target: TargetNatsJetstream,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._target = target
        self._build = target.message_builder(stream_name, self.key_properties).build
        self._buries = target.config["on_error"] == "dead_letter"
        self._misfit: str | None = None
        self._messages: list[Message] = []
        self._bytes = 0

    @property
    @override
    def max_size(self) -> int:
        return self._target.batch_size

    @property
    @override
    def is_full(self) -> bool:
        return self.current_size >= self.max_size or self._bytes >= MAX_BATCH_BYTES

    @override
    def get_validator(self) -> CompiledValidator | None:
        return CompiledValidator(self.schema) if self.validate_schema else None

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Note why a record does not fit its schema, where such records are dead letters."""
        self._misfit = None
        try:
            return super()._validate_and_parse(record)
        except DataError as error:
            if not self._buries:
                raise
            self._misfit = error.reason
            return record

    @override
    def _parse_timestamps_in_record(
        self, record: dict[str, Any], schema: dict[str, Any], treatment: DatetimeErrorTreatmentEnum
    ) -> None:
        """Leave timestamps as the text that the tap wrote.

        Parsing would cut them to microseconds and print them in another form. Watched by
        tests/contract.
        """

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        message = self._build(record)
        if self._misfit is not None:
            self._target.delivery.bury(self.stream_name, message, self._misfit)
            return
        self._bytes += len(message.payload)
        self._messages.append(message)

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Hand the batch over.

        When that is refused or a signal ends the wait for room, the messages stay here, not in
        ``context``, which the SDK forgets: the last flush of the run hands them over.
        """
        self._target.delivery.publish(self.stream_name, self._messages)
        self._messages, self._bytes = [], 0
        self._target.delivery.go_on()

    @override
    def process_batch_files(self, encoding: BaseBatchFileEncoding, files: Sequence[str]) -> None:
        reason = f"stream {self.stream_name} sends BATCH files, which this target does not read"
        raise DataError(reason, "Take `batch_config` out of the tap's settings")
