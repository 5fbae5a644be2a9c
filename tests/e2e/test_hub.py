"""The definitions in ``hub/`` bring both plugins into an empty project, without a network."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.pages import Terminal, commands
from tools.hub import KINDS
from tools.settings import PLUGINS, properties

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(1800)
ROOT = Path(__file__).parents[2]
PAGE = commands((ROOT / "docs/install.md").read_text(), section="## In your own Meltano project")
#: Whatever asks a server elsewhere finds nobody.
OFFLINE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:1")


def type_in(shell: Terminal, command: str, *, code: int = 0) -> str:
    ended, shown = shell.run(command)
    assert ended == code, f"$ {command}\n{shown[-6000:]}"
    return shown


def read(shown: str) -> dict[str, Any]:
    """The JSON object among lines of Meltano's log."""
    found: dict[str, Any] = json.loads(shown[shown.index("\n{") : shown.rindex("}") + 1])
    return found


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal in a project to which the page has added both plugins, a checkout beside it."""
    checkout = tmp_path / "txlog"
    checkout.symlink_to(ROOT)
    env = {"HOME": str(tmp_path), "LANG": "C.UTF-8", "NO_COLOR": "1", **OFFLINE}
    env["PATH"] = f"{ROOT}/.venv-meltano/bin:/usr/bin:/bin"
    with Terminal(tmp_path, env) as shell:
        for command in PAGE:
            if "meltano config" in command.typed:
                break
            type_in(shell, command.typed)
        for plugin in PLUGINS:
            installed(tmp_path / "my-project", plugin, f"git+file://{checkout}")
        yield shell


def installed(project: Path, plugin: str, repository: str) -> None:
    """As Meltano leaves it once it has installed what ``pip_url`` says."""
    (added,) = yaml.safe_load((project / "meltano.yml").read_text())["plugins"][KINDS[plugin]]
    assert added["pip_url"] == f"{repository}#subdirectory={plugin}"
    home = project / ".meltano" / KINDS[plugin] / plugin / "venv"
    home.mkdir(parents=True)
    (home / "bin").symlink_to(Path(sys.executable).parent)
    mark = hashlib.sha256(added["pip_url"].encode()).hexdigest()
    (home / ".meltano_plugin_fingerprint").write_text(mark)


def test_an_empty_project_gets_both_plugins_as_the_page_says(project: Terminal) -> None:
    for command in PAGE:
        if command.typed.startswith(("meltano config", "meltano invoke")):
            type_in(project, command.typed)
    for plugin in PLUGINS:
        listed = type_in(project, f"meltano config list --all {plugin}")
        prefix = plugin.upper().replace("-", "_")
        variables = [f"[env: {prefix}_{name.upper()}]" for name in properties(plugin)]
        assert [variable for variable in variables if variable not in listed] == []
        about = read(type_in(project, f"meltano invoke {plugin} --about --format=json"))
        assert about["name"] == plugin


def test_meltano_passes_on_the_defaults_and_the_plugins_take_them(project: Terminal) -> None:
    login = "TAP_ORACLE_TXLOG_DSN=db:1521/X TAP_ORACLE_TXLOG_USER=u TAP_ORACLE_TXLOG_PASSWORD=p"
    type_in(project, f"{login} meltano invoke tap-oracle-txlog --check-config")
    type_in(project, "meltano invoke target-nats-jetstream --check-config")
    given = read(type_in(project, "meltano config print target-nats-jetstream"))
    assert (given["batch_size"], given["create_stream"]) == (1000, "off")


def test_the_plugins_tell_what_is_wrong_and_meltano_has_no_traceback(project: Terminal) -> None:
    wrong = "TARGET_NATS_JETSTREAM_ADD_TRACE_ID=ture TARGET_NATS_JETSTREAM_BATCH_SIZE=ten"
    shown = type_in(project, f"{wrong} meltano invoke target-nats-jetstream --check-config", code=2)
    assert "setting `add_trace_id` is neither true nor false" in shown
    assert "setting `batch_size` is not a number that fits" in shown
    assert "Traceback" not in shown
