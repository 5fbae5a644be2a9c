"""The Singer target: an adapter between the SDK and ``Delivery``, which does the work.

Some hooks of the SDK that are not public are overridden, because the SDK emits STATE only at the
end of the input, answers a signal by draining inside a drain, and spends half of a core on copies
of each record. Each says why; tests/contract fails when the SDK changes what they rely on.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from singer_sdk.exceptions import RecordsWithoutSchemaException
from typing_extensions import override

from target_nats_jetstream import commands, maps, settings
from target_nats_jetstream.assembly import Assembly
from target_nats_jetstream.batch_files import BatchFiles, Bounds
from target_nats_jetstream.batch_root import BatchRoot
from target_nats_jetstream.bookmarks import is_too_deep
from target_nats_jetstream.decoding import decoded, message_error
from target_nats_jetstream.deprecation import inherited
from target_nats_jetstream.doctor.command import diagnose
from target_nats_jetstream.errors import DataError
from target_nats_jetstream.plugin import ConfiguredTarget, set_log_levels
from target_nats_jetstream.reader import SingerReader
from target_nats_jetstream.replay import check_tap
from target_nats_jetstream.run import to_its_end
from target_nats_jetstream.schemas import UnusableSchemaError
from target_nats_jetstream.sink import JetStreamSink
from target_nats_jetstream.stop import Stop
from target_nats_jetstream.verify import command as verify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from singer_sdk.mapper import StreamMap
    from singer_sdk.plugin_base import _ConfigInput

    from target_nats_jetstream.destination import Destination
    from target_nats_jetstream.message import MessageBuilder
    from target_nats_jetstream.sink import SinkTarget
    from target_nats_jetstream.verify.verification import Asked
    from target_nats_jetstream.wrong_record import WrongRecord

logger = logging.getLogger(__name__)


class NoSchemaYetError(DataError, RecordsWithoutSchemaException):
    """A record came before the SCHEMA of its stream; the SDK has a name for that."""


class TargetNatsJetstream(ConfiguredTarget):
    """Singer target for NATS JetStream."""

    default_sink_class = JetStreamSink

    def __init__(
        self,
        *,
        config: dict[str, Any] | None = None,
        parse_env_config: bool = False,
        validate_config: bool = True,
        setup_mapper: bool = True,
    ) -> None:
        self._stop = Stop()
        self._replication_keys: dict[str, str | None] = {}
        self._replication_key: str | None = None
        self._fast_paths: dict[str, Callable[[Sequence[bytes]], None] | None] = {}
        self._batch_record: int | None = None
        super().__init__(
            config=config,
            parse_env_config=parse_env_config,
            validate_config=validate_config,
            setup_mapper=setup_mapper,
            message_reader=SingerReader(
                self._stop.readable, self._start, self._idle, self._fast_path
            ),
        )
        self._reader.max_line_bytes = self.settings.target.max_line_bytes
        self.max_parallelism = 1  # sinks only hand over: threads would add nothing but disorder
        self._batch_root = BatchRoot.of(self.config.get("batch_config"))
        self._assembly = Assembly(self.settings, self._stop)

    # What a sink needs: SinkTarget

    @property
    def destination(self) -> Destination:
        """Where messages go."""
        return self._assembly.destination

    def message_builder(
        self, stream: str, schema: Mapping[str, Any], keys: Sequence[str]
    ) -> MessageBuilder:
        """The builder for one stream."""
        return self._assembly.message_builder(stream, schema, keys, self._replication_key)

    def check_stop(self) -> None:
        """Raise after a signal."""
        self._stop.check()

    def refuse(self, wrong: WrongRecord, offset: int = 0) -> None:
        """Treat a record that cannot be published as ``on_error`` says."""
        place = f"line {self._reader.line + offset}"
        if self._batch_record is not None:
            place = f"record {self._batch_record + offset} of the BATCH in line {self._reader.line}"
        if self.settings.nats.on_error != "dead_letter":
            raise wrong.error(place)
        self.destination.dead_letter(wrong.message, "invalid", wrong.detail(place))

    @property
    def _reader(self) -> SingerReader:
        reader = self.message_reader
        assert isinstance(reader, SingerReader)  # noqa: S101 - it is made here
        return reader

    def _start(self) -> None:
        self.destination.start()

    def _idle(self) -> float:
        return self.destination.idle()

    # Hooks of the SDK

    @override
    def _setup_signal_handlers(self) -> None:
        """Install nothing: the SDK's handler drains inside a drain; ``Stop`` is installed by
        ``run``.
        """

    @override
    def setup_mapper(self) -> None:
        with maps.settings_explained():
            super().setup_mapper()

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        """Note the replication key, which the SDK does not hand on to sinks; a sink that has learnt
        another one before is made anew.
        """
        stream, keys = message_dict["stream"], message_dict.get("bookmark_properties")
        self._replication_key = keys[0] if keys else None
        if self._replication_keys.get(stream, self._replication_key) != self._replication_key:
            for stream_map in self.mapper.stream_maps.pop(stream, ()):
                self._sinks_active.pop(stream_map.stream_alias, None)
        self._replication_keys[stream] = self._replication_key
        self._register(stream, message_dict)
        self._sinks_to_clear.clear()  # they keep nothing
        self._fast_paths.clear()

    def _fast_path(self, stream: str | None) -> Callable[[Sequence[bytes]], None] | None:
        """What takes the records of a stream as JSON, found when it is first asked for: an input
        may have as many streams as it has lines.
        """
        if stream is None:
            return None
        if stream not in self._fast_paths:
            sink, found = self._sinks_active.get(stream), self.mapper.stream_maps.get(stream, ())
            self._fast_paths[stream] = None
            if isinstance(sink, JetStreamSink) and sink.can_bypass_maps(found):
                self._fast_paths[stream] = sink.process_encoded
        return self._fast_paths[stream]

    def _register(self, stream: str, message: dict[str, Any]) -> None:
        try:
            with maps.settings_explained(stream):
                super()._process_schema_message(message)
        except UnusableSchemaError as error:
            why = f"it is not a JSON schema: {error}"
            remedy = "Fix the tap or its catalog, or set `validate_records: false`"
            raise message_error(self._reader.line, "SCHEMA", stream, why, remedy) from error
        except RecursionError as error:
            why = "its schema is nested too deeply"
            raise message_error(self._reader.line, "SCHEMA", stream, why) from error

    @override
    def _assert_sink_exists(self, stream_name: str) -> None:
        """Say what comes too early, and where."""
        if not self.sink_exists(stream_name):
            kind = "RECORD" if self._batch_record is None else "BATCH"
            why = "there was no SCHEMA of its stream before it"
            told = message_error(self._reader.line, kind, stream_name, why)
            raise NoSchemaYetError(told.reason, told.remedy)

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Send a record through the maps of its stream."""
        self._stop.check()  # maps are slow
        self._process_record(message_dict, self._reader.record)

    def _process_record(self, message: Mapping[str, Any], came: bytes) -> None:
        """Send a record through its maps, each by itself: one that fails takes no other with it.

        The SDK's loop takes null for a record that a map has left out, and what a map raises for
        the end.

        Args:
            message: The RECORD. A record that is no object was no JSON, or is none.
            came: The record as it came.
        """
        stream, record = message["stream"], message.get("record")
        for stream_map in self._maps_of(stream):
            self._assert_sink_exists(stream_map.stream_alias)
            sink = self._sinks_active[stream_map.stream_alias]
            assert isinstance(sink, JetStreamSink)  # noqa: S101 - there are no others
            if not isinstance(record, dict):
                self.refuse(sink.unreadable(came) if "record" in message else sink.missing(came))
                return
            try:
                mapped = maps.transformed(stream_map, record)
            except maps.MapFailedError as error:
                self.refuse(sink.unmapped(came, str(error)))
                continue
            if mapped is not None:
                sink.process_mapped(mapped, message, came)

    def _maps_of(self, stream: str) -> Sequence[StreamMap]:
        if stream not in self.mapper.stream_maps:
            self._assert_sink_exists(stream)
        return self.mapper.stream_maps[stream]

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Send records of files the way of all records, maps and validation included.

        The SDK hands whole files to the sink, past both. The files are removed after the ack.
        """
        stream = message_dict["stream"]
        self._batch_record = 1
        self._maps_of(stream)
        files = BatchFiles.announced(
            message_dict,
            self._batch_root,
            Bounds(self._reader.max_line_bytes, self.settings.target.max_batch_file_bytes),
            line=self._reader.line,
        )
        process = self._fast_path(stream)
        for run in files.runs(self._stop.check):
            if process is not None:
                process(run)
                self._batch_record += len(run)
                continue
            for text in run:
                self._process_record({"stream": stream, "record": decoded(text)}, text)
                self._batch_record += 1
        self._batch_record = None
        self.destination.after_ack(files.remove)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Give the STATE to the checkpoints: the SDK would keep it until the end of the input."""
        state = message_dict["value"]
        if is_too_deep(state):
            raise message_error(self._reader.line, "STATE", None, "it is nested too deeply")
        check_tap(state, self.settings.target.replay)
        self.destination.note(state)

    @override
    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Do nothing: a stream of events keeps all versions of a table."""

    @override
    def process_endofpipe(self) -> None:
        super().process_endofpipe()
        self.destination.finish(self._reader.messages)

    # A run

    @classmethod
    @override
    def invoke(
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
        **asked: Any,
    ) -> None:
        if about:
            cls.print_about(about_format)
            return
        given = {
            **inherited(settings.OLD, cls._env_var_prefix),
            **(config.config if config else {}),
        }
        parse_env = bool(config and config.parse_env)
        if asked.pop("check_config", False):
            found = cls.mistakes(given, parse_env=parse_env)
            sys.exit(commands.show_mistakes(found, as_json=asked["as_json"]))
        make_target = partial(cls, config=given, parse_env_config=parse_env)
        strict = asked.pop("strict", False)
        if asked.pop("doctor", False):
            as_json = asked["as_json"]
            sys.exit(diagnose(lambda: make_target().settings, as_json=as_json, strict=strict))
        compared = verify.asked_for(asked)
        target = make_target()
        if compared is not None:
            sys.exit(target.compare(file_input, compared))
        ours = target.settings
        if not commands.answer(ours.ledger, ours.nats, **asked):
            target.run(file_input)

    def compare(self, file_input: IO[str] | None, asked: Asked) -> int:
        """Compare the input with the stream; returns the exit code, and raises as ``run``."""
        verification = self._assembly.verification(asked)
        self.run(file_input)
        return verification.exit_code

    def run(self, file_input: IO[str] | None = None) -> None:
        """Read to the end of the input; after a signal or a failure keep what was acknowledged.

        Raises:
            SystemExit: 128 + signal after a signal, the error's exit code after a failure.
        """
        set_log_levels(self.settings.target.log_level)
        try:
            to_its_end(
                lambda: self.listen(file_input),
                self._assembly,
                self._stop,
                from_stdin=file_input is None,
            )
        finally:
            self._batch_root.close()


if TYPE_CHECKING:
    _: type[SinkTarget] = TargetNatsJetstream  # sinks take their target for one
