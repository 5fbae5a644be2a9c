"""One Singer stream on its way out: checks records and turns them into messages.

There is one set of checks and one way to make a message, whether a record came as the tap wrote it
or through the SDK's maps. A sink keeps nothing: ``Delivery`` has the one buffer of a run.
"""

from __future__ import annotations

from itertools import repeat
from operator import contains
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.sinks import RecordSink
from singer_sdk.sinks.core import BaseJSONSchemaValidator
from typing_extensions import override

from target_nats_jetstream.decoding import FIX_TAP, UNREADABLE, decode, decoded, flaw, key_of
from target_nats_jetstream.message import encode
from target_nats_jetstream.references import check_references
from target_nats_jetstream.schema_cost import MOST_LOOKS
from target_nats_jetstream.schemas import (
    Misfit,
    TooCostlyError,
    compile_schema,
    declared_names,
    first_misfit,
)
from target_nats_jetstream.wrong_record import FIX_ID, FIX_MAP, WrongRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk import Target
    from singer_sdk.mapper import StreamMap

    from target_nats_jetstream.destination import Destination
    from target_nats_jetstream.message import MessageBuilder

BLANK = ord(" ")
#: What a validator raises where it follows a record no further down, or does not begin to.
UNVALIDATED = (ValueError, RecursionError)
TOO_COSTLY = f"to validate it, its values would be looked at more than {MOST_LOOKS:,} times"
NO_OBJECT = "it is not a JSON object"


class SinkTarget(Protocol):
    """What a sink needs of its target."""

    @property
    def destination(self) -> Destination:
        """Where messages go."""

    def message_builder(
        self, stream: str, schema: Mapping[str, Any], keys: Sequence[str]
    ) -> MessageBuilder:
        """The builder for one stream, as the settings want it.

        Raises:
            ConfigurationError: The template of the message id names a field that is not there.
        """

    def check_stop(self) -> None:
        """Raise after a signal; what takes long asks now and then."""

    def refuse(self, wrong: WrongRecord, offset: int = 0) -> None:
        """Treat a record that cannot be published as ``on_error`` says.

        Args:
            wrong: What is wrong with it.
            offset: Of its line behind the one that is being read.

        Raises:
            DataError: Where it may not be a dead letter.
        """


class CompiledValidator(BaseJSONSchemaValidator):
    """The SDK's validator is 71 % of a target's CPU time; a compiled one is a few per cent."""

    def __init__(self, schema: dict[str, Any], check: Callable[[], None]) -> None:
        super().__init__(schema)
        self._validator = compile_schema(schema, check)
        self._names = frozenset(declared_names(schema))
        self.is_valid: Callable[[object], bool] = self._validator.is_valid

    @override
    def validate(self, record: dict[str, Any]) -> None:
        """Do nothing: ``JetStreamSink`` asks for ``misfit``, in its own time."""

    def misfit(self, record: object) -> Misfit | None:
        """Which rule a record breaks; None where it fits."""
        try:
            is_valid = self.is_valid(record)
            return None if is_valid else first_misfit(self._validator, self._names, record)
        except TooCostlyError:
            return Misfit("record", TOO_COSTLY)
        except UNVALIDATED:
            return Misfit("record", "it is nested too deeply to be validated")


class JetStreamSink(RecordSink):
    """Checks the records of one stream and hands their messages to the target's destination."""

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        self._target = cast("SinkTarget", target)  # the SDK makes the sinks, by its own signature
        super().__init__(target, stream_name, schema, key_properties)
        self._builder = self._target.message_builder(stream_name, schema, self.key_properties)
        self._is_valid = self._compiled.is_valid if self._compiled else _anything

    @override
    def get_validator(self) -> CompiledValidator | None:
        self._compiled = None
        if self.validate_schema:
            check_references(self.stream_name, self.schema)
            self._compiled = CompiledValidator(self.schema, self._target.check_stop)
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
            records = list(map(decode, encoded))
        except UNREADABLE:
            records = []
        if records and self._all_fit(records):
            messages = self._builder.build(records, _compact(encoded))
            self._target.destination.take(messages)
        else:
            for offset, text in enumerate(encoded):
                self._process_one(text, offset)
        self.record_counter_metric.increment(len(encoded))

    def _all_fit(self, records: Sequence[Any]) -> bool:
        return (
            set(map(type, records)) == {dict}
            and all(all(map(contains, records, repeat(key))) for key in self.key_properties)
            and self._all_valid(records)
            and self._builder.can_name_all(records)
        )

    def _all_valid(self, records: Sequence[Any]) -> bool:
        try:
            return all(map(self._is_valid, records))
        except UNVALIDATED:
            return False

    def _process_one(self, text: bytes, offset: int) -> None:
        record = decoded(text)
        if isinstance(record, dict):
            self._deliver(record, _compact([text])[0], text, offset=offset)
        else:
            self._target.refuse(self.unreadable(text), offset)

    def unreadable(self, text: bytes) -> WrongRecord:
        """What should have been a record."""
        message = self._builder.dead_letter(text)
        return WrongRecord(message, flaw(text) or NO_OBJECT, key_of(text, self.key_properties))

    def missing(self, line: bytes) -> WrongRecord:
        """A RECORD without a record; its whole line is what came."""
        return WrongRecord(self._builder.dead_letter(line), "it has no `record`")

    def _deliver(
        self,
        record: dict[str, Any],
        text: bytes,
        came: bytes,
        *,
        offset: int = 0,
        original: bytes | None = None,
    ) -> None:
        """Publish a record, or refuse it.

        Args:
            record: As it is published, without what the builder adds.
            text: The same as JSON.
            came: As it came: what a dead letter holds.
            offset: As with ``refuse``.
            original: What its id is made from, if that is not ``text``.
        """
        misfit = self._misfit(record)
        if misfit is None:
            told = None if original is None else [original]
            self._target.destination.take(self._builder.build([record], [text], told))
            return
        key = None if misfit.field in self.key_properties else key_of(text, self.key_properties)
        letter = self._builder.dead_letter(came, record)
        self._target.refuse(WrongRecord(letter, misfit.why, key, misfit.remedy), offset)

    def _misfit(self, record: dict[str, Any]) -> Misfit | None:
        """Why a record cannot be published; None where it can."""
        if missing := [key for key in self.key_properties if key not in record]:
            return Misfit(missing[0], f"it lacks the key property {missing[0]}", FIX_TAP)
        if self._compiled and (misfit := self._compiled.misfit(record)):
            return misfit
        if (field := self._builder.lacks(record)) is not None:
            return Misfit(field, f"`message_id` needs field {field}, which has no value", FIX_ID)
        return None

    # Records that come through the SDK's maps

    def process_mapped(
        self, record: dict[str, Any], message: Mapping[str, Any], came: bytes
    ) -> None:
        """Process what a map has made of a record.

        Args:
            record: What it has made.
            message: The RECORD, for its time and version.
            came: The record as it came.
        """
        try:
            encoded = encode(record)
        except (TypeError, UnicodeEncodeError):
            why = "`stream_maps` makes a value that JSON does not have"
            self._target.refuse(self.unmapped(came, why))
            return
        original = None
        if self.include_sdc_metadata_properties:
            original = encoded  # a time of day does not make another record
            self._add_sdc_metadata_to_record(record, dict(message), {})
            encoded = encode(record)
        self._deliver(record, encoded, came, original=original)
        self.record_counter_metric.increment()

    def unmapped(self, came: bytes, why: str) -> WrongRecord:
        """A record to which a map cannot be applied."""
        key = key_of(came, self.key_properties)
        return WrongRecord(self._builder.dead_letter(came), why, key, FIX_MAP)

    @override
    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        self.process_mapped(record, {}, encode(record))

    @override
    def _remove_sdc_metadata_from_schema(self) -> None:
        """Leave it in, as in the records."""


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
