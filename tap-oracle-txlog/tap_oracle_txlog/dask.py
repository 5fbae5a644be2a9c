"""Runs the slices of a plan on a cluster of Dask distributed (the extra ``dask``).

    python -m tap_oracle_txlog.dask plan.json --scheduler tcp://host:8786
    python -m tap_oracle_txlog.dask plan.json --local 2 -- --tap-config tap.json

Options behind ``--`` are those of ``txlog-slice``, and name files on the workers. Each worker says
how many sessions of Oracle it may have: ``dask worker … --resources "oracle=2"``. Nothing is kept
here: after any failure, the same command goes on where the ledger says.
"""

from __future__ import annotations

import hashlib
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click
from typing_extensions import override

from tap_oracle_txlog.__main__ import run
from tap_oracle_txlog.errors import ConfigurationError, SourceUnreachableError
from tap_oracle_txlog.slice_plan import read_plan
from tap_oracle_txlog.slice_task import SliceFailedError, run_slice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from distributed import Client, Future

RETRIES: Final = 10
SESSION: Final = {"oracle": 1}
"""What a slice needs of its worker."""


class Progress(NamedTuple):
    """How far the slices are.

    Args:
        total: How many there are.
        done: How many are complete.
        failed: The exit codes of those that have failed for good, by their index; 1 where a slice
            has none.
    """

    total: int
    done: int
    failed: Mapping[int, int]

    def with_result(self, index: int, code: int) -> Progress:
        """What it is once a slice has ended."""
        if code == 0:
            return self._replace(done=self.done + 1)
        return self._replace(failed={**self.failed, index: code})

    @override
    def __str__(self) -> str:
        """One line: ``slices 112/400 · failed #0007 (exit code 3)``."""
        failed = (f"#{index:04d} (exit code {code})" for index, code in sorted(self.failed.items()))
        parts = [
            f"slices {self.done}/{self.total}",
            *([f"failed {', '.join(failed)}"] if self.failed else []),
        ]
        return " · ".join(parts)

    @property
    def exit_code(self) -> int:
        """0 when all are complete, else that of the first slice that is not."""
        return next((code for _, code in sorted(self.failed.items())), 0)


@contextmanager
def _client(scheduler: str | None, local: int | None, retries: int) -> Iterator[Client]:
    """A client of that scheduler, or of workers that end with it."""
    try:
        import dask  # noqa: PLC0415 - an extra
        from distributed import Client, LocalCluster  # noqa: PLC0415 - an extra
    except ImportError as cause:
        reason = f"Dask is not installed: {cause.name} is missing"
        raise ConfigurationError(reason, "Install tap-oracle-txlog[dask]") from cause
    if local is None:
        try:
            client = Client(scheduler)
        except OSError as error:
            reason = f"cannot reach the scheduler {scheduler}: {type(error).__name__}"
            raise SourceUnreachableError(
                reason, "Check its address, and whether it runs"
            ) from error
        with closing(client):
            yield client
        return
    patience = {"distributed.scheduler.allowed-failures": retries}
    workers = {"n_workers": local, "threads_per_worker": 1, "resources": SESSION}
    with (
        dask.config.set(patience),
        LocalCluster(**workers, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client


def submitted(
    client: Client, plan: str, total: int, options: Sequence[str], retries: int
) -> dict[Future, int]:
    """A task for each slice, in the order of time; the same plan twice is the same tasks.

    The plan is a task as well: it is sent once and not with each slice, and made again if the
    worker that has it dies.
    """
    digest = hashlib.sha256(plan.encode()).hexdigest()[:12]
    whole = client.submit(str, plan, key=f"txlog-plan-{digest}", retries=retries)
    return {
        client.submit(
            run_slice,
            whole,
            index,
            options,
            key=f"txlog-slice-{digest}-{index:04d}",
            priority=-index,
            resources=SESSION,
            retries=retries,
            pure=False,
        ): index
        for index in range(total)
    }


def watched(tasks: Mapping[Future, int]) -> Iterator[Progress]:
    """How far all are, whenever one of them has ended."""
    from distributed import as_completed  # noqa: PLC0415 - an extra

    progress = Progress(len(tasks), 0, {})
    for task in as_completed(tasks):
        error = task.exception()
        given_up = error.code if isinstance(error, SliceFailedError) else 1
        code = task.result() if error is None else given_up
        progress = progress.with_result(tasks[task], code)
        yield progress


@click.command()
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--scheduler", help="Address of a scheduler: tcp://host:8786.")
@click.option("--local", type=click.IntRange(min=1), help="Start N workers on this machine.")
@click.option("--retries", type=click.IntRange(min=0), default=RETRIES, show_default=True)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(
    plan: Path, scheduler: str | None, local: int | None, retries: int, options: Sequence[str]
) -> int:
    """Run all slices of PLAN; OPTIONS behind -- are those of txlog-slice."""
    if (scheduler is None) == (local is None):
        msg = "Name a --scheduler, or the number of --local workers"
        raise click.UsageError(msg)
    total = len(read_plan(plan).slices)
    progress = Progress(total, 0, {})
    with _client(scheduler, local, retries) as client:
        for progress in watched(submitted(client, plan.read_text(), total, options, retries)):
            click.echo(progress)
    return progress.exit_code


def main() -> None:
    """Run the command line; raises as ``__main__.run``."""
    run(lambda: command.main(prog_name="python -m tap_oracle_txlog.dask", standalone_mode=False))


if __name__ == "__main__":
    main()
