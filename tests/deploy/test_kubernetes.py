"""The manifests: Kubernetes' own schemas know every member, and what they start works."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.deploy.container import USER, Container, stages
from tests.deploy.environments import DEPLOY, OVERLAYS, container, job, of_pod, pod, workload
from tests.run import ROOT
from tests.support.pair import BIN
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
PAGE = (ROOT / "docs/deploy.md").read_text()


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
    limits = [part.pop("resources")["limits"] for part in parts]  # slices ask for more CPU
    assert parts[0] == parts[1] == parts[2]
    assert limits[0] == limits[1] == limits[2]
    assert pods[0]["automountServiceAccountToken"] is False
    assert pods[0]["securityContext"]["runAsUser"] == USER
    assert parts[0]["securityContext"]["readOnlyRootFilesystem"] is True
    for name in OVERLAYS:
        assert container(name)["volumeMounts"][0] == container("cron")["volumeMounts"][0]
        assert pod(name)["volumes"][0] == pod("cron")["volumes"][0]


def test_the_deployment_takes_no_pod_of_the_others_for_its_own() -> None:
    """A tail runs beside slices in one namespace, and the policy of both is one."""
    selector = workload("follow")["spec"]["selector"]["matchLabels"].items()
    labels = {name: job(name)["template"]["metadata"]["labels"].items() for name in OVERLAYS}
    assert [name for name in OVERLAYS if selector <= labels[name]] == ["follow"]
    policy = yaml.safe_load((DEPLOY / "kubernetes/base/networkpolicy.yaml").read_text())
    selected = policy["spec"]["podSelector"]["matchLabels"].items()
    assert all(selected <= labels[name] for name in OVERLAYS)


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


def test_an_index_of_the_job_is_a_slice_of_the_mounted_plan() -> None:
    (place,) = (m["mountPath"] for m in container("slices")["volumeMounts"] if m["name"] == "plan")
    command = ["txlog-slice", f"{place}/plan.json", "$(JOB_COMPLETION_INDEX)"]
    assert container("slices")["command"] == command
    assert job("slices")["completionMode"] == "Indexed"
    assert job("slices")["podReplacementPolicy"] == "Failed"  # never two at one slice
    (volume,) = (each for each in pod("slices")["volumes"] if each["name"] == "plan")
    assert f"create configmap {volume['configMap']['name']} --from-file=plan.json" in PAGE


# The pods, with real servers


@dataclass
class Cluster:
    """Starts pods; only names and addresses of servers are those of the test."""

    home: Path
    image: Path
    oracle: StandIn
    mariadb: MariaDbDatabase
    nats: NatsServer
    seed: str
    plan: Path = field(init=False)
    health_port: int = field(default_factory=free_port)
    containers: list[Container] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nats.add_stream(STREAM, ["txlog.>"])
        secrets = {
            "oracle-password": self.oracle.password,
            "mariadb-password": self.mariadb.password,
            "nats.creds": self.seed,
        }
        mounted(self.home / "secrets", secrets)
        self.plan = self.home / "plan"
        self.plan.mkdir()

    def start(self, overlay: str, **env: str) -> Running:
        """Start the pod of an overlay, with ``env`` from the one who makes pods."""
        folders = {"txlog": self.image / "txlog", "secrets": self.home / "secrets"}
        self.containers.append(Container({**folders, "plan": self.plan}))
        stage = stages()["pair"]
        command = container(overlay).get("command", stage.entrypoint)
        words = [
            _place(re.sub(r"\$\((\w+)\)", lambda name: env[name[1]], word)) for word in command
        ]
        given = stage.env | self.settings(overlay) | env
        log = self.home / f"log{len(self.containers)}"
        return self.containers[-1].start(words, given, log)

    def settings(self, overlay: str) -> dict[str, str]:
        env = {name: _place(text) for name, text in of_pod(overlay).items()} | {
            "TAP_ORACLE_TXLOG_DSN": self.oracle.dsn,
            "TAP_ORACLE_TXLOG_USER": self.oracle.user,
            "TARGET_NATS_JETSTREAM_SERVERS": self.nats.url,
            "TARGET_NATS_JETSTREAM_LEDGER_CREATE_TABLE": "true",
        }
        for prefix in ("TAP_ORACLE_TXLOG", "TARGET_NATS_JETSTREAM"):
            for name in ("host", "port", "database", "user"):
                value = self.mariadb.settings[f"mariadb_{name}"]
                env[f"{prefix}_MARIADB_{name.upper()}"] = str(value)
        if "TARGET_NATS_JETSTREAM_HEALTH_PORT" in env:
            env["TARGET_NATS_JETSTREAM_HEALTH_PORT"] = str(self.health_port)
        return env

    def close(self) -> None:
        for each in self.containers:
            each.close()


def _place(text: str) -> str:
    """Where something is mounted here: a container of the tests has all of it below /opt."""
    return text.replace("/run/secrets/txlog", "/opt/secrets").replace("/etc/txlog", "/opt/plan")


@pytest.fixture
def cluster(
    tmp_path: Path,
    image: Path,
    oracle: StandIn,
    mariadb: MariaDbDatabase,
    make_nats: Callable[..., NatsServer],
) -> Iterator[Cluster]:
    key = user_nkey()
    allowed = f"authorization {{ users: [ {{ nkey: {key.public} }} ] }}"
    server = make_nats(config=allowed, connect={"nkeys_seed_str": key.seed})
    oracle.database.tables["SPC.TXLOG_EVENTS"].generate(20, numbered)
    one = Cluster(tmp_path, image, oracle, mariadb, server, key.seed)
    yield one
    one.close()


def mounted(folder: Path, secrets: dict[str, str]) -> Path:
    """A Secret as the kubelet mounts it: by ``defaultMode``, for the group of ``fsGroup``."""
    (volume,) = (each for each in pod("cron")["volumes"] if each["name"] == "secrets")
    folder.mkdir()
    for name, text in secrets.items():
        (folder / name).write_text(text)
        (folder / name).chmod(volume["secret"]["defaultMode"])
        os.chown(folder / name, 0, pod("cron")["securityContext"]["fsGroup"])
    return folder


def test_the_pod_of_the_cron_job_runs(cluster: Cluster) -> None:
    running = cluster.start("cron")
    assert running.end() == 0, running.log
    assert cluster.nats.messages(STREAM) == 20
    query = "SELECT STATUS FROM ETL_PRMREC WHERE PROGRAM_NAME NOT LIKE '%:%'"
    assert cluster.mariadb.execute(query) == [("SUCCESS",)]


def test_the_pod_of_the_deployment_answers_its_probes_until_it_is_asked_to_end(
    cluster: Cluster,
) -> None:
    running = cluster.start("follow")
    running.until_logged("health: http://")
    wait_until(lambda: cluster.nats.messages(STREAM) == 20, what="20 messages")
    for name in ("livenessProbe", "readinessProbe"):
        path = container("follow")[name]["httpGet"]["path"]
        url = f"http://127.0.0.1:{cluster.health_port}{path}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.status == 200
    running.signal(signal.SIGTERM)
    assert running.end() == 128 + signal.SIGTERM, running.log


def test_the_pods_of_the_job_move_all_slices_of_a_plan(cluster: Cluster) -> None:
    env = os.environ | {f"TAP_ORACLE_TXLOG_{k.upper()}": v for k, v in cluster.oracle.login.items()}
    command = [str(BIN / "tap-oracle-txlog"), "--config=ENV", "--plan-slices", "2"]
    planned = subprocess.run(command, env=env, capture_output=True, check=True).stdout
    (cluster.plan / "plan.json").write_bytes(planned)
    for index in range(len(json.loads(planned)["slices"])):
        running = cluster.start("slices", JOB_COMPLETION_INDEX=str(index))
        assert running.end() == 0, running.log
    assert cluster.nats.messages(STREAM) == 20
