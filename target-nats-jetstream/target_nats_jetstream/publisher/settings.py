"""The settings of everything that has to do with NATS, as one frozen value.

A ``NatsSettings`` that exists is free of contradictions, holds the secrets themselves (never the
names of files) and shows none of them in its repr. ``config["..."]`` for NATS is read nowhere else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.publisher.properties import INTEGER, PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PROPERTIES", "NatsSettings"]

SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
NANOSECONDS = 10**9
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*")
_NKEY_SEED = re.compile(r"SU[A-Z2-7]{56}")
_STREAM_NAME = re.compile(r"[^\s.*>/\\\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """How to reach the stream and how to fill it; durations in seconds."""

    servers: tuple[str, ...]
    stream: str
    stream_subjects: tuple[str, ...]
    tls_ca: str | None
    tls_cert: str | None
    tls_key: str | None
    tls_hostname: str | None
    tls_first: bool
    inbox_prefix: str
    api_prefix: str
    create_stream: str
    stream_config: Mapping[str, Any]
    publish_mode: str
    batch_size: int
    max_in_flight: int
    ack_timeout: float
    connect_timeout: float
    max_outage: float
    initial_backoff: float
    max_backoff: float
    backoff_multiplier: float
    dedupe_tail: int
    on_error: str
    dead_letter_file: str
    checkpoint_seconds: float
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    creds: str | None = field(default=None, repr=False)
    nkey_seed: str | None = field(default=None, repr=False)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], stream_subjects: Sequence[str] = ()
    ) -> NatsSettings:
        """Read the settings of NATS out of a whole config; what is absent has its default.

        Args:
            config: All settings of the target; other clients' are ignored.
            stream_subjects: The subjects that the messages can have; a stream that is created
                captures these, unless ``stream_config`` says otherwise.

        Raises:
            ConfigurationError: A value is out of range, a file cannot be read, or two settings
                contradict each other.
        """
        read = _Reader(config)
        servers, login = read.servers()
        own = {name: read.secret(name) for name in ("password", "token", "creds", "nkey_seed")}
        _check_keys(own)
        settings = cls(
            servers=servers,
            stream=read.stream(),
            stream_subjects=tuple(stream_subjects),
            **_one_login({"user": read.text("user"), **own}, login),
            tls_ca=read.file("tls_ca"),
            tls_cert=read.file("tls_cert"),
            tls_key=read.file("tls_key"),
            tls_hostname=read.text("tls_hostname"),
            tls_first=read.flag("tls_first"),
            inbox_prefix=read.needed("inbox_prefix"),
            api_prefix=read.api_prefix(),
            create_stream=read.choice("create_stream"),
            stream_config=read.stream_config(),
            publish_mode=read.choice("publish_mode"),
            batch_size=int(read.number("batch_size", 1)),
            max_in_flight=int(read.number("max_in_flight", 1)),
            ack_timeout=read.number("ack_timeout", 0.1),
            connect_timeout=read.number("connect_timeout", 0.1),
            max_outage=read.number("max_outage", 0),
            initial_backoff=read.number("initial_backoff", 0.001),
            max_backoff=read.number("max_backoff", 0.001),
            backoff_multiplier=read.number("backoff_multiplier", 1),
            dedupe_tail=int(read.number("dedupe_tail", 0)),
            on_error=read.choice("on_error"),
            dead_letter_file=read.needed("dead_letter_file"),
            checkpoint_seconds=float(config.get("checkpoint_seconds", 5)),
        )
        if bool(settings.tls_cert) != bool(settings.tls_key):
            missing = "tls_key" if settings.tls_cert else "tls_cert"
            _refuse(missing, "is missing: a client certificate needs its key", f"Set `{missing}`")
        return settings


class _Reader:
    """Takes single settings out of a config; every complaint names the setting, never the value."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def _value(self, name: str) -> Any:  # noqa: ANN401 - whatever the config holds
        value = self._config.get(name)
        return PROPERTIES[name].get("default") if value is None or value == "" else value

    def text(self, name: str) -> str | None:
        value = self._value(name)
        return None if value is None else str(value)

    def needed(self, name: str) -> str:
        return str(self._value(name))

    def choice(self, name: str) -> str:
        value, allowed = self.needed(name), PROPERTIES[name]["enum"]
        if value not in allowed:
            _refuse(name, "is not one of its values", f"Choose {' | '.join(allowed)}")
        return value

    def flag(self, name: str) -> bool:
        value = str(self._value(name)).lower()
        if value not in {"true", "false", "1", "0"}:
            _refuse(name, "is neither true nor false", "Set true or false")
        return value in {"true", "1"}

    def number(self, name: str, least: float) -> float:
        try:
            value = float(self._value(name))
        except (TypeError, ValueError):
            _refuse(name, "is no number", "Set a number")
        whole = PROPERTIES[name]["type"] is INTEGER
        if not least <= value < float("inf") or (whole and value != int(value)):
            kind = "a whole number, at least" if whole else "at least"
            _refuse(name, "is out of range", f"Set {kind} {least:g}")
        return value

    def secret(self, name: str) -> str | None:
        """The secret itself, out of ``<name>`` or the file that ``<name>_file`` names."""
        value, path = self.text(name), self.text(f"{name}_file")
        if value and path:
            _refuse(name, f"and `{name}_file` are both set", "Keep one of them")
        if not path:
            return value
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "no text"
            _refuse(f"{name}_file", f"cannot be read: {cause}", "Check the path")

    def file(self, name: str) -> str | None:
        path = self.text(name)
        if path and not Path(path).is_file():
            _refuse(name, "names no file", "Check the path")
        return path

    def servers(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """The URLs without user info, and the login that was in them: only URLs are shown."""
        listed = self._value("servers")
        urls, login = [], {}
        for text in listed.split(",") if isinstance(listed, str) else listed:
            url, found = _split_login(text.strip())
            urls.append(url)
            login.update(found)
        return tuple(urls), login

    def stream(self) -> str:
        name = self.needed("stream")
        if not _STREAM_NAME.fullmatch(name):
            _refuse("stream", "is no stream name", "Use a name without blanks and . * > / \\")
        return name

    def api_prefix(self) -> str:
        domain, prefix = self.text("domain"), self.text("js_prefix")
        if domain and prefix:
            _refuse("domain", "and `js_prefix` are both set", "Keep one of them")
        return f"$JS.{domain}.API" if domain else (prefix or "$JS.API").rstrip(".")

    def stream_config(self) -> dict[str, Any]:
        """The wishes in the words of the JetStream API: seconds become nanoseconds."""
        value = self._value("stream_config")
        try:
            wishes = json.loads(value) if isinstance(value, str) else value or {}
            wishes = dict(wishes)
        except (ValueError, TypeError):
            _refuse("stream_config", "is no object", "Set a mapping or a JSON object")
        if "replicas" in wishes:
            wishes["num_replicas"] = wishes.pop("replicas")
        for name in {"max_age", "duplicate_window"} & wishes.keys():
            wishes[name] = _nanoseconds(f"stream_config.{name}", wishes[name])
        return wishes


def _check_keys(secrets: Mapping[str, str | None]) -> None:
    """Refuse what cannot be a key: nats-py searches such credentials for ever."""
    creds, seed = secrets["creds"], secrets["nkey_seed"]
    if creds and not ("BEGIN NATS USER JWT" in creds and "BEGIN USER NKEY SEED" in creds):
        _refuse("creds", "holds no credentials", "Use the whole content of a .creds file")
    if seed and not _NKEY_SEED.fullmatch(seed):
        _refuse("nkey_seed", "is no user seed", "Use a seed that begins with SU")


def _refuse(name: str, what: str, remedy: str) -> NoReturn:
    """Never shows the value: it may be a secret under the wrong name."""
    reason = f"setting `{name}` {what}"
    raise ConfigurationError(reason, remedy) from None


def _nanoseconds(name: str, value: object) -> int:
    found = _DURATION.fullmatch(str(value))
    if not found:
        _refuse(name, "is no duration", "Set seconds, or a number with ms, s, m, h or d")
    return round(float(found[1]) * SECONDS_PER_UNIT[found[2] or "s"] * NANOSECONDS)


def _split_login(text: str) -> tuple[str, dict[str, str]]:
    """``nats://user:pw@host`` becomes ``nats://host:4222`` and a login; a lone name is a token."""
    try:
        parts = urlsplit(text if "://" in text else f"nats://{text}")
        host, port = parts.hostname, parts.port or 4222
    except ValueError:
        host, port = None, 0
    if not host or parts.scheme not in {"nats", "tls"}:
        _refuse(
            "servers", "holds something that is no URL", "Use nats://host:4222 or tls://host:4222"
        )
    url = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    if parts.username is None:
        return url, {}
    if parts.password is None:
        return url, {"token": unquote(parts.username)}
    return url, {"user": unquote(parts.username), "password": unquote(parts.password)}


def _one_login(own: Mapping[str, str | None], from_url: Mapping[str, str]) -> dict[str, Any]:
    """The login to use: what is set by itself goes before what stands in a URL; never two kinds."""
    given = {name: value for name, value in own.items() if value} or dict(from_url)
    kinds = [name for name in ("user", "token", "creds", "nkey_seed") if name in given]
    if len(kinds) > 1:
        _refuse(kinds[0], f"and `{kinds[1]}` are both set", "Keep one way to log in")
    if ("user" in given) != ("password" in given):
        missing = "password" if "user" in given else "user"
        _refuse(missing, "is missing: a login needs `user` and `password`", f"Set `{missing}`")
    return given
