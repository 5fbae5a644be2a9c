"""The setting ``servers``: URLs that may be shown, and the login that stands in them. Pure."""

from __future__ import annotations

from typing import NoReturn
from urllib.parse import unquote, urlsplit

from target_nats_jetstream.config import refuse


def parsed_servers(listed: object) -> tuple[list[str], dict[str, str]]:
    """The URLs without user info, and the login that was in them: only URLs are shown.

    Raises:
        ConfigurationError: One is no URL, or a part of its login would count as its host or port.
    """
    if not isinstance(listed, list | tuple):
        refuse("servers", "is not a list", "Set URLs like nats://host:4222")
    urls, login = [], {}
    for number, text in enumerate(map(str, listed)):
        if number and "@" in text and "://" not in text:  # behind a comma that was in a password
            _refuse_torn()
        url, found = _split_login(text)
        urls.append(url)
        login.update(found)
    return urls, login


def _split_login(text: str) -> tuple[str, dict[str, str]]:
    """``nats://user:pw@host`` becomes ``nats://host:4222`` and a login; a lone name is a token."""
    try:
        parts = urlsplit(text if "://" in text else f"nats://{text}")
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
    if "@" in parts.path + parts.query + parts.fragment:
        _refuse_torn()
    url = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    if parts.username is None:
        return url, {}
    if parts.password is None:
        return url, {"password": unquote(parts.username)}
    return url, {"user": unquote(parts.username), "password": unquote(parts.password)}


def _refuse_torn() -> NoReturn:
    """What was taken for host and port may be a part of a password, which no line may show."""
    refuse(
        "servers",
        "has a login with one of / ? # , in it",
        "Write / as %2F there, ? as %3F, # as %23, a comma as %2C and @ as %40",
    )
