"""A headless Chromium, spoken to over two pipes in the words of its DevTools protocol."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final, Self

from tools.servers.cleaner import cleaner

if TYPE_CHECKING:
    from pathlib import Path

#: Debian's package is ``chromium``.
CHROMIUM: Final = shutil.which("chromium")
SECONDS: Final = 120
#: The browser reads commands from 3 and writes to 4; ours are kept out of their way.
FIRST_DESCRIPTOR: Final = 10
FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
)


class Browser:
    """One page of a browser, which ends with the block.

    Args:
        home: An empty folder for its profile.
    """

    def __init__(self, home: Path, *, width: int = 1280, height: int = 1600) -> None:
        assert CHROMIUM is not None
        (theirs, commands), (answers, theirs_too) = _pipe(), _pipe()
        shell = f'exec "$@" 3<&{theirs} 4>&{theirs_too}'
        size = f"--window-size={width},{height}"
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", CHROMIUM, *FLAGS, size, f"--user-data-dir={home}"],
            pass_fds=(theirs, theirs_too),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        cleaner().started(-self._process.pid)  # the whole group
        os.close(theirs)
        os.close(theirs_too)
        self._commands, self._answers = commands, answers
        self._read, self._number, self._session = b"", 0, ""
        self.errors: list[str] = []
        """What the page has logged as an error, and what could not be loaded."""

    def __enter__(self) -> Self:
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Log", "Runtime", "Network"):
            self._ask(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._commands)
        os.close(self._answers)
        subprocess.run(["kill", "-9", "--", f"-{self._process.pid}"], check=False)
        self._process.wait()
        cleaner().ended(-self._process.pid)

    def open(self, url: str) -> None:
        """Go to a page, and wait until all of it is there."""
        answer = self._ask("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401 - whatever the page answers
        """The value of a JavaScript expression in the page."""
        found = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Write what one sees as a PNG."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot")["data"]))

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        number = self._number
        command = {"id": number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        answer = self._until(lambda message: message.get("id") == number)
        assert "error" not in answer, f"{method}: {answer}"
        result: dict[str, Any] = answer["result"]
        return result

    def _until(self, is_it: Any) -> dict[str, Any]:  # noqa: ANN401 - tells of a message
        deadline = time.monotonic() + SECONDS
        while True:
            while b"\0" not in self._read:
                left = max(0.0, deadline - time.monotonic())
                assert select.select([self._answers], [], [], left)[0], "the browser is silent"
                piece = os.read(self._answers, 1 << 20)
                assert piece, "the browser has ended"
                self._read += piece
            text, _, self._read = self._read.partition(b"\0")
            message: dict[str, Any] = json.loads(text)
            self._note(message.get("method", ""), message.get("params", {}))
            if is_it(message):
                return message

    def _note(self, method: str, said: dict[str, Any]) -> None:
        if method == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.errors.append(f"{said['entry']['text']} ({said['entry'].get('url', '')})")
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(said["exceptionDetails"].get("text")))
        elif method == "Runtime.consoleAPICalled" and said["type"] in {"error", "assert"}:
            self.errors.append(" ".join(str(one.get("value")) for one in said["args"]))
        elif method == "Network.responseReceived" and said["response"]["status"] >= 400:
            self.errors.append(f"{said['response']['status']} {said['response']['url']}")


def _pipe() -> tuple[int, int]:
    """A pipe of descriptors that a shell can put in the place of 3 and 4."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
