"""All settings of the target: their schema, and the check that names what is wrong.

Plain JSON schema, so that ``--about``, Meltano and this check read the same table. The clients'
settings stand beside the clients (``publisher/settings.py``, ``ledger/settings.py``).
"""

from __future__ import annotations

import difflib
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.ledger import settings as ledger
from target_nats_jetstream.publisher import settings as publisher
from target_nats_jetstream.subject import SubjectTemplate
from target_nats_jetstream.template import Template

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

logger = logging.getLogger(__name__)

_HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")

PROPERTIES: dict[str, dict[str, Any]] = {
    "subject": {
        "type": "string",
        "title": "Subject",
        "description": "Subject of the messages, a template: {stream} is the Singer stream, any "
        "other {FIELD} a field of the record, made safe for subjects.",
        "default": "txlog.events",
    },
    "data_type": {
        "type": ["string", "null"],
        "title": "Data type",
        "description": "Value of the field data_type that each record gets; null for none.",
        "default": "TXLOG",
    },
    "add_trace_id": {
        "type": "boolean",
        "title": "Add trace id",
        "description": "Whether each record gets a trace_id, a UUID that is a function of the row.",
        "default": True,
    },
    "message_id": {
        "type": ["string", "null"],
        "title": "Message id",
        "description": "Template of the message id, such as {stream}:{ID}:{AT}; by default stream, "
        "key, replication value and a digest of the record. One id for two different records is an "
        "error.",
    },
    "headers": {
        "type": ["object", "null"],
        "title": "Headers",
        "description": "More headers of each message: templates by name. Each costs about a "
        "microsecond.",
    },
    "checkpoint_records": {
        "type": "integer",
        "minimum": 1,
        "title": "Checkpoint records",
        "description": "A STATE is passed on at the latest after this many records.",
        "default": 10_000,
    },
    "checkpoint_seconds": {
        "type": "integer",
        "minimum": 1,
        "title": "Checkpoint seconds",
        "description": "A STATE is passed on at the latest after this many seconds.",
        "default": 5,
    },
    "shutdown_timeout": {
        "type": "integer",
        "minimum": 0,
        "title": "Shutdown timeout",
        "description": "Seconds that a signal leaves for what is in flight. CI systems kill after "
        "about ten.",
        "default": 5,
    },
    "log_level": {
        "type": ["string", "null"],
        "enum": ["DEBUG", "INFO", "WARNING", "ERROR", None],
        "title": "Log level",
        "description": "Level of the log on stderr; TARGET_NATS_JETSTREAM_LOGLEVEL does the same.",
    },
}


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """The settings of the target itself."""

    subject: SubjectTemplate
    data_type: str | None
    add_trace_id: bool
    id_template: Template | None
    headers: Mapping[str, Template]
    checkpoint_records: int
    checkpoint_seconds: int
    shutdown_timeout: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TargetSettings:
        """Read a config that has its defaults.

        Raises:
            ConfigurationError: A template cannot be parsed, or a header has no usable name.
        """
        return cls(
            subject=SubjectTemplate.parse(config["subject"]),
            data_type=config.get("data_type") or None,
            add_trace_id=config["add_trace_id"],
            id_template=_template("message_id", config.get("message_id")),
            headers=_headers(config.get("headers") or {}),
            checkpoint_records=config["checkpoint_records"],
            checkpoint_seconds=config["checkpoint_seconds"],
            shutdown_timeout=config["shutdown_timeout"],
        )

    def check_fields(self, stream: str, known: Collection[str]) -> None:
        """See whether the fields that templates name are those of a stream.

        Raises:
            ConfigurationError: That of the message id names another one: all records would have
                one id.
        """
        for setting, template in self._templates():
            missing = [name for name in template.columns() if name not in known]
            if not missing:
                continue
            reason = f"setting `{setting}` names {missing[0]}, which stream {stream} does not have"
            if setting == "message_id":
                raise ConfigurationError(
                    reason, f"It has {', '.join(sorted(known)) or 'no fields'}"
                )
            logger.warning("%s: it is empty there", reason)

    def _templates(self) -> Iterator[tuple[str, Template]]:
        yield "subject", self.subject.template
        if self.id_template is not None:
            yield "message_id", self.id_template
        yield from ((f"headers.{name}", template) for name, template in self.headers.items())


def _headers(config: Mapping[str, Any]) -> dict[str, Template]:
    found = {}
    for name, text in config.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower().startswith("nats-"):
            reason = f"setting `headers`: {name!r} is no name for a header of ours"
            raise ConfigurationError(reason, "Use letters, digits and hyphens, and not Nats-…")
        if (template := _template("headers", text)) is not None:
            found[name] = template
    return found


def _template(setting: str, text: object) -> Template | None:
    if text is None or text == "":
        return None
    try:
        return Template.parse(str(text))
    except ValueError as error:
        reason = f"setting `{setting}`: {error}"
        raise ConfigurationError(reason, "Write fields as {NAME}, and {stream}") from error


def schema() -> dict[str, Any]:
    """The JSON schema of all settings of this package, without those that the SDK adds."""
    return {
        "type": "object",
        "properties": {**PROPERTIES, **publisher.PROPERTIES, **ledger.PROPERTIES},
    }


def without_blanks(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` without null and empty text: so an environment says that a setting is not set.

    Raises:
        ConfigurationError: A setting is empty whose default would be another pipeline's.
    """
    for name in ledger.NEVER_BLANK:
        if config.get(name) == "":
            reason = f"setting `{name}` is empty"
            remedy = "Give it a value, or leave it out. Is it a CI secret that is not set?"
            raise ConfigurationError(reason, remedy)
    return {name: value for name, value in config.items() if value is not None and value != ""}


def check(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Refuse a config that has an unknown setting or a value of the wrong kind.

    The value itself is never shown: it may be a secret that was put under the wrong name.

    Raises:
        ConfigurationError: Names the setting, what is wrong and the nearest known name.
    """
    known = schema["properties"]
    for name in config:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            remedy = f"Did you mean `{near[0]}`?" if near else "See --about for the known ones"
            reason = f"unknown setting `{name}`"
            raise ConfigurationError(reason, remedy)
    for error in Draft202012Validator(schema).iter_errors(config):
        name = ".".join(map(str, error.absolute_path)) or "config"
        reason = f"setting `{name}` has a value that its {error.validator} does not allow"
        raise ConfigurationError(
            reason, f"Allowed: {_allowed(error.validator, error.validator_value)}"
        )


def _allowed(rule: object, value: object) -> str:
    if isinstance(value, list):
        return " or ".join("null" if item is None else str(item) for item in value)
    return f"{rule} {value}"
