"""Answers that no healthy server gives, over the real wire.

A real nats-server without JetStream carries the messages; this client stands where the stream would
be. It stores what it is asked to, except where its script has another answer. Who reads it back
finds nothing.
"""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from typing import TYPE_CHECKING, Any, Self

import nats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nats.aio.msg import Msg

    from tools.servers.nats import NatsServer

CONFIG: dict[str, Any] = {
    "name": "EVENTS",
    "subjects": ["txlog.>"],
    "storage": "file",
    "num_replicas": 1,
    "allow_atomic": True,
    "duplicate_window": 120_000_000_000,
}
SILENCE = b"silence"
REFUSED = "a part was refused"
FAST_SUFFIX = ".$FI"


class FakeJetStream:
    """A stream EVENTS; publishes that ask for an answer get those of ``script``, each once.

    Args:
        script: Answers in order: an error, bytes, ``SILENCE``, or None for the ordinary one; an
            error in a tuple comes late, when the script is at its end. A function makes the answer
            from the id of the fast-ingest batch.
        forgets: STREAM.INFO shows an empty stream, whatever was stored.
        config: Changes to the configuration that STREAM.INFO shows.
    """

    def __init__(
        self,
        server: NatsServer,
        script: Sequence[
            dict[str, Any] | tuple[dict[str, Any]] | bytes | Callable[[str], bytes] | None
        ],
        *,
        forgets: bool = False,
        **config: object,
    ) -> None:
        self._server = server
        self._script: list[Any] = list(script)
        self._info = {"config": {**CONFIG, **config}}
        self._forgets = forgets
        self.stored: list[str] = []
        self._staged: list[str] = []
        self._open = ""
        self._late: list[tuple[str, dict[str, Any]]] = []
        self.seen: list[str] = []
        """The ids that came, stored or not."""
        self.ended: list[int] = []
        """Sizes of the fast-ingest batches that came to their end."""
        self._ready = threading.Event()
        self._over: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._over()
        self._thread.join(10)

    async def _serve(self) -> None:
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._over = functools.partial(loop.call_soon_threadsafe, over.set)
        self._client = await nats.connect(self._server.url)
        await self._client.subscribe("$JS.API.STREAM.INFO.EVENTS", cb=self._on_info)
        await self._client.subscribe("$JS.API.CONSUMER.*.EVENTS.*", cb=self._on_consumer)
        await self._client.subscribe("txlog.>", cb=self._on_publish)
        await self._client.flush()
        self._ready.set()
        await over.wait()
        await self._client.close()

    async def _on_info(self, message: Msg) -> None:
        held = 0 if self._forgets else len(self.stored)
        times = dict.fromkeys(("first_ts", "last_ts"), "2026-01-01T00:00:00Z")
        state = {"messages": held, "first_seq": 1, "last_seq": held, **times}
        await message.respond(json.dumps({**self._info, "state": state}).encode())

    async def _on_consumer(self, message: Msg) -> None:
        await message.respond(json.dumps({"config": {}, "num_pending": 0}).encode())

    async def _on_publish(self, message: Msg) -> None:
        if message.reply.endswith(FAST_SUFFIX):
            await self._on_fast(message)
            return
        headers = message.headers or {}
        if headers.get("Nats-Batch-Sequence", "1") == "1":
            self._staged = []
        self._staged.append(headers["Nats-Msg-Id"])
        self.seen.append(headers["Nats-Msg-Id"])
        if message.reply:
            answer = self._script.pop(0) if self._script else None
            if isinstance(answer, tuple):
                self._late.append((message.reply, answer[0]))
                answer = SILENCE
            elif answer is None:
                answer = self._ordinary_answer(headers)
            elif headers.get("Nats-Batch-Id"):
                self._staged = [REFUSED]
            if answer != SILENCE:
                if not isinstance(answer, bytes):
                    answer = json.dumps({"error": answer}).encode()
                await self._client.publish(message.reply, answer)
            while self._late and not self._script:
                reply, error = self._late.pop()
                await self._client.publish(reply, json.dumps({"error": error}).encode())

    async def _on_fast(self, message: Msg) -> None:
        """A message of a fast-ingest batch, or its end; after a refusal the batch is closed."""
        *_, batch, flow, _, number, operation, _ = message.reply.split(".")
        if operation == "0":
            self._open = batch
        if batch != self._open:
            return
        is_end = operation == "3"
        if not is_end:
            self.seen.append((message.headers or {})["Nats-Msg-Id"])
        answer = self._script.pop(0) if self._script else None
        if answer is not None:
            self._open = ""
            answers = [_refusal(answer, batch, int(number))]
        elif is_end:
            self.ended.append(int(number) - 1)
            place = {"stream": "EVENTS", "seq": len(self.stored), "batch": batch}
            answers = [json.dumps({**place, "count": int(number) - 1}).encode()]
        else:
            self.stored.append(self.seen[-1])
            ack = {"type": "ack", "msgs": int(flow)}  # the first one tells of the flow alone
            numbers = [0] * (operation == "0") + [int(number)] * (int(number) % int(flow) == 0)
            answers = [json.dumps({**ack, "seq": seq}).encode() for seq in numbers]
        for content in answers:
            if content != SILENCE:
                await self._client.publish(message.reply, content)

    def _ordinary_answer(self, headers: dict[str, str]) -> dict[str, Any] | bytes:
        if REFUSED in self._staged:
            return {"code": 400, "err_code": 10176, "description": "incomplete"}
        batch = headers.get("Nats-Batch-Id")
        if batch and "Nats-Batch-Commit" not in headers:
            return b""  # the message is staged
        self.stored += self._staged
        ack: dict[str, Any] = {"stream": "EVENTS", "seq": len(self.stored)}
        if batch:
            ack |= {"batch": batch, "count": len(self._staged)}
        return json.dumps(ack, separators=(",", ":")).encode()


def _refusal(scripted: Any, batch: str, number: int) -> bytes:  # noqa: ANN401 - as in a script
    """What a script says to message ``number`` of a fast-ingest batch."""
    if callable(scripted):
        scripted = scripted(batch)
    if isinstance(scripted, bytes):
        return scripted
    said = scripted if "type" in scripted else {"type": "err", "seq": number, "error": scripted}
    return json.dumps(said).encode()
