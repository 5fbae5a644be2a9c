"""Texts with fields in them: ``txlog.{EVENT_TYPE}``.

``{stream}`` is the Singer stream, any other ``{NAME}`` a field of the record. Values are written as
JSON has them, texts without their quotes; which characters are allowed is up to the caller, because
a subject and a header differ in that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

STREAM = "stream"
_FIELD = re.compile(r"\{([^{}]*)\}")
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_encode = msgspec.json.Encoder(decimal_format="number").encode


def text_of(value: object) -> str:
    """A value as JSON has it: ``true``, ``1.50``, ``null``; a text is itself, without quotes."""
    return value if isinstance(value, str) else _encode(value).decode()


def header_text(text: str) -> str:
    """``text`` as a header can hold it: printable ASCII, everything else percent-encoded."""
    return quote(text, safe=_PRINTABLE)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template; literals and fields alternate, a literal is first and last."""

    literals: Sequence[str]
    fields: Sequence[str]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Parse ``text``.

        Raises:
            ValueError: A brace has no partner, or nothing in it.
        """
        parts = _FIELD.split(text)
        literals, fields = parts[::2], parts[1::2]
        if not all(fields) or any(brace in literal for literal in literals for brace in "{}"):
            msg = f"{text!r} has a brace without a partner or without a name in it"
            raise ValueError(msg)
        return cls(literals, fields)

    def filled(self, field: str, value: str) -> Template:
        """The template with ``value`` in the place of a field."""
        literals, fields = [self.literals[0]], list[str]()
        for name, literal in zip(self.fields, self.literals[1:], strict=True):
            if name == field:
                literals[-1] += value + literal
            else:
                literals.append(literal)
                fields.append(name)
        return Template(literals, fields)

    def render(
        self, stream: str, record: Mapping[str, object], form: Callable[[object], str]
    ) -> str:
        """The text for ``record``; ``form`` turns a value into text, None where there is none."""
        text = self.literals[0]
        for field, literal in zip(self.fields, self.literals[1:], strict=True):
            text += form(stream if field == STREAM else record.get(field)) + literal
        return text

    def columns(self) -> list[str]:
        """The fields of the record that the template needs."""
        return [field for field in self.fields if field != STREAM]
