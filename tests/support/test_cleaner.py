"""A test process that is killed leaves no server behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.run import ROOT
from tests.support.test_repeat import is_running
from tools.servers.cleaner import Cleaner
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

SERVERS = """
import signal, sys
from pathlib import Path
from tools.servers.nats import NatsServer

servers = [NatsServer(Path(sys.argv[1]) / str(number)).start() for number in range(3)]
servers[1].restart()
servers[2].pause()
print(*(server.pid for server in servers), flush=True)
signal.pause()
"""


def test_the_servers_of_a_killed_test_process_are_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVERS, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(is_running, pids))
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, pids)), what="the servers are gone")


def test_what_has_ended_is_not_killed() -> None:
    """Its number may be another's by then."""
    sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(12)]
    ended = {*sleepers[:1], *sleepers[4:6], *sleepers[-1:]}
    cleaner = Cleaner()
    for sleeper in sleepers:
        cleaner.started(sleeper.pid)
    for sleeper in ended:
        cleaner.ended(sleeper.pid)
    cleaner.ended(1)
    cleaner.close()
    for sleeper in sleepers:
        if sleeper in ended:
            assert sleeper.poll() is None
            sleeper.kill()
        assert sleeper.wait(20) == -signal.SIGKILL
