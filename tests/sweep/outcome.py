"""How a plugin ends, run in this process: its exit code and the line that tells the cause."""

from __future__ import annotations

import gc
import io
import logging
import math
import re
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

from singer_sdk.plugin_base import _ConfigInput
from typing_extensions import override

from tap_oracle_txlog.errors import TapError
from tap_oracle_txlog.tap import TapOracleTxlog
from target_nats_jetstream.errors import TargetError
from target_nats_jetstream.ledger.ledger import Ledger
from target_nats_jetstream.ledger.row import LedgerProgress, StreamProgress
from target_nats_jetstream.ledger.settings import LedgerSettings
from target_nats_jetstream.target import TargetNatsJetstream
from tests.support.target import PASSWORD, ROW_CONTENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from target_nats_jetstream.message import Message

#: Done, configuration, login, unreachable, data, and a backfill that is not complete yet.
CODES = {0, 2, 3, 4, 5, 6}
#: What tells people where to look: a setting, a line, a file, a column, a table, an option.
PLACE = re.compile(
    r"`\w+[\w.]*`|setting|line \d+|--\w+|column|table|bookmark|state|catalog|input|BATCH|ETL_PRMREC"
)


class Outcome(NamedTuple):
    code: int
    line: str
    log: str

    def check(self) -> Outcome:
        """What holds for every end, whatever was thrown at the plugin."""
        assert self.code in CODES, self
        for planted in (PASSWORD, ROW_CONTENT, "Traceback", "unexpected "):
            assert planted not in self.line, self
            assert planted not in self.log, self
        if self.code:
            assert "\n" not in self.line, self
            assert PLACE.search(self.line), self
            assert re.search(r"\S\. \S", self.line), f"no remedy: {self}"
        return self


class Nowhere:
    """In place of ``Delivery``: takes everything, and keeps it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.letters: list[tuple[Message, str]] = []
        self.failure = ""

    def start(self) -> None: ...
    def close(self) -> None: ...
    def finish(self, messages: int) -> None: ...
    def note(self, state: Mapping[str, object]) -> None: ...
    def after_ack(self, act: Callable[[], None]) -> None: ...

    def idle(self) -> float:
        return math.inf

    def take(self, messages: Sequence[Message]) -> None:
        self.messages += messages

    def dead_letter(self, message: Message, reason: str, detail: str) -> None:
        assert reason == "invalid"
        self.letters.append((message, detail))

    def fail(self, error: TargetError) -> None:
        self.failure = str(error)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.errors: list[str] = []
        self.all: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self.all.append(text)
        if record.levelno >= logging.ERROR:
            self.errors.append(text)


@contextmanager
def _logged() -> Iterator[_Lines]:
    """Everything that is logged; as at a start, and nothing of it stays."""
    root, lines = logging.getLogger(), _Lines()
    level = root.level
    root.addHandler(lines)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(lines)
        root.setLevel(level)


def of_target(config: Mapping[str, Any], text: bytes, nowhere: Nowhere | None = None) -> Outcome:
    """The end of a target that reads ``text``."""
    gc.collect(1)  # the one before is in circles, and has two files open
    nowhere = nowhere or Nowhere()
    with _logged() as logged:
        try:
            target = TargetNatsJetstream(config=dict(config))
            target._assembly.made = nowhere  # type: ignore[assignment]
            target.run(io.BytesIO(text))  # type: ignore[arg-type]  # bytes, as those of stdin
        except TargetError as error:
            return Outcome(error.exit_code, str(error), "\n".join(logged.all))
        except SystemExit as ended:
            (line,) = logged.errors
            assert nowhere.failure in {"", line}
            return Outcome(int(ended.code or 0), line, "\n".join(logged.all))
    return Outcome(0, "", "\n".join(logged.all))


def of_tap(
    config: Mapping[str, Any], *, state: str | None = None, catalog: str | None = None
) -> Outcome:
    """The end of a tap that is given these files."""
    files = {"state": state, "catalog": catalog}
    given: dict[str, Any] = {
        name: _named(name, text) for name, text in files.items() if text is not None
    }
    with _logged() as logged, redirect_stdout(io.TextIOWrapper(io.BytesIO())):
        try:
            TapOracleTxlog.invoke(config=_ConfigInput(dict(config)), **given)
        except TapError as error:
            return Outcome(error.exit_code, str(error), "\n".join(logged.all))
    return Outcome(0, "", "\n".join(logged.all))


def of_ledger(url: str, program: str) -> Outcome:
    """The end of what a run does with a ledger, and of ``--status``."""
    config = {"ledger_url": url, "program_name": program, "max_retries": 0}
    ledger = Ledger(LedgerSettings.from_config(config), sleep=lambda _seconds: None)
    with _logged() as logged:
        try:
            ledger.standings()[0]
            before = ledger.begin()
            if before is not None:
                assert before.state is not None
                assert before.sequences is not None
            state = {"bookmarks": {"S": {"replication_key_value": "2026-01-01T00:00:00Z"}}}
            part = StreamProgress("2026-01-01T00:00:00Z", 1)
            ledger.checkpoint(LedgerProgress({"S": part}, state, 1, 1, "stream"))
            ledger.succeed()
        except TargetError as error:
            ledger.fail(str(error))
            return Outcome(error.exit_code, str(error), "\n".join(logged.all))
        finally:
            ledger.close()
    return Outcome(0, "", "\n".join(logged.all))


def _named(name: str, text: str) -> io.StringIO:
    file = io.StringIO(text)
    file.name = f"{name}.json"
    return file
