"""The manifests: Kubernetes' own schemas know every member, and what they start works."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.deploy.container import USER, Container, stages
from tests.deploy.environments import DEPLOY, OVERLAYS, container, job, of_pod, pod, workload
from tests.run import ROOT
from tests.target.publisher.credentials import user_nkey
from tools.oracle_stand_in.events import numbered
from tools.servers.ports import free_port
from tools.servers.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.deploy.container import Running
    from tests.support.mariadb import MariaDbDatabase
    from tools.oracle_stand_in.server import StandIn
    from tools.servers.nats import NatsServer

pytestmark = pytest.mark.timeout(1800)
STREAM = "TXLOG_STREAM"
NEEDS_SOMEBODY = [2, 3, 5]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kustomize_makes_manifests_that_are_valid(overlay: str, tmp_path: Path) -> None:
    validate = ROOT / ".venv-lint/bin/kubernetes-validate"
    if shutil.which("kubectl") is None or not validate.exists():
        pytest.skip("needs kubectl, and .venv-lint of `make check`")
    command = ["kubectl", "kustomize", str(DEPLOY / "kubernetes" / overlay)]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    (tmp_path / "made.yaml").write_text(made)
    subprocess.run([validate, "--strict", "--quiet", tmp_path / "made.yaml"], check=True)
    found = {each["kind"]: each for each in yaml.safe_load_all(made)}
    kind = workload(overlay)["kind"]
    assert found.keys() == {"ServiceAccount", "NetworkPolicy", "ConfigMap", kind}
    name = found["ConfigMap"]["metadata"]["name"]
    assert name != "txlog"  # it has the digest of its content
    text = yaml.safe_dump(found[kind])
    assert "configMapRef:\n" in text
    assert f"name: {name}\n" in text
    assert "image: registry.example.com/txlog:" in text


def test_what_the_three_have_in_common_is_the_same() -> None:
    """There is one way to run the image, whoever starts it."""
    own = {"restartPolicy", "containers", "volumes"}
    of_container = {"env", "ports", "command", "livenessProbe", "readinessProbe", "volumeMounts"}
    pods = [{k: v for k, v in pod(name).items() if k not in own} for name in OVERLAYS]
    parts = [
        {k: v for k, v in container(name).items() if k not in of_container} for name in OVERLAYS
    ]
    assert pods[0] == pods[1] == pods[2]
    assert parts[0] == parts[1] == parts[2]
    assert pods[0]["automountServiceAccountToken"] is False
    assert pods[0]["securityContext"]["runAsUser"] == USER
    assert parts[0]["securityContext"]["readOnlyRootFilesystem"] is True
    for name in OVERLAYS:
        assert container(name)["volumeMounts"][0] == container("cron")["volumeMounts"][0]
        assert pod(name)["volumes"][0] == pod("cron")["volumes"][0]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_is_not_killed_while_the_target_saves_its_progress(overlay: str) -> None:
    longest = float(of_pod(overlay)["TARGET_NATS_JETSTREAM_SHUTDOWN_TIMEOUT"])
    assert pod(overlay)["terminationGracePeriodSeconds"] >= longest + 10


@pytest.mark.parametrize(("overlay", "action"), [("cron", "FailJob"), ("slices", "FailIndex")])
def test_what_needs_somebody_is_not_tried_again(overlay: str, action: str) -> None:
    rules = job(overlay)["podFailurePolicy"]["rules"]
    (rule,) = (rule for rule in rules if "onExitCodes" in rule)
    assert rule["action"] == action
    assert rule["onExitCodes"]["values"] == NEEDS_SOMEBODY
    assert rule["onExitCodes"]["containerName"] == container(overlay)["name"]


def test_the_metrics_can_be_read_and_all_else_is_closed() -> None:
    policy = yaml.safe_load((DEPLOY / "kubernetes/base/networkpolicy.yaml").read_text())["spec"]
    (opened,) = policy["ingress"]
    (port,) = container("follow")["ports"]
    assert [each["port"] for each in opened["ports"]] == [port["containerPort"]]
    assert of_pod("follow")["TARGET_NATS_JETSTREAM_HEALTH_PORT"] == str(port["containerPort"])
    assert (
        policy["podSelector"]["matchLabels"].items()
        <= job("follow")["template"]["metadata"]["labels"].items()
    )


# The pods, with real servers


@pytest.fixture
def start(
    tmp_path: Path,
    image: Path,
    oracle: StandIn,
    mariadb: MariaDbDatabase,
    make_nats: Callable[..., NatsServer],
) -> Iterator[Callable[[str], tuple[Running, NatsServer, dict[str, str]]]]:
    """Starts the pod of an overlay; only names and addresses of servers are those of the test."""
    containers: list[Container] = []

    def start(overlay: str) -> tuple[Running, NatsServer, dict[str, str]]:
        key = user_nkey()
        allowed = f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}"
        server = make_nats(config=allowed, connect={"nkeys_seed_str": key.seed})
        server.add_stream(STREAM, ["txlog.>"])
        secrets = {
            "oracle-password": oracle.password,
            "mariadb-password": mariadb.password,
            "nats.creds": key.seed,
        }
        folder = mounted(tmp_path / "secrets", secrets)
        env = of_pod(overlay) | {
            "TAP_ORACLE_TXLOG_DSN": oracle.dsn,
            "TAP_ORACLE_TXLOG_USER": oracle.user,
            "TARGET_NATS_JETSTREAM_SERVERS": server.url,
            "TARGET_NATS_JETSTREAM_LEDGER_CREATE_TABLE": "true",
        }
        for prefix in ("TAP_ORACLE_TXLOG", "TARGET_NATS_JETSTREAM"):
            for name in ("host", "port", "database", "user"):
                env[f"{prefix}_MARIADB_{name.upper()}"] = str(mariadb.settings[f"mariadb_{name}"])
        if "TARGET_NATS_JETSTREAM_HEALTH_PORT" in env:
            env["TARGET_NATS_JETSTREAM_HEALTH_PORT"] = str(free_port())
        env = {
            name: text.replace("/run/secrets/txlog", "/opt/secrets") for name, text in env.items()
        }
        containers.append(Container({"txlog": image / "txlog", "secrets": folder}))
        stage = stages()["pair"]
        command = container(overlay).get("command", stage.entrypoint)
        return containers[-1].start(command, stage.env | env, tmp_path / "log"), server, env

    yield start
    for each in containers:
        each.close()


def mounted(folder: Path, secrets: dict[str, str]) -> Path:
    """A Secret as the kubelet mounts it: by ``defaultMode``, for the group of ``fsGroup``."""
    (volume,) = (each for each in pod("cron")["volumes"] if each["name"] == "secrets")
    folder.mkdir()
    for name, text in secrets.items():
        (folder / name).write_text(text)
        (folder / name).chmod(volume["secret"]["defaultMode"])
        os.chown(folder / name, 0, pod("cron")["securityContext"]["fsGroup"])
    return folder


def test_the_pod_of_the_cron_job_runs(
    start: Callable[[str], tuple[Running, NatsServer, dict[str, str]]],
    oracle: StandIn,
    mariadb: MariaDbDatabase,
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(20, numbered)
    running, server, _ = start("cron")
    assert running.end() == 0, running.log
    assert server.messages(STREAM) == 20
    assert mariadb.execute("SELECT STATUS FROM ETL_PRMREC WHERE PROGRAM_NAME NOT LIKE '%:%'") == [
        ("SUCCESS",)
    ]


def test_the_pod_of_the_deployment_answers_its_probes_until_it_is_asked_to_end(
    start: Callable[[str], tuple[Running, NatsServer, dict[str, str]]], oracle: StandIn
) -> None:
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(20, numbered)
    running, server, env = start("follow")
    running.until_logged("health: http://")
    wait_until(lambda: server.messages(STREAM) == 20, what="20 messages")
    for name in ("livenessProbe", "readinessProbe"):
        path = container("follow")[name]["httpGet"]["path"]
        port = env["TARGET_NATS_JETSTREAM_HEALTH_PORT"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            assert answer.status == 200
    running.signal(signal.SIGTERM)
    assert running.end() == 128 + signal.SIGTERM, running.log
