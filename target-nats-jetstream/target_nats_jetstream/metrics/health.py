"""``health_port``: what monitoring and orchestrators ask a target that runs for long.

``/healthz`` tells whether a restart would help: it answers 503 when nothing has moved for
``health_max_age``. ``/readyz`` tells whether NATS and the ledger were reached the last time that
they were asked. Read-only; there is nothing to log in to, hence the local address by default.
"""

from __future__ import annotations

import errno
import logging
import socket
import socketserver
import threading
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prometheus_client import MetricsHandler
from typing_extensions import override

from target_nats_jetstream.config import refuse
from target_nats_jetstream.metrics.prometheus import registry_of

if TYPE_CHECKING:
    from target_nats_jetstream.metrics.monitor import Monitor
    from target_nats_jetstream.metrics.settings import MetricsSettings

#: How often the server's thread looks whether it is to end (seconds).
POLL_SECONDS = 0.1
#: How long a client may take for a request (seconds).
REQUEST_SECONDS = 10

logger = logging.getLogger(__name__)


def health(monitor: Monitor, max_age: float) -> list[str]:
    """Why the run is not healthy; empty when it is."""
    age = monitor.still_for
    return [f"no progress for {age:.0f} s"] if age > max_age else []


def readiness(monitor: Monitor) -> list[str]:
    """Why the run is not ready; empty when it is."""
    return [f"{name} is not reached" for name in monitor.unreached]


class HealthServer:
    """Answers in a thread of its own, from before the run connects until its end."""

    def __init__(self, settings: MetricsSettings, monitor: Monitor) -> None:
        self._settings = settings
        self._monitor = monitor
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: Address or port cannot be had.
        """
        server = _bound(self._settings, _handler(self._monitor, self._settings.health_max_age))
        threading.Thread(
            target=server.serve_forever, args=(POLL_SECONDS,), name="health", daemon=True
        ).start()
        self._server = server
        host, port = server.server_address[:2]
        place = f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"
        logger.info("health: http://%s/healthz, /readyz and /metrics", place)

    def update(self) -> None:
        """Nothing: whoever asks gets what is true then."""

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _bound(settings: MetricsSettings, handler: type[MetricsHandler]) -> ThreadingHTTPServer:
    address, port = settings.health_address, settings.health_port
    try:
        family, _, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        refuse("health_address", "is no address of this host", "Set 127.0.0.1 or 0.0.0.0")
    server = type("Server", (_Server,), {"address_family": family})
    try:
        bound: ThreadingHTTPServer = server(place, handler)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            refuse("health_address", "is no address of this host", "Set 127.0.0.1 or 0.0.0.0")
        cause = (
            "is taken" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        )
        refuse("health_port", f"{port} {cause}", "Set another one, or 0 for a free one")
    return bound


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    @override
    def server_bind(self) -> None:
        """Without the name of the host, for which HTTPServer would ask DNS."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "", self.socket.getsockname()[1]

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's problem."""
        logger.debug("a request for health_port failed")


def _handler(monitor: Monitor, max_age: float) -> type[MetricsHandler]:
    class Handler(MetricsHandler):
        registry = registry_of(monitor)
        timeout = REQUEST_SECONDS

        @override
        def do_GET(self) -> None:
            match urlsplit(self.path).path:
                case "/metrics":
                    super().do_GET()
                case "/healthz":
                    self._tell(health(monitor, max_age))
                case "/readyz":
                    self._tell(readiness(monitor))
                case _:
                    self.send_error(HTTPStatus.NOT_FOUND)

        def _tell(self, problems: list[str]) -> None:
            body = f"{'; '.join(problems) or 'ok'}\n".encode()
            self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
