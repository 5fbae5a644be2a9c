"""An Airflow DAG that runs the pair each hour; copy it to the folder of DAGs.

The settings are those of the environment of the workers.
"""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException

PIPE = "/opt/txlog/bin/txlog-pipe"
#: Settings, login or rights, data: they need somebody.
NOT_AGAIN = (2, 3, 5)


@dag(
    schedule="17 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # a run reads all that is new, also after a pause
    max_active_runs=1,
)
def txlog() -> None:
    """Run the pair."""

    @task(
        retries=2,
        retry_delay=timedelta(minutes=1),
        execution_timeout=timedelta(minutes=50),
    )
    def move_rows() -> None:
        with subprocess.Popen([PIPE]) as running:
            try:
                code = running.wait()
            finally:
                running.terminate()  # a run that is cancelled saves what is acknowledged
        if code:
            msg = f"the pair ended with {code}"
            raise (AirflowFailException if code in NOT_AGAIN else RuntimeError)(msg)

    move_rows()


txlog()
