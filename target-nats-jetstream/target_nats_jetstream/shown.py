"""Text from outside, made safe for our own messages: one line, no secrets."""

from __future__ import annotations

from typing import Final

SHOWN_CHARACTERS: Final = 200


def shown(url: str) -> str:
    """``url`` for people: no password and no signature in it, nothing that moves a cursor, and not
    too long.
    """
    scheme, mark, rest = url.partition("://")
    login, _, place = rest.rpartition("@")
    if "?" in login:  # it belongs to a password, or the @ to a query
        place = ""
    text = f"{scheme}{mark}{place}".partition("?")[0][:SHOWN_CHARACTERS]
    return printable(text)


def printable(text: str) -> str:
    """``text`` on a line of its own, of any length: without what breaks it or moves a cursor."""
    return "".join(one if one.isprintable() else "?" for one in text)
