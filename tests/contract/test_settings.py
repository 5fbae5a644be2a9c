"""The settings that people read are those that the plugins have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tap_oracle_txlog import batch_files
from target_nats_jetstream import batch_root
from tools.settings import PLUGINS, ROOT, properties, stale

if TYPE_CHECKING:
    from typing import Any


def definition(plugin: str) -> dict[str, Any]:
    plugins = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]
    found = [p for kind in plugins.values() for p in kind if p["name"] == plugin]
    assert len(found) == 1
    one: dict[str, Any] = found[0]
    return one


def test_meltano_yml_and_the_readmes_are_up_to_date() -> None:
    assert stale() == [], "run `make settings`"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_meltano_knows_every_setting_and_hides_every_secret(plugin: str) -> None:
    settings = {setting["name"]: setting for setting in definition(plugin)["settings"]}
    assert settings.keys() == properties(plugin).keys()
    secrets = {name for name, schema in properties(plugin).items() if schema.get("secret")}
    assert {name for name, setting in settings.items() if setting.get("sensitive")} == secrets
    holders = {"servers", "ledger_url", "sqlalchemy_url"}
    assert holders & settings.keys() <= secrets


def test_every_short_name_is_in_env_example_and_leads_to_a_setting() -> None:
    example = (ROOT / ".env.example").read_text()
    for plugin, kind in PLUGINS.items():
        for setting, variable in kind.short_names.items():
            assert f"\n{variable}=" in example
            assert definition(plugin)["config"][setting] == f"${variable}"


def test_both_packages_keep_batch_files_in_one_place_by_default() -> None:
    assert batch_files.DEFAULT_ROOT == batch_root.DEFAULT_ROOT
