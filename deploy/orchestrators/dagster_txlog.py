"""A Dagster job that runs the pair each hour: ``dagster dev -f dagster_txlog.py``.

The settings are those of the environment in which Dagster runs its jobs. A second run at the same
time is refused by the lock in the ledger.
"""

from __future__ import annotations

import subprocess

import dagster as dg

PIPE = "/opt/txlog/bin/txlog-pipe"
#: Settings, login or rights, data: they need somebody.
NOT_AGAIN = (2, 3, 5)


@dg.op(retry_policy=dg.RetryPolicy(max_retries=2, delay=60))
def move_rows() -> None:
    """Move what is new; what is needed to know of it is in the log.

    Raises:
        Failure: The pair did not end with 0.
    """
    with subprocess.Popen([PIPE]) as running:
        try:
            code = running.wait()
        finally:
            running.terminate()  # a run that is cancelled saves what is acknowledged
    if code:
        msg = f"the pair ended with {code}"
        raise dg.Failure(msg, allow_retries=code not in NOT_AGAIN)


@dg.job
def txlog() -> None:
    """One run of the pair."""
    move_rows()


defs = dg.Definitions(
    jobs=[txlog],
    schedules=[dg.ScheduleDefinition(name="txlog_hourly", job=txlog, cron_schedule="17 * * * *")],
)
