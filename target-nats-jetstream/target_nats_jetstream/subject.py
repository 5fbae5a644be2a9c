"""The subject of a message, from a template like ``txlog.{EVENT_TYPE}``.

Whatever the data holds, a value becomes exactly one token of the subject: nats-server stores ``*``
and ``>`` from a publisher literally, a dot would add a level, and a blank is refused.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.key_subject import key_tokens
from target_nats_jetstream.template import Template, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_TOKEN_CHARACTERS = 128
_UNSAFE = re.compile(r"[\s.*>\x00-\x1f\x7f]")
_LITERAL = re.compile(r"[^\s*>{}\x00-\x1f\x7f]*")
_EMPTY = "_"
_REMEDY = "Use tokens joined by dots, like txlog.events or txlog.{EVENT_TYPE}"


def token(value: object) -> str:
    """One token for any value: unsafe characters become ``_``, an overlong one is hashed."""
    text = _UNSAFE.sub("_", text_of(value)) if value is not None else ""
    if len(text) > MAX_TOKEN_CHARACTERS:
        digest = hashlib.blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()
        text = f"{text[: MAX_TOKEN_CHARACTERS - 17]}-{digest}"
    return text or _EMPTY


@dataclass(frozen=True, slots=True)
class SubjectTemplate:
    """A template whose every text is a valid subject.

    Args:
        template: What stands before a key, or the whole subject.
        keys: The fields whose values follow, so that each key has a subject of its own: empty where
            they are not known yet. None: nothing follows.
    """

    template: Template
    keys: tuple[str, ...] | None = None

    @classmethod
    def parse(cls, text: str) -> SubjectTemplate:
        """Parse ``text``.

        Raises:
            ConfigurationError: The literal part is no valid subject or a brace has no partner.
        """
        try:
            subject = cls(Template.parse(text))
        except ValueError as error:
            reason = f"setting `subject`: {error}"
            raise ConfigurationError(reason, _REMEDY, setting="subject") from error
        if not all(map(_LITERAL.fullmatch, subject.template.literals)) or not all(
            subject.pattern().split(".")
        ):
            reason = f"setting `subject`: {text!r} is not a subject template"
            raise ConfigurationError(reason, _REMEDY, setting="subject")
        return subject

    def filled(self, field: str, value: str) -> SubjectTemplate:
        """The template with ``value`` in the place of a field."""
        return SubjectTemplate(self.template.filled(field, value), self.keys)

    def by_key(self, keys: Sequence[str] = ()) -> SubjectTemplate:
        """The template of subjects that each belong to one key."""
        return SubjectTemplate(self.template, tuple(keys))

    def pattern(self) -> str:
        """The subject filter that covers every subject of this template: ``txlog.*``."""
        joined = "\0".join(self.template.literals)
        pattern = ".".join("*" if "\0" in part else part for part in joined.split("."))
        return pattern if self.keys is None else f"{pattern}.>"

    def sample(self) -> str:
        """A subject that this template can make."""
        return sample_of(self.pattern())

    def subjects(self, stream: str, records: Sequence[Mapping[str, object]]) -> list[str]:
        """The subjects for ``records``; a field that a record lacks counts as empty."""
        if self.keys is not None:
            return [self._of_key(stream, record) for record in records]
        if not self.template.fields:
            return [self.template.literals[0]] * len(records)
        return [self.template.render(stream, record, token) for record in records]

    def _of_key(self, stream: str, record: Mapping[str, object]) -> str:
        missing = any(key not in record for key in self.keys or ())
        values = [record.get(key) for key in self.keys or ()]
        tokens = _EMPTY if missing or not values else key_tokens(values)
        return f"{self.template.render(stream, record, token)}.{tokens}"


def sample_of(pattern: str) -> str:
    """A subject that a filter covers."""
    return pattern.replace("*", _EMPTY).replace(">", _EMPTY)
