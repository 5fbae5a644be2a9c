"""A container as far as this machine can make one, without an engine and without a base image.

It is a process of its own namespaces, as the Dockerfile and the manifests want it: process 1, user
65534 without any capability, everything read-only but the folders that are given. Only the root of
the machine can make one; elsewhere its tests are left out.
"""

from __future__ import annotations

import copy
import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.run import ROOT
from tools.servers.cleaner import cleaner
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USER = 65534
PYTHON = Path(sys.base_prefix)
TOOLS = ("unshare", "setpriv", "mount")

_MOUNTS = """
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /opt
{binds}
mount -o remount,ro /opt
mount -t tmpfs -o mode={tmp_mode} tmpfs /tmp
mount -o remount,bind,ro /
cd {cwd}
exec {command}
"""


def needs_root() -> None:
    """Leave the test out where no container can be made."""
    if os.geteuid() != 0 or any(shutil.which(tool) is None for tool in TOOLS):
        pytest.skip("only root on Linux can make namespaces and become another user")
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False)
    if tried.returncode:
        pytest.skip("no namespaces here")


@dataclass
class Container:
    """Something to start in a container.

    Args:
        folders: What it sees below /opt, by name: a folder of this machine.
        writable: Which of them it may write to, and ``tmp`` for /tmp.
    """

    folders: Mapping[str, Path]
    writable: Sequence[str] = ()
    running: list[Running] = field(default_factory=list)

    def start(
        self, command: Sequence[str], env: Mapping[str, str], log: Path, cwd: str = "/"
    ) -> Running:
        """Start a command as user 65534, with nothing in its environment but ``env``."""
        user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
        user += ["--inh-caps=-all", "--bounding-set=-all", "--"]
        named = ["env", "-i", *(f"{name}={value}" for name, value in env.items())]
        return self._start([*user, *named, *command], log, cwd)

    def build(self, line: str, log: Path) -> None:
        """Run a line of the shell as root, to its end, with the Python of these tests."""
        env = f"PATH={PYTHON}/bin:/usr/bin:/bin"
        running = self._start(["env", env, "sh", "-c", line], log, "/")
        assert running.end() == 0, running.log[-4000:]

    def _start(self, command: Sequence[str], log: Path, cwd: str) -> Running:
        binds = [self._bind(*each) for each in self.folders.items()]
        script = _MOUNTS.format(
            binds="\n".join([*binds, _python()]),
            tmp_mode="1777" if "tmp" in self.writable else "755",
            cwd=cwd,
            command=shlex.join(command),
        )
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*namespaces, "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
            )
        cleaner().started(process.pid)
        self.running.append(Running(process, log))
        return self.running[-1]

    def _bind(self, name: str, folder: Path) -> str:
        place = f"/opt/{name}"
        lines = [f"mkdir {place}", f"mount --bind {shlex.quote(str(folder))} {place}"]
        if name not in self.writable:
            lines.append(f"mount -o remount,bind,ro {place}")
        return "\n".join(lines)

    def close(self) -> None:
        for each in self.running:
            each.kill()


def _python() -> str:
    """Lines that let all users see the Python of these tests, also where it is in root's home."""
    hidden = [path for path in PYTHON.parents if not path.stat().st_mode & stat.S_IXOTH]
    if not hidden:
        return ""
    return f"""
    mkdir /opt/python
    mount --bind {PYTHON} /opt/python
    mount -t tmpfs -o mode=755 tmpfs {hidden[-1]}
    mkdir -p {PYTHON}
    mount --bind /opt/python {PYTHON}
    mount -o remount,ro {hidden[-1]}
    """


class Running:
    """A container at work; ``unshare`` outside of it ends as its process 1 does."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def until_logged(self, text: str) -> None:
        wait_until(lambda: text in self.log or self._process.poll() is not None, what=text)
        assert text in self.log, self.log

    def signal(self, number: int) -> None:
        """As a container engine does: to process 1 alone."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        (first,) = children.split()
        os.kill(int(first), number)

    def end(self, seconds: float = 300) -> int:
        code = self._process.wait(seconds)
        cleaner().ended(self._process.pid)
        return code

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self.end()


def context(folder: Path) -> Path:
    """What ``COPY . /src`` brings into the image: the files of git that .dockerignore leaves."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = tuple(line[1:] for line in lines if line.startswith("!"))
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *kept],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


@dataclass
class Stage:
    """What a stage of the Dockerfile says, with the stages that it is made from."""

    env: dict[str, str] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    cwd: str = "/"
    user: str = ""


def stages() -> dict[str, Stage]:
    """The stages of the Dockerfile by their names."""
    found: dict[str, Stage] = {}
    text = (ROOT / "deploy/docker/Dockerfile").read_text().replace("\\\n", " ")
    stage = Stage()
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        match word:
            case "FROM":
                base, name = rest.split(" AS ")
                found[name] = stage = copy.deepcopy(found.get(base, Stage()))
            case "ENV":
                stage.env |= dict(pair.split("=", 1) for pair in rest.split())
            case "RUN":
                stage.runs.append(rest)
            case "ENTRYPOINT":
                stage.entrypoint = json.loads(rest)
            case "CMD":
                stage.cmd = json.loads(rest)
            case "WORKDIR":
                stage.cwd = rest
            case "USER":
                stage.user = rest
    return found
