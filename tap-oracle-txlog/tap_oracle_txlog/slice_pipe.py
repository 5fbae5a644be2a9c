"""The command ``txlog-slice``: both plugins as a pipe, for one slice of a plan.

Slices need no coordinator. Each has a row of its own in the ledger, and its state only there: so it
may be run anywhere, again, and after any kill; a second run of it at the same time is refused by
the ledger's lock.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from tap_oracle_txlog.__main__ import logged_command, run
from tap_oracle_txlog.errors import ConfigurationError
from tap_oracle_txlog.ledger import add_state_column, columns_of, previous_state
from tap_oracle_txlog.pair import TAP, TARGET, Pair, found
from tap_oracle_txlog.rules.parts import has_time
from tap_oracle_txlog.slice_plan import read_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_oracle_txlog.ledger_settings import LedgerSettings
    from tap_oracle_txlog.slice_plan import Plan
    from tap_oracle_txlog.table import Table

logger = logging.getLogger("tap_oracle_txlog.slice")

PREFIXES: Final = ("TAP_ORACLE_TXLOG_", "TARGET_NATS_JETSTREAM_")


def program_of(program: str, index: int) -> str:
    """The name of a slice's row in the ledger: ``M_INTIMECASEAGENT#0003``."""
    return f"{program}#{index:04d}"


@dataclass(frozen=True, slots=True)
class Configs:
    """Where the settings of both plugins are, beside the environment, which wins."""

    tap: Sequence[str] = ()
    target: Sequence[str] = ()

    def options_of_tap(self) -> list[str]:
        """As the command line of the tap takes them."""
        return _options(self.tap)

    def options_of_target(self) -> list[str]:
        """As that of the target takes them."""
        return _options(self.target)


def _options(files: Sequence[str]) -> list[str]:
    return [option for file in (*files, "ENV") for option in ("--config", file)]


@dataclass(frozen=True, slots=True)
class SliceRun:
    """One slice of a plan, to be read from one table into one row of the ledger.

    Args:
        plan: What all slices are.
        index: Which of them it is, from 0 on.
        table: What the settings name.
    """

    plan: Plan
    index: int
    table: Table

    @property
    def ledger(self) -> LedgerSettings:
        """The settings of the ledger, with the slice's own program name."""
        common = self.table.settings.ledger
        return msgspec.structs.replace(
            common, program_name=program_of(common.program_name, self.index)
        )

    def check(self) -> None:
        """See that the slice can be run, and run again after a kill.

        Raises:
            ConfigurationError: The plan is of another table, has no such slice, or there is no
                ledger that could hold the state.
            TapError: The ledger cannot be read.
        """
        self.plan.check(self.table.names)
        self.plan.slice(self.index)
        columns = columns_of(self.ledger)
        if columns is not None and "SINGER_STATE" not in columns:
            name = self.ledger.ledger_table
            reason = f"{name} has no column SINGER_STATE: a killed slice would begin anew"
            raise ConfigurationError(reason, f"Execute {add_state_column(self.ledger)}")

    def environment(self) -> dict[str, str]:
        """The settings of this slice, for both plugins."""
        wanted, program = self.plan.slice(self.index), self.ledger.program_name
        of_tap, of_target = PREFIXES
        return {
            f"{of_tap}START_DATE": wanted.start_date,
            f"{of_tap}END_DATE": wanted.end_date,
            f"{of_tap}STATE_FROM_LEDGER": "true",
            f"{of_tap}MAX_RECORDS_PER_RUN": "0",
            f"{of_tap}PROGRAM_NAME": program,
            f"{of_target}PROGRAM_NAME": program,
        }

    @property
    def first_state(self) -> bytes:
        """What the tap is given: no bookmark, and for ``--status`` how many slices there are."""
        return json.dumps({"bookmarks": {}, "slices": len(self.plan.slices)}).encode()

    def check_kept(self) -> None:
        """See that the target has kept the state where the next run would look for it.

        Raises:
            ConfigurationError: It has another ledger, or none.
            TapError: The ledger cannot be read.
        """
        names = self.table.names
        kept, _ = previous_state(
            self.ledger,
            stream=names.stream,
            replication_key=names.replication_key,
            is_backfill=True,
        )
        if not has_time(kept or {}, names.stream, in_slices=True):
            reason = (
                f"the target has kept no state of {self.ledger.program_name} in "
                f"{self.ledger.ledger_table}, although it has published the slice"
            )
            raise ConfigurationError(reason, "Give both plugins the same ledger")


def run_slice(slice_run: SliceRun, configs: Configs, target: str) -> int:
    """Run the pipe; the exit code of the plugin that failed first, 0 where none did.

    Raises:
        TapError: See ``SliceRun.check`` and ``check_kept``.
    """
    slice_run.check()
    env = {**os.environ, **slice_run.environment()}
    bounds = slice_run.plan.slice(slice_run.index)
    logger.info(
        "%s: slice %d of %d, from %s to %s",
        slice_run.ledger.program_name,
        slice_run.index,
        len(slice_run.plan.slices),
        bounds.start_date,
        bounds.end_date,
    )
    with Pair(env) as pair:
        code = pair.run(
            [*TAP, *configs.options_of_tap()],
            [target, *configs.options_of_target()],
            state=slice_run.first_state,
        )
    if code == 0:
        slice_run.check_kept()
    return code


def _found(target: str) -> str:
    """The target's command, with its whole path."""
    if (command := found(target)) is None:
        reason = f"there is no command {target} on the PATH"
        raise ConfigurationError(reason, "Install it, or name it with --target")
    return command


def _table(files: Sequence[str]) -> Table:
    """What the settings of the tap name."""
    from tap_oracle_txlog.plugin import config_of  # noqa: PLC0415 - loads the SDK
    from tap_oracle_txlog.tap import TapOracleTxlog  # noqa: PLC0415 - loads the SDK

    given = config_of(files, "--tap-config").config
    tap = TapOracleTxlog(config=given, parse_env_config=True, setup_mapper=False)
    if len(tap.tables) > 1:
        reason = "a slice is of one table, but `tables` names several"
        raise ConfigurationError(reason, "Use settings that name the table of the plan")
    return tap.tables[0]


def _stop_with_stdin() -> None:
    """Ask this process to end as soon as whoever holds the other end of its standard input does."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    threading.Thread(target=watch, name="stdin", daemon=True).start()


@click.command(context_settings={"help_option_names": ["--help"]})
@click.argument("plan", type=click.Path(path_type=Path))
@click.argument("index", type=click.IntRange(min=0), envvar="JOB_COMPLETION_INDEX")
@click.option("--tap-config", multiple=True, help="JSON file with settings of the tap.")
@click.option("--target-config", multiple=True, help="JSON file with settings of the target.")
@click.option("--target", default=TARGET, show_default=True, help="Command of the target.")
@click.option(
    "--stop-with-stdin",
    is_flag=True,
    help="End when standard input does: for a program that starts slices and may be killed.",
)
def command(  # noqa: PLR0913, PLR0917 - each is one option
    plan: Path,
    index: int,
    tap_config: Sequence[str],
    target_config: Sequence[str],
    target: str,
    stop_with_stdin: bool,
) -> int:
    """Run slice INDEX (from 0) of the PLAN that tap-oracle-txlog --plan-slices has made.

    INDEX defaults to $JOB_COMPLETION_INDEX. Settings come from the environment
    (TAP_ORACLE_TXLOG_…, TARGET_NATS_JETSTREAM_…) and from files; the environment wins.
    """
    if stop_with_stdin:
        _stop_with_stdin()
    slice_run = SliceRun(read_plan(plan), index, _table(tap_config))
    return run_slice(slice_run, Configs(tap_config, target_config), _found(target))


def main() -> None:
    """Run the command line; raises as ``__main__.run``, with the exit codes of the plugins."""

    def logged() -> int:
        logged_command()
        code: int = command.main(prog_name="txlog-slice", standalone_mode=False) or 0
        return code

    run(logged)


if __name__ == "__main__":
    main()
