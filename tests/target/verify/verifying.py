"""``--verify`` on inputs of a test, and what can happen to single messages of a stream."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.support.target import (
    PASSWORD,
    ROW_CONTENT,
    SECONDS,
    environment,
    schema,
    text_of,
)
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from nats.aio.client import Client

    from tests.support.target import Message, Target

COMMAND_LINE = ("--config", "config.json", "--verify")


class Verified(NamedTuple):
    """What a comparison has printed."""

    code: int
    out: str
    log: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def result(self) -> dict[str, Any]:
        """With ``--json``."""
        document: dict[str, Any] = json.loads(self.out)
        assert document["command"] == "verify"
        assert document["ok"] == (self.code == 0)
        result: dict[str, Any] = document["result"]
        return result


def interrupted(target: Target, signum: int) -> Verified:
    """A comparison that gets a signal while it waits for more of the source."""
    assert target.forks is not None
    home = target.home / "interrupted"
    home.mkdir()
    (home / "config.json").write_text(json.dumps(target.config))
    read_end, write_end = os.pipe()
    with (home / "out").open("wb") as out, (home / "log").open("wb") as log:
        env = environment() | target.env
        fds = read_end, out.fileno(), log.fileno()
        process = target.forks.start(list(COMMAND_LINE), home, env, *fds)
    os.write(write_end, text_of([schema()]).encode())
    wait_until(lambda: "stream EVENTS" in (home / "log").read_text(), what="it has begun")
    process.send_signal(signum)
    code = process.wait(SECONDS)
    os.close(read_end)
    os.close(write_end)
    return Verified(code, (home / "out").read_text(), (home / "log").read_text())


def verify(
    target: Target, *messages: Message | str, options: tuple[str, ...] = (), **settings: object
) -> Verified:
    """Compare ``messages`` with the stream; the ledger says what it says."""
    assert target.forks is not None
    home = target.home / "verify"
    home.mkdir(exist_ok=True)
    (home / "config.json").write_text(json.dumps({**target.config, **settings}))
    (home / "input").write_text(text_of(messages))
    with (home / "input").open("rb") as file, (home / "out").open("wb") as out:
        with (home / "log").open("wb") as log:
            fds = file.fileno(), out.fileno(), log.fileno()
            env = environment() | target.env
            process = target.forks.start([*COMMAND_LINE, *options], home, env, *fds)
        code = process.wait(SECONDS)
    done = Verified(code, (home / "out").read_text(), (home / "log").read_text())
    for planted in (PASSWORD, ROW_CONTENT, "Traceback"):
        assert planted not in done.out + done.log
    return done


def delete(target: Target, *sequences: int) -> None:
    for sequence in sequences:
        answer = target.server.api(f"STREAM.MSG.DELETE.{target.stream}", {"seq": sequence})
        assert answer.get("success"), answer


def publish(target: Target, subject: str, payload: bytes, headers: dict[str, str]) -> bool:
    """Publish one message; whether it is stored, and not taken for a duplicate."""

    async def ask(client: Client) -> bool:
        answer = await client.request(subject, payload, timeout=10, headers=headers)
        reply = json.loads(answer.data)
        assert "error" not in reply, reply
        return "duplicate" not in reply

    return target.server.run(ask)
