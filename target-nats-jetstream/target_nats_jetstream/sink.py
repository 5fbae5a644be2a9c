"""One Singer stream on its way out: validates records and turns them into messages."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import msgspec
from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.sinks import BatchSink
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from typing_extensions import override

from target_nats_jetstream.errors import DataError
from target_nats_jetstream.message import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from singer_sdk.helpers.conform import DatetimeErrorTreatmentEnum
    from singer_sdk.mapper import StreamMap

    from target_nats_jetstream.message import Message
    from target_nats_jetstream.target import TargetNatsJetstream

#: A batch is closed at this size in bytes even when it holds few records.
MAX_BATCH_BYTES = 4 * 1024 * 1024
BLANK = ord(" ")


class CompiledValidator(BaseJSONSchemaValidator):
    """The SDK's validator is 71 % of a target's CPU time; a compiled one is a few per cent."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(schema)
        try:
            self._validator = jsonschema_rs.validator_for(schema, validate_formats=False)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            msg = f"Schema Validation Error: {error}"
            raise InvalidJSONSchema(msg) from error
        self.is_valid: Callable[[object], bool] = self._validator.is_valid

    @override
    def validate(self, record: dict[str, Any]) -> None:
        """Refuse a record that does not fit, in our own words.

        The SDK prints a traceback for an ``InvalidRecord``, and the record with it.

        Raises:
            DataError: Names the field and the rule, never the value.
        """
        if self.is_valid(record):
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
        self._max_records = int(target.config["batch_size"])
        self._decode = msgspec.json.Decoder(float_hook=Decimal).decode
        self._is_valid = self._compiled.is_valid if self._compiled else _anything
        self._buries = target.config["on_error"] == "dead_letter"
        self._misfit: str | None = None
        self._messages: list[Message] = []
        self._bytes = 0

    @property
    @override
    def current_size(self) -> int:
        """Records that wait to be handed over; the SDK counts those that became dead letters."""
        return len(self._messages)

    @property
    @override
    def is_full(self) -> bool:
        return len(self._messages) >= self._max_records or self._bytes >= MAX_BATCH_BYTES

    @override
    def get_validator(self) -> CompiledValidator | None:
        self._compiled = CompiledValidator(self.schema) if self.validate_schema else None
        return self._compiled

    def takes_all_of(self, stream_maps: Sequence[StreamMap]) -> bool:
        """Whether the SDK leaves the records of a stream with these maps as they are."""
        return (
            len(stream_maps) == 1
            and isinstance(stream_maps[0], SameRecordTransform)
            and not stream_maps[0].flattening_enabled
            and not self.include_sdc_metadata_properties
        )

    def take(self, encoded: Sequence[bytes]) -> bool:
        """Take records as the tap wrote them, checked like any others.

        For streams that no map touches. The SDK's way of a record is many times as long, most of it
        copies and calls for what this target does not use; and it would encode anew what is JSON
        already.

        Returns:
            False, and nothing is taken, where the SDK's own way has something to do or to refuse.
        """
        try:
            records = list(map(self._decode, encoded))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return False
        if (
            set(map(type, records)) != {dict}
            or not all(key in record for key in self.key_properties for record in records)
            or not all(map(self._is_valid, records))
            or any(name.startswith("_sdc_") for name in set().union(*records))
        ):
            return False
        self._add(self._build(records, list(map(_compact, encoded))))
        self.record_counter_metric.increment(len(records))
        while self.is_full:
            self._hand_over()
        return True

    def _add(self, messages: Sequence[Message]) -> None:
        self._messages += messages
        self._bytes += sum(len(message.payload) for message in messages)

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
        messages = self._build([record], [encode(record)])
        if self._misfit is not None:
            self._target.delivery.bury(self.stream_name, messages[0], self._misfit)
        else:
            self._add(messages)

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        """Hand everything over; raises as ``Delivery.publish``."""
        while self._messages:
            self._hand_over()

    def _hand_over(self) -> None:
        """Hand a batch over.

        When that is refused or a signal ends the wait for room, the messages stay here, not in the
        SDK's context, which it forgets: the last flush of the run hands them over.
        """
        batch = self._messages[: self._max_records]
        self._target.delivery.publish(self.stream_name, batch)
        del self._messages[: len(batch)]
        self._bytes -= sum(len(message.payload) for message in batch)
        self._target.delivery.go_on()


def _compact(encoded: bytes) -> bytes:
    """A record without the blanks that many taps write between its tokens.

    Told from the record alone, by what follows its first name: the same row makes the same bytes.
    """
    has_blanks = encoded[encoded.find(b'":', 2) + 2] == BLANK  # behind the quote that opens it
    return msgspec.json.format(encoded, indent=-1) if has_blanks else encoded


def _anything(_record: object) -> bool:
    return True
