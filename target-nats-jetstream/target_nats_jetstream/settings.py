"""All settings of the target.

The clients' settings stand beside the clients (``publisher/settings.py``, ``ledger/settings.py``),
and how settings are read, checked and described in ``config.py``.
"""

from __future__ import annotations

import logging
import re
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple

import msgspec
from typing_extensions import override

from target_nats_jetstream.config import Settings, old, setting
from target_nats_jetstream.deprecation import schemas
from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.ledger.settings import LedgerSettings
from target_nats_jetstream.metrics.settings import MetricsSettings
from target_nats_jetstream.old_settings import TRANSLATED
from target_nats_jetstream.publisher.settings import NatsSettings
from target_nats_jetstream.replay import HEADER, subject_of
from target_nats_jetstream.replay_name import check_name, program_of
from target_nats_jetstream.slices import SLICE, TAIL, number_of
from target_nats_jetstream.subject import SubjectTemplate
from target_nats_jetstream.template import Template

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

logger = logging.getLogger(__name__)

_LINE_BREAK = re.compile(r"[\r\n]")
_HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


class TargetSettings(Settings, frozen=True, kw_only=True, dict=True):
    """The settings of the target itself."""

    subject: Annotated[
        str,
        setting(
            "Subject of the messages, a template: {stream} is the Singer stream, {slice} the "
            "number of a slice of a backfill (tail for all else), any other {FIELD} a field of the "
            "record, made safe for subjects."
        ),
    ] = "txlog.events"
    load_method: Annotated[
        Literal["append-only", "upsert"],
        setting(
            "append-only: a stream keeps each record as a message. upsert: it keeps the last "
            "record of each key, under a subject of its own: <subject>.<key>. That needs key "
            "properties, and a stream with max_msgs_per_subject: 1."
        ),
    ] = "append-only"
    replay: Annotated[
        str | None,
        setting(
            "Publish a replay of this name: to txlog.replay.<name>.<subject>, with ids and a row "
            "in the ledger of its own. The tap needs the same setting."
        ),
    ] = None
    data_type: Annotated[
        str | None,
        setting("Value of the field data_type that each record gets; null for none."),
    ] = "TXLOG"
    add_trace_id: Annotated[
        bool, setting("Whether each record gets a trace_id, a UUID derived from the row.")
    ] = True
    message_id: Annotated[
        str | None,
        setting(
            "Template of the message id, such as {stream}:{ID}:{AT}; by default stream, key, "
            "replication value and a digest of the record. One id for two different records is an "
            "error."
        ),
    ] = None
    headers: Annotated[
        dict[str, str | None],
        setting(
            "Additional headers of each message: templates by name. Each costs about a microsecond."
        ),
    ] = {}  # noqa: RUF012 - msgspec makes a new one for each
    max_line_bytes: Annotated[
        int,
        setting(
            "Size of the longest line that is read from the tap or from a BATCH file, in bytes; it "
            "bounds the memory that an input can take.",
            ge=1024,
        ),
    ] = 64 * 1024 * 1024
    max_batch_file_bytes: Annotated[
        int,
        setting(
            "Size of the largest BATCH file that is read, in bytes, once it is unpacked.", ge=1024
        ),
    ] = 16 * 1024**3
    checkpoint_records: Annotated[
        int, old("remove it; `checkpoint_seconds` says how often a STATE is passed on", ge=1)
    ] = 10_000
    checkpoint_seconds: Annotated[
        int,
        setting(
            "Pass on a STATE after at most this many seconds, and after at most 10,000 records.",
            ge=1,
        ),
    ] = 5
    shutdown_timeout: Annotated[
        int,
        setting(
            "Seconds to finish what is in flight after a signal; CI systems kill after about ten.",
            ge=0,
        ),
    ] = 5
    statistics_every: Annotated[
        int,
        setting(
            "Log the statistics of the run after this many checkpoints (each passes on a STATE); 0 "
            "for never.",
            ge=0,
        ),
    ] = 0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None,
        setting("Level of the log on stderr; TARGET_NATS_JETSTREAM_LOGLEVEL does the same."),
    ] = None

    slice: str = TAIL

    @classmethod
    @override
    def _given(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """What is set, and which slice it is for: ``program_name`` tells."""
        program = config.get("program_name")
        number = number_of(program) if isinstance(program, str) else None
        return super()._given(config) | ({"slice": number} if number else {})

    @cached_property
    def subject_template(self) -> SubjectTemplate:
        """Of ``subject``; that of a replay where the run is one."""
        parsed = SubjectTemplate.parse(self.subject)
        if self.is_upsert and parsed.template.columns():
            field = parsed.template.columns()[0]
            reason = f"setting `subject` names {field}: with `load_method: upsert` a key has one"
            raise ConfigurationError(reason, "Use no field but {stream} in it", setting="subject")
        return self._whole_subject.filled(SLICE, self.slice)

    @property
    def stream_subject(self) -> str:
        """The pattern of the subjects of all slices and of the tail."""
        return self._whole_subject.pattern()

    @property
    def _whole_subject(self) -> SubjectTemplate:
        subject = SubjectTemplate.parse(subject_of(self.subject, self.replay))
        return subject.by_key() if self.is_upsert else subject

    @property
    def is_upsert(self) -> bool:
        """Whether a stream keeps the last record of each key."""
        return self.load_method == "upsert"

    @cached_property
    def id_template(self) -> Template | None:
        """Of ``message_id``."""
        return _template("message_id", self.message_id)

    @cached_property
    def header_templates(self) -> Mapping[str, Template]:
        """Of ``headers``, those that are not empty, and that of a replay."""
        given = {**self.headers, HEADER: self.replay}
        found = {name: _template("headers", text) for name, text in given.items()}
        return {name: template for name, template in found.items() if template is not None}

    def __post_init__(self) -> None:
        """Refuse templates that cannot be parsed, and names that no header of ours may have."""
        check_name(self.replay)
        if self.is_upsert and self.message_id:
            reason = "setting `message_id` does not go with `load_method: upsert`"
            remedy = "Remove it: a value that comes back would be taken for a duplicate"
            raise ConfigurationError(reason, remedy, setting="message_id")
        for name in self.headers:
            is_ours = name.lower().startswith("nats-") or name.lower() == HEADER.lower()
            if is_ours or not _HEADER_NAME.fullmatch(name):
                reason = f"setting `headers`: {name!r} cannot be used as a header name"
                remedy = f"Use letters, digits and hyphens, and neither Nats-… nor {HEADER}"
                raise ConfigurationError(reason, remedy, setting="headers")
        for name, template in self.header_templates.items():
            if any(map(_LINE_BREAK.search, template.literals)):
                reason = f"setting `headers`: {name} has a line break in it"
                raise ConfigurationError(reason, "Write its value in one line", setting="headers")
        list(self._templates())

    def check_fields(self, stream: str, known: Collection[str]) -> None:
        """See whether the fields that templates name are those of a stream.

        Raises:
            ConfigurationError: That of the message id names another one: all records would have
                one id.
        """
        for name, template in self._templates():
            missing = [field for field in template.columns() if field not in known]
            if not missing:
                continue
            reason = f"setting `{name}` names {missing[0]}, which stream {stream} does not have"
            if name == "message_id":
                raise ConfigurationError(
                    reason, f"It has {', '.join(sorted(known)) or 'no fields'}"
                )
            logger.warning("%s: it is empty there", reason)

    def _templates(self) -> Iterator[tuple[str, Template]]:
        yield "subject", self.subject_template.template
        if self.id_template is not None:
            yield "message_id", self.id_template
        yield from ((f"headers.{name}", one) for name, one in self.header_templates.items())


def _template(name: str, text: str | None) -> Template | None:
    if not text:
        return None
    try:
        return Template.parse(text)
    except ValueError as error:
        reason = f"setting `{name}`: {error}"
        remedy = "Write fields as {NAME}, and {stream}"
        raise ConfigurationError(reason, remedy, setting=name) from error


class AllSettings(NamedTuple):
    """The settings of the target, of its two clients, and of what it shows to others."""

    target: TargetSettings
    nats: NatsSettings
    ledger: LedgerSettings
    metrics: MetricsSettings

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> AllSettings:
        """Read them all.

        Raises:
            ConfigurationError: A value does not fit, or two settings contradict each other.
        """
        target = TargetSettings.from_config(config)
        subjects = [target.stream_subject]
        nats = NatsSettings.from_config(
            config, subjects, target.checkpoint_seconds, keeps_last=target.is_upsert
        )
        ledger, metrics = LedgerSettings.from_config(config), MetricsSettings.from_config(config)
        program = program_of(ledger.program_name, target.replay)
        ledger = msgspec.structs.replace(ledger, program_name=program)
        return cls(target, nats, ledger, metrics)


OURS, OLD = schemas(TargetSettings, NatsSettings, LedgerSettings, MetricsSettings, *TRANSLATED)
"""The JSON schemas of the settings of this package, without those that the SDK adds; and what to do
instead of each setting of the last release.
"""
READ = (*OURS, *OLD)
"""The settings that this package reads."""
SHORT: Final = {
    "mariadb_host": "MARIADB_HOST",
    "mariadb_port": "MARIADB_PORT",
    "mariadb_database": "MARIADB_DATABASE",
    "mariadb_user": "MARIADB_USER",
    "mariadb_password": "MARIADB_PASSWORD",
    "servers": "NATS_SERVERS",
    "program_name": "PROGRAM_NAME",
    "batch_size": "BATCH_SIZE",
    "log_level": "LOG_LEVEL",
    "replay": "TXLOG_REPLAY",
}
"""What settings are also called in the environment of the project's ``meltano.yml``: as in the poll
loop that came before (V7), so that its users keep theirs; and what both plugins have to agree on.
"""
