"""Names of tables and columns, safe to stand in SQL text.

Names are the only part of a statement that cannot be bound. A name that left this module holds no
double quote, no semicolon and no control character, and `quoted` always puts it in double quotes,
so that it can be nothing but a name. It does not know whether the name exists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tap_oracle_txlog.errors import ConfigurationError

LONGEST_NAME_BYTES = 128
"""Oracle 12.2 and later; older ones stop at 30 and say so themselves (ORA-00972)."""

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\";]")
_PLAIN = re.compile(r"[^\W\d][\w$#]*")
_PARTS = re.compile(r'("[^"]*"|[^".]+)(?:\.("[^"]*"|[^".]+))?')


def identifier(text: str, *, setting: str) -> str:
    """The name as the dictionary stores it: upper case, unless ``text`` is in double quotes.

    Raises:
        ConfigurationError: ``text`` is no name of Oracle, or one that we refuse to put into SQL.
    """
    in_quotes = len(text) > 2 and text[0] == text[-1] == '"'
    name = text[1:-1] if in_quotes else text.upper()
    if (
        not name
        or _FORBIDDEN.search(name)
        or len(name.encode("utf-8", "replace")) > LONGEST_NAME_BYTES
        or not (in_quotes or _PLAIN.fullmatch(name))
    ):
        reason = f"setting `{setting}` holds {text!r:.80}, which is not an Oracle name"
        remedy = (
            "Use letters, digits, _, $ and #; a name with other characters or in lower case goes"
            f" into double quotes. At most {LONGEST_NAME_BYTES} bytes, no quote, no semicolon"
        )
        raise ConfigurationError(reason, remedy, setting=setting)
    return name


def quoted(name: str) -> str:
    """The name as it stands in SQL text."""
    return f'"{name}"'


@dataclass(frozen=True, slots=True)
class TableName:
    """A table or view; ``owner`` is None for one in the schema of the session."""

    owner: str | None
    name: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """``spc.txlog_events`` is ``SPC.TXLOG_EVENTS``; quoted parts are kept as they are."""
        parts = _PARTS.fullmatch(text.strip())
        if parts is None:
            reason = f"setting `table` holds {text!r:.80}, which is not of the form owner.table"
            remedy = "Write it as SPC.TXLOG_EVENTS, without a database link"
            raise ConfigurationError(reason, remedy, setting="table")
        *owner, name = (identifier(part, setting="table") for part in parts.groups() if part)
        return cls(owner[0] if owner else None, name)

    @property
    def quoted(self) -> str:
        """The name as it stands in SQL text."""
        return ".".join(quoted(part) for part in (self.owner, self.name) if part is not None)

    @property
    def label(self) -> str:
        """The name as people write it in messages and grants."""
        return self.name if self.owner is None else f"{self.owner}.{self.name}"
