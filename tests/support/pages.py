"""The commands of a page, and a terminal that runs them as they stand there.

In a block of ``console``, what follows ``$ `` is typed (a heredoc up to its end), and the other
lines are what one sees. In a block of ``bash``, every line is typed; a block of ``text`` is what
one sees then. It is seen in this order, among other lines, with other digits, and with anything in
place of ``…``.
"""

from __future__ import annotations

import re
import secrets
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from tools.servers.cleaner import cleaner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_BLOCK = re.compile(r"^```(console|bash|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEREDOC = re.compile(r"<<'(\w+)'")


@dataclass
class Command:
    """What is typed, and the lines that the page shows below it."""

    typed: str
    seen: list[str] = field(default_factory=list)


def commands(text: str, *, section: str = "") -> list[Command]:
    """The commands of a page, or of its section with this heading, in their order."""
    if section:
        part = re.search(
            rf"^{re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
        )
        assert part is not None, f"the page has no section {section!r}"
        text = part[1]
    found: list[Command] = []
    for kind, block in _BLOCK.findall(text):
        lines = iter(block.splitlines())
        for line in lines:
            if kind == "bash" or line.startswith("$ "):
                found.append(_typed(line.removeprefix("$ "), lines))
            elif line:
                assert found, f"output before any command: {line}"
                found[-1].seen.append(line)
    return found


def _typed(line: str, others: Iterator[str]) -> Command:
    heredoc = _HEREDOC.search(line)
    return Command("\n".join([line, *(_until(others, heredoc[1]) if heredoc else ())]))


def _until(lines: Iterator[str], end: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line == end:
            return
    msg = f"no {end} at the end of a heredoc"
    raise AssertionError(msg)


def unseen(expected: list[str], output: str) -> list[str]:
    """The expected lines that the output does not have after those before them."""
    lines = iter(output.splitlines())
    return [line for line in expected if not any(_pattern(line).search(each) for each in lines)]


def _pattern(line: str) -> re.Pattern[str]:
    literal = (re.sub(r"\d+", r"\\d+", re.escape(part)) for part in line.split("…"))
    return re.compile(re.sub(r"(\\ )+", " +", ".*".join(literal)))


class Terminal:
    """A bash with nothing but ``env``; what was started in it ends with it."""

    def __init__(self, home: Path, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=home,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        cleaner().started(-self._process.pid)  # the whole group
        self._mark = secrets.token_hex(8)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["kill", "-9", "--", f"-{self._process.pid}"], check=True)
        cleaner().ended(-self._process.pid)
        self._process.communicate()

    def run(self, typed: str) -> tuple[int, str]:
        """The exit code and what the terminal shows; what is typed sees an empty input."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end = f'code=$?; echo; echo {self._mark} "$code"'
        self._process.stdin.write(f"{{ {typed}\n}} < /dev/null\n{end}\n")
        self._process.stdin.flush()
        shown = ""
        for line in self._process.stdout:
            if line.startswith(self._mark):
                return int(line.split()[1]), shown
            shown += line
        msg = f"the terminal has ended:\n{shown}"
        raise AssertionError(msg)
