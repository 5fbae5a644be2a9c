"""The settings of everything that has to do with NATS, as one frozen value.

A ``NatsSettings`` that exists is free of contradictions, holds the secrets themselves (never the
names of files) and shows none of them in its repr. ``config["..."]`` for NATS is read nowhere else.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from target_nats_jetstream.config import Config, refuse
from target_nats_jetstream.publisher.properties import PROPERTIES

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
    dedupe_tail: float
    on_unknown_past: str
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
        read = Config(config, PROPERTIES)
        servers, login = _servers(read)
        own = {name: read.secret(name) for name in ("password", "token", "creds", "nkey_seed")}
        _check_keys(own)
        settings = cls(
            servers=servers,
            stream=_stream(read),
            stream_subjects=tuple(stream_subjects),
            **_one_login({"user": read.text("user"), **own}, login),
            tls_ca=read.file("tls_ca"),
            tls_cert=read.file("tls_cert"),
            tls_key=read.file("tls_key"),
            tls_hostname=read.text("tls_hostname"),
            tls_first=read.flag("tls_first"),
            inbox_prefix=read.needed("inbox_prefix"),
            api_prefix=_api_prefix(read),
            create_stream=read.choice("create_stream"),
            stream_config=_stream_config(read),
            publish_mode=read.choice("publish_mode"),
            batch_size=int(read.number("batch_size", 1)),
            max_in_flight=int(read.number("max_in_flight", 1)),
            ack_timeout=read.number("ack_timeout", 0.1),
            connect_timeout=read.number("connect_timeout", 0.1),
            max_outage=read.number("max_outage", 0),
            initial_backoff=read.number("initial_backoff", 0.001),
            max_backoff=read.number("max_backoff", 0.001),
            backoff_multiplier=read.number("backoff_multiplier", 1),
            dedupe_tail=_dedupe_tail(read),
            on_unknown_past=read.choice("on_unknown_past"),
            on_error=read.choice("on_error"),
            dead_letter_file=read.needed("dead_letter_file"),
            checkpoint_seconds=float(config.get("checkpoint_seconds", 5)),
        )
        _check_certificate(settings)
        return settings


def _check_certificate(settings: NatsSettings) -> None:
    if bool(settings.tls_cert) != bool(settings.tls_key):
        missing = "tls_key" if settings.tls_cert else "tls_cert"
        refuse(missing, "is missing: a client certificate needs its key", f"Set `{missing}`")


def _servers(read: Config) -> tuple[tuple[str, ...], dict[str, str]]:
    """The URLs without user info, and the login that was in them: only URLs are shown."""
    listed = read.value("servers")
    urls, login = [], {}
    for text in listed.split(",") if isinstance(listed, str) else listed:
        url, found = _split_login(text.strip())
        urls.append(url)
        login.update(found)
    return tuple(urls), login


def _stream(read: Config) -> str:
    name = read.needed("stream")
    if not _STREAM_NAME.fullmatch(name):
        refuse("stream", "is no stream name", "Use a name without blanks and . * > / \\")
    return name


def _dedupe_tail(read: Config) -> float:
    """A number of messages; infinity for all."""
    if read.text("dedupe_tail") == "all":
        return math.inf
    tail = read.number("dedupe_tail", 0)
    if not tail.is_integer():
        refuse("dedupe_tail", "is no number of messages", "Set a whole number, or all")
    return int(tail)


def _api_prefix(read: Config) -> str:
    domain, prefix = read.text("domain"), read.text("js_prefix")
    if domain and prefix:
        refuse("domain", "and `js_prefix` are both set", "Keep one of them")
    return f"$JS.{domain}.API" if domain else (prefix or "$JS.API").rstrip(".")


def _stream_config(read: Config) -> dict[str, Any]:
    """The wishes in the words of the JetStream API: seconds become nanoseconds."""
    value = read.value("stream_config")
    try:
        wishes = json.loads(value) if isinstance(value, str) else value or {}
        wishes = dict(wishes)
    except (ValueError, TypeError):
        refuse("stream_config", "is no object", "Set a mapping or a JSON object")
    if "replicas" in wishes:
        wishes["num_replicas"] = wishes.pop("replicas")
    for name in {"max_age", "duplicate_window"} & wishes.keys():
        wishes[name] = _nanoseconds(f"stream_config.{name}", wishes[name])
    return wishes


def _check_keys(secrets: Mapping[str, str | None]) -> None:
    """Refuse what cannot be a key: nats-py searches such credentials for ever."""
    creds, seed = secrets["creds"], secrets["nkey_seed"]
    if creds and not ("BEGIN NATS USER JWT" in creds and "BEGIN USER NKEY SEED" in creds):
        refuse("creds", "holds no credentials", "Use the whole content of a .creds file")
    if seed and not _NKEY_SEED.fullmatch(seed):
        refuse("nkey_seed", "is no user seed", "Use a seed that begins with SU")


def _nanoseconds(name: str, value: object) -> int:
    found = _DURATION.fullmatch(str(value))
    if not found:
        refuse(name, "is no duration", "Set seconds, or a number with ms, s, m, h or d")
    return round(float(found[1]) * SECONDS_PER_UNIT[found[2] or "s"] * NANOSECONDS)


def _split_login(text: str) -> tuple[str, dict[str, str]]:
    """``nats://user:pw@host`` becomes ``nats://host:4222`` and a login; a lone name is a token."""
    try:
        parts = urlsplit(text if "://" in text else f"nats://{text}")
        host, port = parts.hostname, parts.port or 4222
    except ValueError:
        host, port = None, 0
    if not host or parts.scheme not in {"nats", "tls"}:
        refuse(
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
        refuse(kinds[0], f"and `{kinds[1]}` are both set", "Keep one way to log in")
    if ("user" in given) != ("password" in given):
        missing = "password" if "user" in given else "user"
        refuse(missing, "is missing: a login needs `user` and `password`", f"Set `{missing}`")
    return given
