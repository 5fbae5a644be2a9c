"""Both images, built by buildah on a base that is made from Debian's packages: ``make test-image``.

The tests beside this one make do without an engine and without a base image. Here the Dockerfile
itself is what is tried.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from demo.events import add_events, create_table
from tests.deploy.container import USER, stages
from tests.run import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.servers.nats import NatsServer

TOOLS = ("buildah", "mmdebstrap")
BASE = "debian-with-python"
pytestmark = [
    pytest.mark.skipif("BUILD_IMAGES" not in os.environ, reason="only in `make test-image`"),
    pytest.mark.timeout(3600),
]


class Buildah:
    """Runs buildah, with a store of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        (home / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        (home / "registries.conf").write_text('unqualified-search-registries = ["localhost"]')
        self._options = ["--root", str(home / "store"), "--runroot", str(home / "run")]
        self._options += ["--registries-conf", str(home / "registries.conf")]

    def __call__(self, *arguments: str) -> str:
        """Run a command that has to succeed; what it prints."""
        command = ["buildah", *self._options, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return done.stdout.strip()

    def base(self) -> None:
        """An image of Debian with Python, as small as it gets."""
        archive = self._home / "base.tar"
        python = "--include=python3,python3-venv,ca-certificates"
        mmdebstrap = [
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            python,
            "bookworm",
            str(archive),
        ]
        subprocess.run(mmdebstrap, check=True)
        container = self("from", "scratch")
        self("add", "--quiet", container, str(archive), "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin", container)
        self("commit", "--quiet", *self._policy, container, BASE)

    def build(self, target: str) -> None:
        options = ["--isolation", "chroot", "--network", "host", "--target", target, "--layers"]
        options += ["--build-arg", f"PYTHON_IMAGE=localhost/{BASE}", *self._policy]
        options += ["--volume", "/etc/ssl/certs:/etc/ssl/certs:ro"]
        self("bud", *options, "--file", "deploy/docker/Dockerfile", "--tag", target, ".")

    def run(self, target: str, env: dict[str, str], data: Path) -> str:
        stage = stages()[target]
        container = self("from", *self._policy, f"localhost/{target}")
        options = ["--isolation", "chroot", "--network", "host"]
        options += [word for name in env for word in ("--env", f"{name}={env[name]}")]
        options += ["--volume", f"{data}:/data"]
        return self("run", *options, container, "--", *stage.entrypoint, *stage.cmd)

    @property
    def _policy(self) -> list[str]:
        return ["--signature-policy", str(self._home / "policy.json")]


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root, and {' and '.join(TOOLS)}: apt-get install {' '.join(TOOLS)}")
    one = Buildah(tmp_path_factory.mktemp("buildah"))
    one.base()
    yield one
    one("rm", "--all")
    one("rmi", "--all")


@pytest.mark.parametrize("target", ["pair", "meltano"])
def test_an_image_moves_the_rows(
    target: str, buildah: Buildah, tmp_path: Path, nats_server: NatsServer
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    engine = create_table(data / "events.db")
    add_events(engine, first_id=1, count=100)
    engine.dispose()
    for file in (data, data / "events.db"):
        os.chown(file, USER, USER)
    env = {
        "TAP_ORACLE_TXLOG_SQLALCHEMY_URL": "sqlite:////data/events.db",
        "TAP_ORACLE_TXLOG_TABLE": "TXLOG_EVENTS",
        "TAP_ORACLE_TXLOG_LEDGER_URL": "sqlite:////data/ledger.db",
        "TARGET_NATS_JETSTREAM_LEDGER_URL": "sqlite:////data/ledger.db",
        "TARGET_NATS_JETSTREAM_LEDGER_CREATE_TABLE": "true",
        "TARGET_NATS_JETSTREAM_SERVERS": nats_server.url,
        "TARGET_NATS_JETSTREAM_CREATE_STREAM": "if_missing",
    }
    buildah.build(target)
    buildah.run(target, env, data)
    assert nats_server.messages("TXLOG_STREAM") == 100
