"""The setting ``servers``: URLs that may be shown, and the login that stands in them. Pure."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from target_nats_jetstream.config import refuse

_LOST = re.compile(r"[\t\r\n]")


def parsed_servers(listed: object) -> tuple[list[str], dict[str, str]]:
    """The URLs without user info, and the login that was in them: only URLs are shown.

    Raises:
        ConfigurationError: One is no URL, a part of its login would count as its host or port, or
            two have logins that differ: a server must not get that of another one.
    """
    if not isinstance(listed, list | tuple):
        refuse("servers", "is not a list", "Set URLs like nats://host:4222")
    texts = list(map(str, listed))
    # Behind a comma that was in a password:
    if any("@" in text and "://" not in text for text in texts[1:]):
        _refuse_torn()
    urls, logins = zip(*map(_split_login, texts), strict=True) if texts else ((), ())
    first, *others = [login for login in logins if login] or [{}]
    if any(login != first for login in others):
        refuse("servers", "has logins that differ", "One login has to be right for all of them")
    return list(urls), first


def _split_login(text: str) -> tuple[str, dict[str, str]]:
    """``nats://user:pw@host`` becomes ``nats://host:4222`` and a login; a lone name is a token."""
    url = text if "://" in text else f"nats://{text}"
    if _is_torn(url):
        _refuse_torn()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 4222
        (host or "").encode("idna")  # as the resolver will: a name like a..b is none
    except ValueError:
        host, port = None, 0
    if not host or parts.scheme not in {"nats", "tls"}:
        refuse(
            "servers",
            "contains something that is not a URL",
            "Use nats://host:4222 or tls://host:4222",
        )
    shown = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    if parts.username is None:
        return shown, {}
    if parts.password is None:
        return shown, {"password": unquote(parts.username)}
    return shown, {"user": unquote(parts.username), "password": unquote(parts.password)}


def _is_torn(url: str) -> bool:
    """Whether a login is not read as it is meant: a URL ends at some characters, may not have
    others, and loses blanks that are no spaces.
    """
    if "@" not in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return "@" in parts.path + parts.query + parts.fragment or bool(_LOST.search(url))


def _refuse_torn() -> NoReturn:
    """What was taken for host and port may be a part of a password, which no line may show."""
    refuse(
        "servers",
        "has a login with one of / ? # [ ] , in it, or another character that no URL has",
        "Write / as %2F there, ? as %3F, # as %23, [ as %5B, a comma as %2C and @ as %40",
    )
