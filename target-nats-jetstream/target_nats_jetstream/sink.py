"""One Singer stream on its way out: checks records and turns them into messages.

There is one set of checks and one way to make a message, whether a record came as the tap wrote it
or through the SDK's maps. A sink keeps nothing: ``Delivery`` has the one buffer of a run.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import repeat
from operator import contains
from typing import TYPE_CHECKING, Any, Protocol, cast

import jsonschema_rs
import msgspec
from singer_sdk.exceptions import InvalidJSONSchema
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.sinks import RecordSink
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from typing_extensions import override

from target_nats_jetstream.message import encode
from target_nats_jetstream.reader import UNREADABLE
from target_nats_jetstream.references import check_references, refuse_retrieval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk import Target
    from singer_sdk.mapper import StreamMap

    from target_nats_jetstream.delivery import Delivery
    from target_nats_jetstream.message import Message, MessageBuilder

BLANK = ord(" ")
NO_OBJECT = "it is not a JSON object"


class SinkTarget(Protocol):
    """What a sink needs of its target."""

    @property
    def delivery(self) -> Delivery:
        """The way out."""

    def message_builder(
        self, stream: str, schema: Mapping[str, Any], keys: Sequence[str]
    ) -> MessageBuilder:
        """The builder for one stream, as the settings want it.

        Raises:
            ConfigurationError: The template of the message id names a field that is not there.
        """

    def refuse(self, message: Message, why: str, offset: int = 0) -> None:
        """Treat a record that cannot be published as ``on_error`` says.

        Args:
            message: As it would have been.
            why: Without content of the record.
            offset: Of its line behind the one that is being read.

        Raises:
            DataError: Where it may not be a dead letter.
        """


class CompiledValidator(BaseJSONSchemaValidator):
    """The SDK's validator is 71 % of a target's CPU time; a compiled one is a few per cent."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(schema)
        try:
            self._validator = jsonschema_rs.validator_for(
                schema, validate_formats=False, retriever=refuse_retrieval
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            msg = f"Schema Validation Error: {error}"
            raise InvalidJSONSchema(msg) from error
        self.is_valid: Callable[[object], bool] = self._validator.is_valid

    @override
    def validate(self, record: dict[str, Any]) -> None:
        """Do nothing: ``JetStreamSink`` asks for ``misfit``, in its own time."""

    def misfit(self, record: object) -> str | None:
        """Which field breaks which rule, without its value; None where the record fits."""
        if self.is_valid(record):
            return None
        error = next(self._validator.iter_errors(record))
        field = ".".join(map(str, error.instance_path)) or "record"
        rule = "/".join(map(str, error.schema_path[-1:]))
        return f"field {field} violates {rule!r} in its schema"


class JetStreamSink(RecordSink):
    """Checks the records of one stream and hands their messages to the target's delivery."""

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._target = cast("SinkTarget", target)  # the SDK makes the sinks, by its own signature
        self._builder = self._target.message_builder(stream_name, schema, self.key_properties)
        self._decode = msgspec.json.Decoder(float_hook=Decimal).decode
        self._is_valid = self._compiled.is_valid if self._compiled else _anything
        self._came: bytes | None = None

    @override
    def get_validator(self) -> CompiledValidator | None:
        self._compiled = None
        if self.validate_schema:
            check_references(self.stream_name, self.schema)
            self._compiled = CompiledValidator(self.schema)
        return self._compiled

    def can_bypass_maps(self, stream_maps: Sequence[StreamMap]) -> bool:
        """Whether the SDK leaves the records of a stream with these maps as they are."""
        return (
            len(stream_maps) == 1
            and isinstance(stream_maps[0], SameRecordTransform)
            and not stream_maps[0].flattening_enabled
            and not self.include_sdc_metadata_properties
        )

    # Records as the tap wrote them

    def process_encoded(self, encoded: Sequence[bytes]) -> None:
        """Process records of a stream that no map touches, in their order.

        The SDK's way of a record is many times as long, most of it copies and calls for what this
        target does not use; and it would encode anew what is JSON already.

        Raises:
            DataError: A record cannot be published, and may not be a dead letter. Those before it
                are taken.
        """
        try:
            records = list(map(self._decode, encoded))
        except UNREADABLE:
            records = []
        if records and self._all_fit(records):
            messages = self._builder.build(records, _compact(encoded))
            self._target.delivery.take(messages)
        else:
            for offset, text in enumerate(encoded):
                self._process_one(text, offset)
        self.record_counter_metric.increment(len(encoded))

    def _all_fit(self, records: Sequence[Any]) -> bool:
        return (
            set(map(type, records)) == {dict}
            and all(all(map(contains, records, repeat(key))) for key in self.key_properties)
            and all(map(self._is_valid, records))
            and self._builder.can_name_all(records)
        )

    def _process_one(self, text: bytes, offset: int) -> None:
        try:
            record = self._decode(text)
        except UNREADABLE as error:
            self._target.refuse(self._builder.unreadable(text), f"it is not JSON: {error}", offset)
            return
        if not isinstance(record, dict):
            self._target.refuse(self._builder.unreadable(text), NO_OBJECT, offset)
        else:
            self._deliver(record, _compact([text])[0], None, offset)

    def _deliver(
        self, record: dict[str, Any], text: bytes, came: bytes | None, offset: int = 0
    ) -> None:
        (message,) = self._builder.build([record], [text], None if came is None else [came])
        if why := self._misfit(record):
            self._target.refuse(message, why, offset)
        else:
            self._target.delivery.take([message])

    def _misfit(self, record: dict[str, Any]) -> str | None:
        """Why a record cannot be published; None where it can."""
        if missing := [key for key in self.key_properties if key not in record]:
            return f"it lacks the key property {missing[0]}"
        if self._compiled and (misfit := self._compiled.misfit(record)):
            return misfit
        if (field := self._builder.lacks(record)) is not None:
            return f"`message_id` needs field {field}, which has no value"
        return None

    # Records that come through the SDK's maps

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        came, self._came = self._came, None
        self._deliver(record, encode(record), came)

    @override
    def _add_sdc_metadata_to_record(
        self, record: dict[str, Any], message: dict[str, Any], context: dict[str, Any]
    ) -> None:
        """Keep what the record was before: a time of day does not make another record."""
        self._came = encode(record)
        super()._add_sdc_metadata_to_record(record, message, context)

    @override
    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        """Leave it in, where the tap has written it: it tells a deleted row from a live one."""

    @override
    def _remove_sdc_metadata_from_schema(self) -> None:
        """Leave it in, as in the records."""

    @override
    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Leave times as the text that the tap wrote, and the check to ``_deliver``.

        Parsing would cut times to microseconds. Watched by tests/contract.
        """
        return record

    @override
    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Leave the check to ``_deliver``."""


def _compact(records: Sequence[bytes]) -> Sequence[bytes]:
    """Records without the blanks that many taps write between their tokens.

    Told from each record alone, by what follows its first name: the same row makes the same bytes.
    """
    # The search begins behind the quote that opens the name.
    follows = [record[record.find(b'":', 2) + 2] for record in records]
    if BLANK not in follows:
        return records
    both = zip(records, follows, strict=True)
    return [
        msgspec.json.format(record, indent=-1) if byte == BLANK else record for record, byte in both
    ]


def _anything(_record: object) -> bool:
    return True
