"""From settings to one logged-in connection, and from the client's errors to ours.

nats-py is told never to reconnect: it would send what it has buffered since before what was lost,
and so change the order. While it connects, its error callback raises what it is told: by itself the
client would try its servers again and again and forget the cause.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import nats.errors
import nkeys
from nats.aio.client import Client, RawCredentials
from typing_extensions import override

from target_nats_jetstream.errors import AccessDeniedError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from target_nats_jetstream.publisher.settings import NatsSettings

CLOSE_SECONDS = 1.0
PING_SECONDS = 20
"""A connection that is dead without a word is noticed after two of these."""


#: What nats-py raises where the first line of a server is not of the form that it expects.
NONSENSE = (AttributeError, LookupError, TypeError, ValueError)


class ConnectionLoop(asyncio.SelectorEventLoop):
    """An event loop that knows the transports of its connections, the newest last.

    nats-py keeps its transport to itself, sends a message a call, and its ``close`` waits for what
    is still to be written: at a server that stands still it never ends, and what it has buffered
    would be sent when the server moves again, beside the next epoch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.connections: list[asyncio.WriteTransport] = []

    def is_encrypted(self) -> bool:
        """Whether the newest connection is."""
        return self.connections[-1].get_extra_info("ssl_object") is not None

    @override
    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Connect, and remember the transport."""
        transport, protocol = await super().create_connection(*args, **kwargs)
        self.connections.append(transport)
        return transport, protocol

    @override
    async def start_tls(self, *args: Any, **kwargs: Any) -> Any:
        """Turn a connection to TLS, and remember the transport that is to be used from now on."""
        transport = await super().start_tls(*args, **kwargs)
        if transport is not None:
            self.connections.append(transport)
        return transport

    async def cut(self) -> None:
        """Abort every connection and end every task but the caller's: they are all nats-py's."""
        while self.connections:
            self.connections.pop().abort()
        others = asyncio.all_tasks(self) - {asyncio.current_task(self)}
        for task in others:
            task.cancel()
        await asyncio.sleep(0)
        if others:
            await asyncio.wait(others, timeout=CLOSE_SECONDS)


class Unreached(Exception):  # noqa: N818 - not an error yet: the caller may try again
    """One try to connect failed; ``cause`` in few words."""

    def __init__(self, server: str, cause: str) -> None:
        super().__init__(f"{server}: {cause}")
        self.cause = cause


async def connect(
    client: Client,
    settings: NatsSettings,
    server: str,
    seconds: float,
    report: Callable[[Exception | None], Awaitable[None]],
) -> None:
    """One try to connect ``client`` to one server.

    Args:
        client: Not connected yet.
        settings: How to log in.
        server: Its URL.
        seconds: For this try.
        report: Told what the client reports later on; None when the connection is closed.

    Raises:
        Unreached: The server cannot be reached now.
        AccessDeniedError: It refuses the login; another try would only lock the account.
        ConfigurationError: The TLS settings or the credentials cannot be used, or it is no NATS.
    """
    options = _options(settings, server)
    connected = False

    async def raise_or_report(error: Exception) -> None:
        if not connected:
            raise error
        await report(error)

    async def closed() -> None:
        await report(None)

    try:
        async with asyncio.timeout(seconds):
            if "tls" in options and not settings.tls_first and not settings.tls_cert:
                await _check_certificate(server)
            await client.connect(
                server,
                error_cb=raise_or_report,
                closed_cb=closed,
                connect_timeout=max(1, round(seconds)),
                **options,
            )
    except (OSError, nats.errors.Error, nkeys.NkeysError) as error:
        raise _explained(error, settings, server) from error
    except NONSENSE as error:
        raise _no_nats(server) from error
    if not isinstance(client.max_payload, int):
        raise _no_nats(server)
    connected = True


async def _check_certificate(server: str) -> None:
    """Look whether the server's first line demands a certificate of the client.

    With TLS 1.3 a client that brings none hears of it after the handshake, or finds the connection
    closed: it depends on time.
    """
    address = urlsplit(server)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        info = json.loads((await reader.readline()).removeprefix(b"INFO "))
    except (ValueError, RecursionError):
        return  # no NATS at all: the client has the words for it
    finally:
        writer.close()
    if isinstance(info, dict) and info.get("tls_verify"):
        reason = f"NATS at {server} demands a client certificate"
        raise AccessDeniedError(reason, "Set `tls_cert` and `tls_key`")


def _options(settings: NatsSettings, server: str) -> dict[str, Any]:
    login: dict[str, Any] = {}
    if settings.user:
        login = {"user": settings.user, "password": settings.password}
    elif settings.password:
        login["token"] = settings.password
    elif settings.creds and settings.creds.startswith("SU"):
        login["nkeys_seed_str"] = settings.creds
    elif settings.creds:
        login["user_credentials"] = RawCredentials(settings.creds)
    if server.startswith("tls://") or settings.tls_ca or settings.tls_cert or settings.tls_first:
        login["tls"] = tls_context(settings)
        login["tls_hostname"] = settings.tls_hostname
        login["tls_handshake_first"] = settings.tls_first
    return {
        "name": "target-nats-jetstream",
        "allow_reconnect": False,
        "inbox_prefix": settings.inbox_prefix,
        "ping_interval": PING_SECONDS,
        **login,
    }


def tls_context(settings: NatsSettings) -> ssl.SSLContext:
    """How to encrypt.

    Raises:
        ConfigurationError: A file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        if settings.tls_cert:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        reason = f"the TLS files cannot be used: {error_text(error)}"
        raise ConfigurationError(reason, "Check `tls_ca`, `tls_cert` and `tls_key`") from error
    return context


def _explained(error: Exception, settings: NatsSettings, server: str) -> Exception:
    """The error to raise instead of the client's own."""
    text = error_text(error)
    if isinstance(error, nats.errors.SecureConnRequiredError):
        return ConfigurationError(
            f"NATS at {server} offers no TLS",
            "Remove the tls_* settings and tls://, or turn on TLS there",
        )
    if isinstance(error, nats.errors.AuthorizationError) or "authori" in text or "authent" in text:
        return AccessDeniedError(
            f"NATS at {server} refuses the login{_as_whom(settings)}: {text}",
            "Check `user` and `password` (or token), or `creds`; not tried again",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigurationError(
            f"NATS at {server} has a certificate that is not trusted: {error.verify_message}",
            "Set `tls_ca` to the authority that signed it, or `tls_hostname` to the name in it",
        )
    if isinstance(error, ssl.SSLError):
        return AccessDeniedError(
            f"NATS at {server} ends the TLS handshake: {text}",
            "Check `tls_cert` and `tls_key`, and `tls_first`",
        )
    if isinstance(error, nkeys.NkeysError):
        reason = f"the NKey seed cannot be used: {text}"
        return ConfigurationError(reason, "Check `creds`")
    return Unreached(server, text)


def _no_nats(server: str) -> ConfigurationError:
    reason = f"what answers at {server} does not say of itself what NATS says"
    return ConfigurationError(reason, "Check `servers`: is it the port of NATS?")


def _as_whom(settings: NatsSettings) -> str:
    return f" of {settings.user}" if settings.user else ""


def error_text(error: BaseException) -> str:
    """An error's cause in a few lower-case words, without the address that asyncio adds."""
    if isinstance(error, TimeoutError):
        return "timed out"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    text = re.sub(r"^.*Connect call failed.*$", "connection refused", str(text))
    return text.removeprefix("nats: ").strip("' ").lower()
