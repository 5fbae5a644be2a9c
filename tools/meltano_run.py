"""A real Meltano project in a folder of its own, made of the repository's ``meltano.yml``.

The plugins are those of the development environment: nothing is installed in a test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[1]
MELTANO = ROOT / ".venv-meltano" / "bin" / "meltano"
PAIR = ("tap-oracle-txlog", "target-nats-jetstream")
#: The plugins are not in the project. Meltano would try to install them at each run, whatever its
#: setting auto_install says, and throw the cached catalog away.
RUN = ("run", "--no-install")


class MeltanoProject:
    """``run`` runs the pair and returns when it has ended; ``start`` leaves it running.

    Args:
        home: An empty folder.
        config: Settings by plugin, in addition to those of the environment ``demo``.
    """

    def __init__(self, home: Path, config: Mapping[str, Mapping[str, object]]) -> None:
        self.home = home
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TAP_", "TARGET_", "MELTANO_", "ORACLE_", "MARIADB_", "NATS_"))
        }
        self.env |= {"NO_COLOR": "1"}
        project = yaml.safe_load((ROOT / "meltano.yml").read_text())
        project["environments"] = [{"name": "demo"}]
        for plugin in (*project["plugins"]["extractors"], *project["plugins"]["loaders"]):
            plugin["executable"] = str(Path(sys.executable).parent / plugin["executable"])
            plugin["config"] |= config.get(plugin["name"], {})
        (home / "meltano.yml").write_text(yaml.safe_dump(project))

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``meltano`` to its end."""
        return subprocess.run(
            [str(MELTANO), *arguments],
            cwd=self.home,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )

    def run(self, *arguments: str) -> str:
        """``meltano run`` of the pair, which must succeed; what it logged."""
        done = self.command(*RUN, *arguments, *PAIR)
        assert done.returncode == 0, done.stderr[-6000:]
        return done.stderr

    def start(self, **env: str) -> RunningPair:
        """``meltano run`` of the pair with ``env`` as well, in a process group of its own."""
        log = self.home / "run.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(MELTANO), *RUN, *PAIR],
                cwd=self.home,
                env=self.env | env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return RunningPair(process, log)

    def state(self) -> dict[str, Any]:
        """The state that Meltano has saved for the pair."""
        done = self.command("state", "get", f"demo:{PAIR[0]}-to-{PAIR[1]}")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


class RunningPair:
    """Meltano with the tap and the target as its children."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def child(self, name: str) -> int:
        """The process id of the plugin ``name``."""
        found: list[int] = []

        def find() -> bool:
            assert self.process.poll() is None, self.output[-6000:]
            listed = subprocess.run(
                ["ps", "-eww", "-o", "pid,pgid,args"], capture_output=True, text=True, check=True
            )
            found[:] = [
                int(line.split()[0])
                for line in listed.stdout.splitlines()[1:]
                if int(line.split()[1]) == self.process.pid
                and f"/{name} " in f"{line} "
                and "meltano run" not in line
            ]
            return bool(found)

        wait_until(find, what=f"{name} runs")
        return found[0]

    def end(self, *, seconds: float = 60) -> int:
        """Wait until Meltano has ended; its exit code."""
        return self.process.wait(seconds)

    def kill(self) -> None:
        """SIGKILL everything that is left."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait(20)
