"""Texts with fields in them: ``txlog.{EVENT_TYPE}``.

``{stream}`` is the Singer stream, any other ``{NAME}`` a field of the record. What a field looks
like in the text is up to the caller: a subject and a header allow different characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_FIELD = re.compile(r"\{([^{}]*)\}")


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

    def render(
        self, stream: str, record: Mapping[str, object], form: Callable[[object], str]
    ) -> str:
        """The text for ``record``; ``form`` turns a value into text, None where there is none."""
        text = self.literals[0]
        for field, literal in zip(self.fields, self.literals[1:], strict=True):
            text += form(stream if field == "stream" else record.get(field)) + literal
        return text
