"""Commands of the tap that are not a sync: --doctor, --list-tables, --sample and others.

Only the output goes to stdout, as text or as one JSON object; an error is the usual line on stderr.
"""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import click

from tap_oracle_txlog import digests
from tap_oracle_txlog.config_check import result, summary
from tap_oracle_txlog.diagnosis import Report, document
from tap_oracle_txlog.doctor import examine
from tap_oracle_txlog.errors import ConfigurationError, TapError
from tap_oracle_txlog.grants import grants
from tap_oracle_txlog.options import RUN
from tap_oracle_txlog.planning import plan_slices
from tap_oracle_txlog.rules.durations import parse_duration
from tap_oracle_txlog.slice_plan import By
from tap_oracle_txlog.source import PageTooLargeError, SourceLostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_oracle_txlog.settings import AllSettings
    from tap_oracle_txlog.table import Table


def _length(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Refuse what is no length of time, while nothing is connected yet."""
    try:
        if text is not None:
            parse_duration(text)
    except ValueError as error:
        reason = f"--digest {text}: {error}"
        raise ConfigurationError(reason, "Set another length") from error
    return text


OPTIONS: Final = (
    click.Option(
        ["--plan-slices"],
        type=click.IntRange(min=1),
        help="Print a plan of N slices for parallel jobs (txlog-slice), as JSON.",
    ),
    click.Option(
        ["--by"],
        type=click.Choice(get_args(By)),
        help="With --plan-slices: what the slices have equal, or whose bounds they use.",
        default="rows",
        show_default=True,
    ),
    click.Option(
        ["--doctor"],
        is_flag=True,
        help="Check source and ledger: login, privileges, table, index, clocks; changes nothing.",
    ),
    click.Option(
        ["--strict"], is_flag=True, help="With --doctor: exit with 1 if there is a warning."
    ),
    click.Option(
        ["--check-config"],
        is_flag=True,
        help="List all mistakes in the settings and environment variables; needs no server.",
    ),
    click.Option(
        ["--list-tables"],
        is_flag=True,
        help="List the tables and views in the schema of `table`.",
    ),
    click.Option(
        ["--sample"], type=click.IntRange(min=1), help="Write the first N rows to files in --out."
    ),
    click.Option(
        ["--out"], type=click.Path(path_type=Path), default=".", help="Directory for --sample."
    ),
    click.Option(
        ["--print-grants"],
        is_flag=True,
        help="Print the least grants for these settings, for the source and the ledger.",
    ),
    click.Option(
        ["--digest"],
        metavar="LENGTH",
        callback=_length,
        help="Print digests of buckets of this length (1h, 1d) instead of rows, to be compared.",
    ),
    click.Option(
        ["--from", "start"], help="Instead of `start_date`, and without `state_from_ledger`."
    ),
    click.Option(["--to", "end"], help="Instead of `end_date`."),
    click.Option(
        ["--json", "as_json"],
        is_flag=True,
        help="Print JSON, with --doctor, --check-config, --list-tables and --sample.",
    ),
)


NAMES: Final = (
    *("check_config", "plan_slices", "doctor", "digest", "list_tables", "sample"),
    "print_grants",
)
"""Options that ask for something else than a sync."""
COMMANDS: Final = (
    *(f"--{name.replace('_', '-')}" for name in NAMES),
    *("--about", "--discover", "--test"),
)
"""The same as they are typed, and those of the SDK."""
_WITH_DATES: Final = (RUN, "--digest", "--plan-slices", "--doctor", "--check-config")
GOES_WITH: Final = {
    "--format": ("--about",),
    "--by": ("--plan-slices",),
    "--strict": ("--doctor",),
    "--out": ("--sample",),
    "--from": _WITH_DATES,
    "--to": _WITH_DATES,
    "--json": ("--doctor", "--check-config", "--list-tables", "--sample"),
}
"""Which commands take an option; the rest goes with all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """The options on the command line that are not the SDK's own."""

    plan_slices: int | None = None
    by: By = "rows"
    doctor: bool = False
    strict: bool = False
    check_config: bool = False
    list_tables: bool = False
    sample: int | None = None
    out: Path = Path()
    print_grants: bool = False
    digest: str | None = None
    start: str | None = None
    end: str | None = None
    as_json: bool = False

    @property
    def name(self) -> str:
        """Which command it is; empty for a sync."""
        return next((name.replace("_", "-") for name in NAMES if getattr(self, name)), "")

    @property
    def dates(self) -> dict[str, object]:
        """The settings that stand on the command line; who says where to begin wants no state."""
        given = {"start_date": self.start, "end_date": self.end}
        begins = {"state_from_ledger": False} if self.start else {}
        return {**{name: date for name, date in given.items() if date}, **begins}


@dataclass(frozen=True, slots=True)
class Output:
    """``result`` is for programs, ``lines`` and ``summary`` are for people."""

    result: object
    lines: Iterable[str]
    summary: str
    exit_code: int = 0


@contextmanager
def errors_as_json(command: Command) -> Iterator[None]:
    """With --json, print an error as JSON as well. It is raised all the same."""
    try:
        yield
    except TapError as error:
        if command.as_json:
            _print_json(command.name, Output(None, (), "", error.exit_code), str(error))
        raise


def answer_mistakes(command: Command, found: Sequence[ConfigurationError]) -> int:
    """Print what --check-config has found, and return the exit code."""
    code = ConfigurationError.exit_code if found else 0
    _answer(command, Output(result(found), map(str, found), summary(found), code))
    return code


def carry_out(command: Command, tables: Sequence[Table]) -> int:
    """Do what is asked for instead of a sync, and return the exit code.

    Raises:
        TapError: It cannot be done.
    """
    if command.digest:
        return print_digests(tables, command.digest)
    if command.doctor:
        return diagnose(command, tables)
    if command.plan_slices:
        return plan(tables, command.plan_slices, command.by)
    codes = [run(command, one.config, one.settings) for one in tables]
    return next(filter(None, codes), 0)


def run(command: Command, config: Mapping[str, Any], settings: AllSettings) -> int:
    """Print the output and return the exit code.

    Raises:
        TapError: The command cannot be carried out.
    """
    if command.print_grants:
        click.echo("\n".join(grants(config, settings)))
        return 0
    found = _output(command, config, settings)
    _answer(command, found)
    return found.exit_code


def plan(tables: Sequence[Table], count: int, by: By) -> int:
    """Print the plan of the one table, and return the exit code.

    Raises:
        TapError: It cannot be planned.
    """
    if len(tables) > 1:
        reason = "--plan-slices is for one table, but `tables` names several"
        raise ConfigurationError(reason, "Plan each of them with settings of its own")
    click.echo(plan_slices(tables[0], count, by).to_json())
    return 0


def diagnose(command: Command, tables: Sequence[Table]) -> int:
    """Print one report on all tables, and return the exit code.

    Raises:
        ConfigurationError: The settings of the connection to Oracle do not go together.
    """
    lines = [
        line.about(table.names.stream) if len(tables) > 1 else line
        for table in tables
        for line in examine(table.config, table.settings, table.cases)
    ]
    found = _diagnosis(Report(lines), strict=command.strict)
    _answer(command, found)
    return found.exit_code


def print_digests(tables: Sequence[Table], interval: str) -> int:
    """Print what ``digests`` says of all tables, and return the exit code.

    Raises:
        TapError: A source refuses or is away, or the time cannot be cut so.
    """
    if any(table.replay for table in tables):
        reason = "a replay cannot be compared with the stream, but `replay` is set"
        raise ConfigurationError(reason, "Remove `replay` and `filter`", setting="replay")
    for line in digests.lines(tables, interval):
        click.echo(line)
    return 0


def _answer(command: Command, found: Output) -> None:
    if command.as_json:
        _print_json(command.name, found, None)
    else:
        click.echo("\n".join((*found.lines, found.summary)))


def _output(command: Command, config: Mapping[str, Any], settings: AllSettings) -> Output:
    if settings.tap.sqlalchemy_url:
        reason = f"--{command.name} works with Oracle only, but `sqlalchemy_url` is set"
        raise ConfigurationError(reason, "Remove it, or use another environment")
    from tap_oracle_txlog.oracle.sample import list_tables, write_sample  # noqa: PLC0415
    from tap_oracle_txlog.oracle.settings import OracleSettings  # noqa: PLC0415
    from tap_oracle_txlog.oracle.source import OracleSource  # noqa: PLC0415

    oracle = OracleSettings.from_config(config)
    try:
        with closing(OracleSource(oracle)) as source:
            if command.sample:
                files = write_sample(source, command.sample, command.out)
                return Output({"files": files}, files, f"{len(files)} files written")
            tables = list_tables(source, oracle.table_name.owner)
    except (SourceLostError, PageTooLargeError) as lost:
        raise lost.error from lost
    lines = [f"{table['owner']}.{table['name']:<30} {table['kind']}" for table in tables]
    found = "1 table or view" if len(tables) == 1 else f"{len(tables)} tables and views"
    return Output({"tables": tables}, lines, found)


def _diagnosis(report: Report, *, strict: bool) -> Output:
    code = report.exit_code(strict=strict)
    return Output(report.result, report.text, report.summary, code)


def _print_json(command: str, found: Output, error: str | None) -> None:
    shown = document(
        command, exit_code=found.exit_code, summary=found.summary, result=found.result, error=error
    )
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
