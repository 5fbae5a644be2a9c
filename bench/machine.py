"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tools.servers.nats import nats_server_binary

PACKAGES = ("tap-oracle-txlog", "target-nats-jetstream", "singer-sdk", "nats-py", "msgspec")


def describe() -> dict[str, Any]:
    """The machine, its load at this moment, and the versions of what runs on it."""
    server = [nats_server_binary(), "--version"]
    answer = subprocess.run(server, capture_output=True, text=True, check=True).stdout
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _cpu_model(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "nats-server": answer.split()[-1].removeprefix("v"),
        **{package: version(package) for package in PACKAGES},
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
