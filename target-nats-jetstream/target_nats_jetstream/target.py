"""The Singer target: an adapter between the SDK and ``Delivery``, which does the work.

Some hooks of the SDK that are not public are overridden, because the SDK emits STATE only at the
end of the input, answers a signal by draining inside a drain, and spends half of a core on copies
of each record. Each says why; tests/contract fails when the SDK changes what they rely on.
"""

from __future__ import annotations

import contextlib
import logging
import time
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

import msgspec
from singer_sdk import Target, metrics
from singer_sdk.configuration._dict_config import parse_environment_config
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from typing_extensions import override

from target_nats_jetstream import commands, settings
from target_nats_jetstream.assembly import Assembly
from target_nats_jetstream.batch_files import BatchFiles
from target_nats_jetstream.batch_root import BatchRoot
from target_nats_jetstream.config import check, from_environment
from target_nats_jetstream.errors import ConfigurationError, DataError, TargetError
from target_nats_jetstream.old_settings import inherited, modern
from target_nats_jetstream.reader import SingerReader, discard, explain
from target_nats_jetstream.sink import NO_OBJECT, JetStreamSink
from target_nats_jetstream.stop import Stop, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import click
    from singer_sdk.plugin_base import _ConfigInput

    from target_nats_jetstream.delivery import Delivery
    from target_nats_jetstream.message import Message, MessageBuilder
    from target_nats_jetstream.sink import SinkTarget

logger = logging.getLogger(__name__)

#: How long a failing target goes on reading its input before it exits (seconds).
DISCARD_SECONDS = 2.0


class TargetNatsJetstream(Target):
    """Singer target for NATS JetStream."""

    name = "target-nats-jetstream"
    default_sink_class = JetStreamSink
    config_jsonschema = {"type": "object", "properties": dict(settings.OURS)}  # noqa: RUF012
    capabilities = [  # noqa: RUF012 - declared as a class variable by the SDK
        PluginCapabilities.ABOUT,
        PluginCapabilities.BATCH,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.VALIDATE_RECORDS,
    ]

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
        self._reader.max_line_bytes = self._settings.target.max_line_bytes
        self.max_parallelism = 1  # sinks only hand over: threads would add nothing but disorder
        self._assembly = Assembly(self._settings, self._stop)

    # What a sink needs: SinkTarget

    @property
    def delivery(self) -> Delivery:
        """The way out."""
        return self._assembly.delivery

    def message_builder(
        self, stream: str, schema: Mapping[str, Any], keys: Sequence[str]
    ) -> MessageBuilder:
        """The builder for one stream."""
        return self._assembly.message_builder(stream, schema, keys, self._replication_key)

    def refuse(self, message: Message, why: str, offset: int = 0) -> None:
        """Treat a record that cannot be published as ``on_error`` says."""
        if self._settings.nats.on_error == "dead_letter":
            self.delivery.dead_letter(message, "invalid", why)
            return
        where = f"line {self._reader.line + offset}"
        if self._batch_record is not None:
            where = f"record {self._batch_record + offset} of the BATCH in line {self._reader.line}"
        reason = f"{where} is a record of stream {message.stream} that cannot be published: {why}"
        remedy = "Fix the tap or its catalog, or set `on_error: dead_letter`"
        raise DataError(reason, remedy)

    @property
    def _reader(self) -> SingerReader:
        reader = self.message_reader
        assert isinstance(reader, SingerReader)  # noqa: S101 - it is made here
        return reader

    def _start(self) -> None:
        self.delivery.start()

    def _idle(self) -> float:
        return self.delivery.idle()

    @cached_property
    def _settings(self) -> settings.AllSettings:
        return settings.AllSettings.from_config(self._config)

    # Hooks of the SDK

    @classmethod
    @override
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Leave out what would do nothing: load_method, and batch_size_rows beside batch_size."""
        super().append_builtin_config(config_jsonschema)
        for name in ("load_method", "batch_size_rows"):
            config_jsonschema["properties"].pop(name, None)

    @classproperty
    @override
    def _env_var_config(cls) -> dict[str, Any]:  # noqa: N805 - as the SDK does it
        """Leave our settings as the text that they are: the SDK's ``int`` raises without a name."""
        theirs: dict[str, Any] = {"properties": {}}
        cls.append_builtin_config(theirs)
        found = parse_environment_config(theirs, cls._env_var_prefix)  # it reads .env as well
        return found | from_environment(settings.READ, cls._env_var_prefix)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check in our own words: the SDK lets unknown names pass and shows the wrong values. It
        sees its own settings only, and gives them their defaults.
        """
        if raise_errors:
            self.append_builtin_config(self.config_jsonschema)
            check(self._config, self.config_jsonschema, settings.READ)
        self._config = modern(self._config, settings.OLD)
        if raise_errors:
            _ = self._settings
        config = self._config
        ours = {name: config.pop(name) for name in settings.READ if name in config}
        errors = super()._validate_config(raise_errors=raise_errors)
        self._config |= ours
        return errors

    @override
    def _setup_signal_handlers(self) -> None:
        """Install nothing: the SDK's handler drains inside a drain; ``Stop`` is installed by
        ``run``.
        """

    @override
    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        """Note the replication key, which the SDK does not hand on to sinks; a sink that has learnt
        another one before is made anew.
        """
        stream, keys = str(message_dict.get("stream")), message_dict.get("bookmark_properties")
        self._replication_key = keys[0] if keys else None
        if self._replication_keys.get(stream, self._replication_key) != self._replication_key:
            for stream_map in self.mapper.stream_maps.pop(stream, ()):
                self._sinks_active.pop(stream_map.stream_alias, None)
        self._replication_keys[stream] = self._replication_key
        super()._process_schema_message(message_dict)
        self._sinks_to_clear.clear()  # they keep nothing
        self._fast_paths.clear()

    def _fast_path(self, stream: str | None) -> Callable[[Sequence[bytes]], None] | None:
        """What takes the records of a stream as JSON, found when it is first asked for: an input
        may have as many streams as it has lines.
        """
        if stream is None:
            return None
        if stream not in self._fast_paths:
            sink, maps = self._sinks_active.get(stream), self.mapper.stream_maps.get(stream, ())
            self._fast_paths[stream] = None
            if isinstance(sink, JetStreamSink) and sink.can_bypass_maps(maps):
                self._fast_paths[stream] = sink.process_encoded
        return self._fast_paths[stream]

    @override
    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Refuse what is no record before maps see it: they would take null for filtered."""
        self._stop.check()  # maps are slow
        record = message_dict.get("record", {})
        if isinstance(record, dict):
            super()._process_record_message(message_dict)
            return
        stream = str(message_dict.get("stream"))
        if stream not in self.mapper.stream_maps:
            self._assert_sink_exists(stream)
        self.refuse(self._assembly.unreadable(stream, msgspec.json.encode(record)), NO_OBJECT)

    @override
    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        """Send records of files the way of all records, maps and validation included.

        The SDK hands whole files to the sink, past both. The files are removed after the ack.
        """
        self._assert_line_requires(message_dict, requires={"stream", "encoding", "manifest"})
        stream = message_dict["stream"]
        if stream not in self.mapper.stream_maps:
            self._assert_sink_exists(stream)
        files = BatchFiles.announced(
            message_dict,
            BatchRoot.of(self.config.get("batch_config")),
            line=self._reader.line,
            max_line_bytes=self._reader.max_line_bytes,
        )
        process = self._fast_path(stream)
        self._batch_record = 1
        for run in files.runs():
            self._stop.check()
            if process is not None:
                process(run)
                self._batch_record += len(run)
                continue
            for record in map(self.message_reader.deserialize_json, run):
                self._process_record_message({"stream": stream, "record": record})
                self._batch_record += 1
        self._batch_record = None
        self.delivery.after_ack(files.remove)

    @override
    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Give the STATE to the checkpoints: the SDK would keep it until the end of the input."""
        self._assert_line_requires(message_dict, requires={"value"})
        state = message_dict["value"]
        if not isinstance(state, dict):
            reason = "the value of a STATE is not an object"
            raise DataError(reason, "Fix the tap; earlier records are safe")
        self.delivery.note(state)

    @override
    def process_endofpipe(self) -> None:
        super().process_endofpipe()
        self.delivery.finish(self._reader.messages)

    # A run

    @classmethod
    @override
    def cb_config(
        cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]
    ) -> _ConfigInput:
        try:
            return super().cb_config(ctx, param, value)
        except (OSError, TypeError, ValueError) as error:
            reason = f"cannot read the config {', '.join(value)}: {error}"
            raise ConfigurationError(reason, "It has to be a JSON object") from error

    @classmethod
    @override
    def get_singer_command(cls) -> click.Command:
        command = super().get_singer_command()
        command.params += commands.options()
        return command

    @classmethod
    @override
    def invoke(  # type: ignore[override]  # as the SDK does it
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
        status: bool = False,
        as_json: bool = False,
        max_age: str | None = None,
        replay_dead_letters: bool = False,
        print_nats_permissions: bool = False,
        print_grants: bool = False,
        print_ddl: bool = False,
    ) -> None:
        if about:
            cls.print_about(about_format)
            return
        target = cls(
            config={
                **inherited(settings.OLD, cls._env_var_prefix),
                **(config.config if config else {}),
            },
            parse_env_config=bool(config and config.parse_env),
        )
        ours = target._settings
        if status:
            commands.print_status(ours.ledger, ours.nats, as_json=as_json, max_age=max_age)
        elif replay_dead_letters:
            commands.replay(ours.nats)
        elif print_nats_permissions:
            commands.print_nats_permissions(ours.nats)
        elif print_grants:
            commands.print_grants(ours.ledger)
        elif print_ddl:
            commands.print_ddl(ours.ledger, ours.nats, as_json=as_json)
        else:
            target.run(file_input)

    def run(self, file_input: IO[str] | None = None) -> None:
        """Read to the end of the input; after a signal or a failure keep what was acknowledged.

        Raises:
            SystemExit: 128 + signal after a signal, the error's exit code after a failure.
        """
        quiet = metrics.MetricExclusionFilter(metrics=[metrics.Metric.BATCH_PROCESSING_TIME.value])
        metrics.get_metrics_logger().addFilter(quiet)
        if level := self._settings.target.log_level:
            logging.getLogger().setLevel(level)
        with self._stop.installed():
            try:
                self.listen(file_input)
            except Stopped as stopped:
                if (delivery := self._assembly.made) is not None:
                    seconds = self._settings.target.shutdown_timeout
                    delivery.stop_by_signal(stopped.signum, seconds)
                raise SystemExit(128 + stopped.signum) from None
            except Exception as error:
                logger.debug("where it happened", exc_info=True)
                self._fail(explain(error), file_input)
            finally:
                if (delivery := self._assembly.made) is not None:
                    delivery.close()

    def _fail(self, error: TargetError, file_input: IO[str] | None) -> None:
        if (delivery := self._assembly.made) is not None:
            delivery.fail(error)
        logger.error("%s", error)
        if file_input is None:
            with contextlib.suppress(Stopped):
                discard(0, self._stop.readable, time.monotonic() + DISCARD_SECONDS)
        raise SystemExit(error.exit_code) from None


if TYPE_CHECKING:
    _: type[SinkTarget] = TargetNatsJetstream  # sinks take their target for one
