"""The name of a replay, and what is called after it.

A replay sends rows once more, under a name: with a subject, message ids, a bookmark and a row in
the ledger of its own. The same text stands in the other package.
"""

from __future__ import annotations

import re
from typing import Final

from tap_oracle_txlog.config import refuse

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


def check_name(name: str | None) -> None:
    """Refuse a name that cannot be a token of a subject, a part of an id and a header.

    Raises:
        ConfigurationError: It is such a name.
    """
    if name is not None and not _NAME.fullmatch(name):
        what = "is not the name of a replay"
        refuse("replay", what, "Use up to 64 letters, digits, hyphens and underscores")


def program_of(program: str, name: str | None) -> str:
    """The PROGRAM_NAME in the ledger: so a replay never touches the row of its pipeline."""
    return program if name is None else f"{program}#replay-{name}"
