"""The settings that the files in ``deploy`` give to the pair, by the file that gives them."""

from __future__ import annotations

from typing import Any

import yaml

from tests.run import ROOT

DEPLOY = ROOT / "deploy"
OVERLAYS = {"cron": "cronjob", "follow": "deployment", "slices": "job"}
UNITS = ("txlog.service", "txlog-run.service")
#: What stands before the name of a secret where that is a file: in pods, in services of systemd (a
#: folder of the service's own), and at GitLab.
SECRETS = ("/run/secrets/txlog/", "%d/", "$")


def pairs(text: str) -> dict[str, str]:
    """Lines of NAME=value."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def workload(overlay: str) -> dict[str, Any]:
    """The one thing of an overlay that runs."""
    path = DEPLOY / "kubernetes" / overlay / f"{OVERLAYS[overlay]}.yaml"
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def job(overlay: str) -> dict[str, Any]:
    """What is above the pods: the spec of the workload, or of the job that it makes."""
    spec: dict[str, Any] = workload(overlay)["spec"]
    return spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec


def pod(overlay: str) -> dict[str, Any]:
    found: dict[str, Any] = job(overlay)["template"]["spec"]
    return found


def container(overlay: str) -> dict[str, Any]:
    (found,) = pod(overlay)["containers"]
    assert isinstance(found, dict)
    return found


def of_pod(overlay: str) -> dict[str, str]:
    shared = pairs((DEPLOY / "kubernetes/base/settings.env").read_text())
    own = {each["name"]: each["value"] for each in container(overlay).get("env", ())}
    return shared | own


def unit(name: str) -> list[tuple[str, str]]:
    """The assignments of a unit of systemd, in their order."""
    lines = (DEPLOY / "systemd" / name).read_text().splitlines()
    return [
        (key, value)
        for key, mark, value in (line.partition("=") for line in lines if not line.startswith("#"))
        if mark
    ]


def of_unit(name: str) -> dict[str, str]:
    own = [value for key, value in unit(name) if key == "Environment"]
    return pairs("\n".join(own)) | pairs((DEPLOY / "systemd/settings.env").read_text())


def of_github() -> dict[str, str]:
    found: dict[str, str] = workflow("github.yml")["jobs"]["txlog"]["env"]
    return found


def of_gitlab() -> dict[str, str]:
    found = dict(workflow("gitlab.yml")["txlog"]["variables"])
    del found["GIT_STRATEGY"]
    return found


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "ci" / name).read_text())
    return found


ALL = {
    **{overlay: of_pod(overlay) for overlay in OVERLAYS},
    **{name: of_unit(name) for name in UNITS},
    "github.yml": of_github(),
    "gitlab.yml": of_gitlab(),
}
