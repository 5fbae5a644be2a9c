"""The option ``--status`` and those that go with it: asking, showing, watching.

The ledger and NATS are asked each by itself. The clients are imported where they are used, because
``--about`` has to answer at once.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click

from target_nats_jetstream.errors import ConfigurationError, TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_nats_jetstream.ledger.row import RunRow, Standing
    from target_nats_jetstream.ledger.settings import LedgerSettings
    from target_nats_jetstream.ledger.view import LedgerView
    from target_nats_jetstream.publisher.settings import NatsSettings
    from target_nats_jetstream.status.verdict import Status

#: Between two looks of ``--watch`` (seconds).
EVERY_SECONDS = 5.0
#: How many of the newest runs are shown where a history is kept.
SHOWN_RUNS = 5


class View(NamedTuple):
    """What is asked for beside ``--status``.

    Args:
        max_age: As it was typed.
        program: An SQL LIKE pattern.
        watch: Seconds between two looks.
    """

    as_json: bool = False
    max_age: str | None = None
    program: str | None = None
    watch: float | None = None
    nagios: bool = False

    def check(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ConfigurationError: Something does.
        """
        if self.nagios and (self.as_json or self.watch is not None):
            reason = f"--nagios prints one line, and {'--json' if self.as_json else '--watch'} more"
            raise ConfigurationError(reason, "Choose one of them")


def options() -> list[click.Parameter]:
    """What the command line has for it."""
    return [
        click.Option(["--status"], is_flag=True, help="Show pipeline status."),
        click.Option(
            ["--max-age"],
            help=(
                "With --status: exit 1 if there was no progress within this time (90s, 30m, 2h, "
                "1d)."
            ),
        ),
        click.Option(
            ["--program"],
            help="With --status: the pipelines whose PROGRAM_NAME is like this (SQL), and a sum.",
        ),
        click.Option(
            ["--watch"],
            type=click.FloatRange(min=0.1),
            is_flag=False,
            flag_value=EVERY_SECONDS,
            metavar="[SECONDS]",
            help=f"With --status: repeat it, every {EVERY_SECONDS:.0f} seconds, until Ctrl+C.",
        ),
        click.Option(
            ["--nagios"],
            is_flag=True,
            help="With --status: print the line and exit with the code of a monitoring plugin.",
        ),
    ]


def show_status(ledger: LedgerSettings, nats: NatsSettings, view: View) -> NoReturn:
    """Print how the pipeline stands, once or until a signal.

    Raises:
        SystemExit: See ``Status.exit_code``, with ``--nagios`` ``Severity``.
        ConfigurationError: The options contradict each other, or ``--max-age`` is not a duration.
    """
    view.check()
    if view.watch is not None:
        _watch(ledger, nats, view, view.watch)
    text, code = _look(ledger, nats, view)
    click.echo(text)
    raise SystemExit(code)


def _look(ledger: LedgerSettings, nats: NatsSettings, view: View) -> tuple[str, int]:
    from target_nats_jetstream.status.views import (  # noqa: PLC0415
        as_json,
        as_plugin_line,
        as_text,
    )

    status = _ask(ledger, nats, view)
    if view.nagios:
        return as_plugin_line(status)
    return as_json(status) if view.as_json else as_text(status), status.exit_code


def _ask(ledger: LedgerSettings, nats: NatsSettings, view: View) -> Status:
    from target_nats_jetstream.publisher.inspection import stream_state  # noqa: PLC0415
    from target_nats_jetstream.publisher.letter_file import count_in  # noqa: PLC0415
    from target_nats_jetstream.status.verdict import Status, found_out  # noqa: PLC0415
    from target_nats_jetstream.status.words import parse_length  # noqa: PLC0415

    standings = found_out(partial(_standings, ledger, view.program))
    names = [] if isinstance(standings, TargetError) else _names(standings)
    runs = found_out(partial(_runs, ledger, names)) if ledger.run_history and names else ()
    return Status(
        standings,
        nats.stream,
        found_out(partial(stream_state, nats)),
        found_out(partial(count_in, Path(nats.dead_letter_file))),
        datetime.now(UTC),
        None if view.max_age is None else parse_length(view.max_age),
        view.program,
        runs,
    )


def _names(standings: Sequence[Standing]) -> list[str]:
    return [standing.rows[0].program_name for standing in standings if standing.rows]


def _standings(settings: LedgerSettings, program: str | None) -> Sequence[Standing]:
    if not settings.enabled:
        reason = "there is no ledger: neither mariadb_host nor ledger_url is set"
        raise ConfigurationError(reason, "Set one of them")
    with _opened(settings) as ledger:
        return ledger.standings(program)


def _runs(settings: LedgerSettings, programs: Sequence[str]) -> Sequence[RunRow]:
    with _opened(settings) as ledger:
        return ledger.newest_runs(programs, SHOWN_RUNS)


def _opened(settings: LedgerSettings) -> closing[LedgerView]:
    from target_nats_jetstream.ledger.view import LedgerView  # noqa: PLC0415

    return closing(LedgerView(settings))


def _watch(ledger: LedgerSettings, nats: NatsSettings, view: View, seconds: float) -> NoReturn:
    """Look again and again: a terminal shows the last one, anything else one after the other."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _leave)
    while True:
        text, _ = _look(ledger, nats, view)
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        try:
            click.clear()
            click.echo(text if view.as_json else f"{now}\n{text}\n")
        except BrokenPipeError:
            raise SystemExit(128 + signal.SIGPIPE) from None  # whoever read it has seen enough
        time.sleep(seconds)


def _leave(signum: int, _frame: object) -> NoReturn:
    """End at once, wherever a signal comes: there is nothing to save."""
    os._exit(128 + signum)


def failed(arguments: Sequence[str], error: TargetError) -> int:
    """Print why the command failed also where a program reads it; the exit code of the process."""
    if "--status" not in arguments or not {"--nagios", "--json"} & {*arguments}:
        return error.exit_code
    from target_nats_jetstream.status.views import (  # noqa: PLC0415
        failure_as_json,
        failure_as_plugin_line,
    )

    json = (failure_as_json(error), error.exit_code)
    line, code = failure_as_plugin_line(error) if "--nagios" in arguments else json
    click.echo(line)
    return code
